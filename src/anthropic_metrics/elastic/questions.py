"""The typed questions of `kernel.questions`, asked of Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.elastic import polls, query
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.limit_history import ElasticLimitHistory
from anthropic_metrics.elastic.lookup import refresh, refresh_if_allowed
from anthropic_metrics.elastic.minutes import ElasticMinutes
from anthropic_metrics.kernel.questions import Owner, Row, Splits, State, Used
from anthropic_metrics.kernel.ranges import Range, from_milliseconds, iso, pieces

Body = dict[str, Any]

# Windows asked about in one go: a histogram may have 65,536 buckets.
_AT_ONCE = 8_640
# Sources returned in one answer.
_NEWEST = 500
# Values of a keyword in one window that are asked for at once.
VALUES = 1_000
_TIME = "@timestamp"


@dataclass(frozen=True)
class ElasticQuestions:
    """`kernel.questions.Questions`.

    With `must_refresh` off a user without the privilege maintenance reads what the last refresh showed.
    """

    es: Elasticsearch
    must_refresh: bool = True

    def refresh(self, *streams: str) -> None:
        """Make all that was acknowledged visible; a stream that does not exist is passed over."""
        make_visible = refresh if self.must_refresh else refresh_if_allowed
        # One request for all, unless one of them does not exist or the rights of a reader differ among them.
        if self.must_refresh and len(streams) > 1 and refresh(self.es, ",".join(streams)):
            return
        for stream in streams:
            make_visible(self.es, stream)

    def windows(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        *,
        since: datetime | None = None,
        missing: bool = False,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> set[datetime]:
        """Starts of the windows that hold such documents, asked piece by piece where the range is long."""
        filters: list[Body] = []
        if since is not None:
            written = [
                {"range": {name: {"gte": iso(since)}}}
                for name in ("event.created", "anthropic.missing_since")
            ]
            filters.append({"bool": {"should": written, "minimum_should_match": 1}})
        if missing:
            filters.append({"exists": {"field": "anthropic.missing_since"}})
        # What was written since is little: the whole range holds few windows of it.
        parts = [time_range] if filters else pieces(time_range, _AT_ONCE * width)
        filters += _exact(terms)
        return {
            from_milliseconds(bucket["key"])
            for piece in parts
            for bucket in self._histogram(stream, _own(organization_id, piece, *filters), width)
        }

    def sums(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, int]]:
        """Per window the sum of each field."""
        added: Body = {name: {"sum": {"field": name}} for name in fields}
        return {
            from_milliseconds(bucket["key"]): {name: int(bucket[name]["value"]) for name in fields}
            for bucket in self._histogram(
                stream, _own(organization_id, time_range, *_exact(terms)), width, added
            )
        }

    def states(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, State]:
        """By count and by when the documents were made."""
        wanted = _reported(organization_id, time_range, terms)
        made: Body = {
            "created": {"sum": {"field": "event.created"}},
            "newest": {"max": {"field": "event.created"}},
        }
        return {
            from_milliseconds(bucket["key"]): State(
                bucket["doc_count"], int(bucket["created"]["value"]), int(bucket["newest"]["value"])
            )
            for bucket in self._histogram(stream, wanted, width, made)
        }

    def documents(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        """As of one point in time."""
        only: Body = {"source": {"includes": list(fields)}, "track_total_hits": False}
        with translated(f"Reading {stream}"):
            try:
                for hit in query.few_or_all_hits(
                    self.es, stream, _reported(organization_id, time_range, terms), **only
                ):
                    yield hit["_id"], hit["_source"]
            except NotFoundError:
                return

    def groups(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        by: Sequence[str],
        fields: Sequence[str],
        *,
        width: timedelta | None = None,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[Row, Row]]:
        """By a composite aggregation, page by page."""
        sources: list[dict[str, Body]] = [
            {name: {"terms": {"field": name, "missing_bucket": True}}} for name in by
        ]
        if width is not None:
            sources.insert(0, _windows_of(width))
        sources = sources or [{"all": {"terms": {"field": "organization.id"}}}]
        sums: Body = {str(place): {"sum": {"field": name}} for place, name in enumerate(fields)}
        wanted = _reported(organization_id, time_range, terms)
        for bucket in query.composite(self.es, stream, wanted, sources, sums):
            added = {name: int(bucket[str(place)]["value"]) for place, name in enumerate(fields)}
            key = bucket["key"]
            yield key if width is None else {**key, _TIME: from_milliseconds(key[_TIME])}, added

    def amounts(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        by: str,
        field: str,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, float]]:
        """By a histogram of terms; where a window has more values than that answers, page by page."""
        added: Body = {"sum": {"sum": {"field": field}}}
        parts: Body = {"by": {"terms": {"field": by, "size": VALUES}, "aggregations": added}}
        wanted = _reported(organization_id, time_range, terms)
        buckets = self._histogram(stream, wanted, width, parts)
        if not any(bucket["by"].get("sum_other_doc_count") for bucket in buckets):
            return {
                from_milliseconds(bucket["key"]): {
                    str(part["key"]): float(part["sum"]["value"]) for part in bucket["by"]["buckets"]
                }
                for bucket in buckets
            }
        amounts: dict[datetime, dict[str, float]] = {}
        sources: list[dict[str, Body]] = [_windows_of(width), {by: {"terms": {"field": by}}}]
        for bucket in query.composite(self.es, stream, wanted, sources, added):
            window = amounts.setdefault(from_milliseconds(bucket["key"][_TIME]), {})
            window[str(bucket["key"][by])] = float(bucket["sum"]["value"])
        return amounts

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        """By a composite aggregation, page by page."""
        wanted = _reported(organization_id, None, None)
        wanted["bool"]["filter"].append({"range": {field: {"gt": 0}}})
        newer: Body = {
            "filter": {"range": {"@timestamp": {"gte": iso(since)}}},
            "aggregations": {"total": {"sum": {"field": field}}},
        }
        sums: Body = {
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
            "newer": newer,
        }
        sources: list[dict[str, Body]] = [{"by": {"terms": {"field": by}}}]
        return {
            bucket["key"]["by"]: Used(
                from_milliseconds(bucket["first"]["value"]),
                from_milliseconds(bucket["last"]["value"]),
                bucket["newer"]["total"]["value"],
            )
            for bucket in query.composite(self.es, stream, wanted, sources, sums)
        }

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        """By a composite aggregation with the newest hit of each bucket."""
        sources: list[dict[str, Body]] = [{name: {"terms": {"field": name}}} for name in by]
        newest: Body = {"newest": {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}]}}}
        wanted = _own(organization_id, None)
        for bucket in query.composite(self.es, stream, wanted, sources, newest, page=_NEWEST):
            yield bucket["key"], bucket["newest"]["hits"]["hits"][0]["_source"]

    def read_at(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """From the agent's own documents of polls."""
        return polls.read_at(self.es, agent_stream, organization_id, stream)

    def read_from(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """From the same documents."""
        return polls.read_from(self.es, agent_stream, organization_id, stream)

    def read_to(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """From the same documents."""
        return polls.read_to(self.es, agent_stream, organization_id, stream)

    def limit_history(self, stream: str, organization_id: str) -> ElasticLimitHistory:
        """The snapshots in a rate-limit stream."""
        return ElasticLimitHistory(self.es, stream, organization_id)

    def minutes(
        self, stream: str, organization_id: str, splits: Splits, workspaces: tuple[str, ...] = ()
    ) -> ElasticMinutes:
        """The use in a stream of usage by the minute."""
        return ElasticMinutes(self.es, stream, organization_id, splits, workspaces)

    def organizations(self, stream: str) -> list[Owner]:
        """Whose documents the stream holds, by name."""
        named: Body = {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": ["organization.name"]}
        sources: list[dict[str, Body]] = [{"id": {"terms": {"field": "organization.id"}}}]
        newest: Body = {"newest": {"top_hits": named}}
        buckets = query.composite(self.es, stream, {"match_all": {}}, sources, newest, page=_NEWEST)
        owners = []
        for bucket in buckets:
            source = bucket["newest"]["hits"]["hits"][0]["_source"]
            owners.append(Owner(bucket["key"]["id"], source["organization"].get("name")))
        return sorted(owners, key=lambda owner: (owner.name or "", owner.id))

    def _histogram(
        self, stream: str, wanted: Body, width: timedelta, aggregations: Body | None = None
    ) -> list[Body]:
        seconds = round(width.total_seconds())
        histogram: Body = {
            "date_histogram": {"field": "@timestamp", "fixed_interval": f"{seconds}s", "min_doc_count": 1}
        }
        if aggregations:
            histogram["aggregations"] = aggregations
        answer = query.aggregate(self.es, stream, wanted, {"windows": histogram})
        buckets: list[Body] = answer.get("windows", {}).get("buckets", [])
        return buckets


def _windows_of(width: timedelta) -> dict[str, Body]:
    """The windows of a composite aggregation."""
    seconds = f"{round(width.total_seconds())}s"
    return {_TIME: {"date_histogram": {"field": _TIME, "fixed_interval": seconds}}}


def _own(organization_id: str, time_range: Range | None, *filters: Body) -> Body:
    own: list[Body] = [{"term": {"organization.id": organization_id}}]
    if time_range is not None:
        own.append({"range": {"@timestamp": {"gte": iso(time_range.start), "lt": iso(time_range.end)}}})
    return {"bool": {"filter": [*own, *filters]}}


def _reported(
    organization_id: str, time_range: Range | None, terms: Mapping[str, Sequence[str]] | None
) -> Body:
    """What the API still reports, with one of the values of each of `terms`."""
    wanted = _own(organization_id, time_range, *_exact(terms))
    wanted["bool"]["must_not"] = [{"exists": {"field": "anthropic.missing_since"}}]
    return wanted


def _exact(terms: Mapping[str, Sequence[str]] | None) -> list[Body]:
    return [{"terms": {name: list(values)}} for name, values in (terms or {}).items()]

"""The table of `anthropic-metrics headroom`: peak minute per limit, trend, and when growth reaches it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.failures import reading
from anthropic_metrics.kernel.ranges import Range, from_milliseconds, iso

Body = dict[str, Any]

WEEK = timedelta(weeks=1)
FURTHEST = timedelta(weeks=104)  # a line through two weeks says nothing about later
_KEY = ("anthropic.headroom.scope", "anthropic.workspace.id")
_GROUP = ("anthropic.headroom.group_id", "anthropic.headroom.limit_type")
_SHOWN = ["anthropic.headroom", "anthropic.workspace"]
# Pages of composite aggregations with a document each: a page is a few megabytes.
_PAGE = 1_000


@dataclass(frozen=True)
class Line:
    """One limit over a range: its peak minute, how often it was close, and how it was a week before.

    `usual_share`: 95 of 100 windows with traffic stayed below it. `least_left` is the least headroom share.
    `above_on`: the UTC days of the range and of the week before on which a minute was above the limit.
    `is_complete`: the window of the peak minute was read long enough after its end; else it may still grow.
    """

    workspace: str | None
    group: str
    limit_type: str
    limit: int
    peak_tokens: int
    peak_share: float
    peak_minute: datetime
    usual_share: float
    least_left: float
    above_80: int
    above_100: int
    most_tokens: int
    most_tokens_before: int | None = None
    above_on: tuple[date, ...] = ()
    caveats: tuple[str, ...] = ()
    is_complete: bool = True

    @property
    def trend(self) -> float | None:
        """Growth of the peak minute against a week before, as a share of it; None without such a week."""
        if not self.most_tokens_before:
            return None
        return self.most_tokens / self.most_tokens_before - 1

    def reached_at(self, now: datetime) -> datetime | None:
        """When the peak minute meets the limit if it goes on growing by as many tokens every week.

        `now` if it has met it; None if it does not grow, or not so far in two years, or has no week before.
        """
        if self.most_tokens >= self.limit:
            return now
        if self.most_tokens_before is None or self.most_tokens <= self.most_tokens_before:
            return None
        weeks = (self.limit - self.most_tokens) / (self.most_tokens - self.most_tokens_before)
        return now + weeks * WEEK if weeks * WEEK <= FURTHEST else None


@dataclass(frozen=True)
class Unmapped:
    """Use of a model that no limit group lists."""

    model: str
    limit_type: str
    peak_tokens: int


@dataclass(frozen=True)
class Growing:
    """Windows that are not complete: how many, and when the first of them began."""

    first: datetime
    windows: int


@dataclass(frozen=True)
class Selection:
    """What is asked about: a range of one organization, of one workspace if it is named by its id or name."""

    organization_id: str
    time_range: Range
    workspace: str | None = None


def lines(es: Elasticsearch, stream: str, selection: Selection) -> list[Line]:
    """A line per limit in use within the range, the closest to its ceiling first."""
    earlier = replace(
        selection, time_range=Range(selection.time_range.start - WEEK, selection.time_range.end - WEEK)
    )
    before = {key: (value, _days(bucket)) for key, value, bucket in _peaks(es, stream, earlier)}
    result = []
    for key, _, bucket in _peaks(es, stream, selection, details=True):
        most, days = before.get(key, (None, ()))
        above = tuple(sorted({*days, *_days(bucket)}))
        result.append(replace(_line(bucket), most_tokens_before=most, above_on=above))
    return sorted(result, key=lambda line: (-line.peak_share, -line.peak_tokens, line.group, line.limit_type))


def unmapped(es: Elasticsearch, stream: str, selection: Selection) -> list[Unmapped]:
    """Models in use that no limit group lists, with their peak minute."""
    sources = [
        {"model": {"terms": {"field": "anthropic.headroom.group_name"}}},
        {"limit_type": {"terms": {"field": "anthropic.headroom.limit_type"}}},
    ]
    wanted = _wanted(selection, unmapped=True)
    with reading(f"Asking {stream}"):
        return [
            Unmapped(bucket["key"]["model"], bucket["key"]["limit_type"], int(bucket["most"]["value"]))
            for bucket in query.composite(es, stream, wanted, sources, {"most": _of("max", "peak_tokens")})
        ]


def workspaces(es: Elasticsearch, stream: str, organization_id: str) -> dict[str, str]:
    """Ids and names of the organization's workspaces that the stream has headroom of."""
    sources = [
        {"id": {"terms": {"field": "anthropic.workspace.id"}}},
        {"name": {"terms": {"field": "anthropic.workspace.name"}}},
    ]
    buckets = query.composite(es, stream, _own(organization_id), sources, {})
    return {str(bucket["key"]["id"]): str(bucket["key"]["name"]) for bucket in buckets}


def begins(es: Elasticsearch, stream: str, organization_id: str) -> datetime | None:
    """The time of the organization's earliest headroom; None while there is none."""
    earliest = {"earliest": {"min": {"field": "@timestamp"}}}
    value = query.aggregate(es, stream, _own(organization_id), earliest).get("earliest", {}).get("value")
    return None if value is None else from_milliseconds(value)


def growing(es: Elasticsearch, stream: str, selection: Selection) -> Growing | None:
    """The windows of the selection whose minutes may still grow; None where all are complete."""
    growing_ = {"term": {"anthropic.headroom.complete": False}}
    wanted = {"bool": {"filter": [_wanted(selection, unmapped=False), growing_]}}
    starts: Body = {
        "first": {"min": {"field": "@timestamp"}},
        "windows": {"cardinality": {"field": "@timestamp"}},
    }
    answer = query.aggregate(es, stream, wanted, starts)
    first = answer.get("first", {}).get("value")
    return None if first is None else Growing(from_milliseconds(first), int(answer["windows"]["value"]))


def _own(organization_id: str) -> Body:
    return {"term": {"organization.id": organization_id}}


def _days(bucket: Mapping[str, Any]) -> tuple[date, ...]:
    days = bucket["above"]["days"]["buckets"]
    return tuple(from_milliseconds(day["key"]).date() for day in days if day["doc_count"])


def _peaks(
    es: Elasticsearch, stream: str, selection: Selection, *, details: bool = False
) -> Iterator[tuple[tuple[str, ...], int, Body]]:
    """Key, tokens of the peak minute and the bucket of every limit in use."""
    sources = [{field: {"terms": {"field": field, "missing_bucket": True}}} for field in (*_KEY, *_GROUP)]
    aggregations = {"most": _of("max", "peak_tokens"), "above": _ABOVE, **(_DETAILS if details else {})}
    wanted = _wanted(selection, unmapped=False)
    with reading(f"Asking {stream}"):
        for bucket in query.composite(es, stream, wanted, sources, aggregations, page=_PAGE):
            yield tuple(map(str, bucket["key"].values())), int(bucket["most"]["value"]), bucket


def _of(what: str, field: str, **options: Any) -> Body:
    return {what: {"field": f"anthropic.headroom.{field}", **options}}


_ABOVE: Body = {
    "filter": {"range": {"anthropic.headroom.minutes_above_100": {"gt": 0}}},
    "aggs": {"days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day"}}},
}
_DETAILS: Body = {
    "peak": {
        "top_hits": {
            "size": 1,
            "sort": [{"anthropic.headroom.peak_share": "desc"}, {"@timestamp": "asc"}],
            "_source": {"includes": _SHOWN},
        }
    },
    "usual": _of("percentiles", "peak_share", percents=[95], keyed=False),
    "left": _of("min", "headroom_share"),
    "above_80": _of("sum", "minutes_above_80"),
    "above_100": _of("sum", "minutes_above_100"),
}


def _wanted(selection: Selection, *, unmapped: bool) -> Body:
    time_range, workspace = selection.time_range, selection.workspace
    filters: list[Body] = [
        _own(selection.organization_id),
        {"range": {"@timestamp": {"gte": iso(time_range.start), "lt": iso(time_range.end)}}},
        {"term": {"anthropic.headroom.unmapped": unmapped}},
    ]
    if workspace is not None:
        either = [{"term": {f"anthropic.workspace.{name}": workspace}} for name in ("id", "name")]
        filters.append({"bool": {"should": either, "minimum_should_match": 1}})
    elif unmapped:
        filters.append({"term": {"anthropic.headroom.scope": "organization"}})
    return {"bool": {"filter": filters, "must_not": [{"exists": {"field": "anthropic.missing_since"}}]}}


def _line(bucket: Mapping[str, Any]) -> Line:
    source = bucket["peak"]["hits"]["hits"][0]["_source"]["anthropic"]
    figures, space = source["headroom"], source.get("workspace", {})
    return Line(
        workspace=space.get("name") or space.get("id"),
        group=figures["group_name"],
        limit_type=figures["limit_type"],
        limit=figures["limit"],
        peak_tokens=figures["peak_tokens"],
        peak_share=figures["peak_share"],
        peak_minute=datetime.fromisoformat(figures["peak_minute"]),
        usual_share=bucket["usual"]["values"][0]["value"],
        least_left=bucket["left"]["value"],
        above_80=int(bucket["above_80"]["value"]),
        above_100=int(bucket["above_100"]["value"]),
        most_tokens=int(bucket["most"]["value"]),
        caveats=tuple(figures.get("caveats", ())),
        is_complete=figures.get("complete", True),
    )

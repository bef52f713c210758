"""Use by the minute, read from `anthropic_metrics.usage_1m`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import query
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE
from anthropic_metrics.kernel.questions import Splits, Use
from anthropic_metrics.kernel.ranges import from_milliseconds, iso

Body = dict[str, Any]

BATCH_TIER = "batch"
FAST = "fast"
UNKNOWN_MODEL = "unknown"
_SUMS = {
    "uncached": "anthropic.usage.uncached_input_tokens",
    "cached": "anthropic.usage.cached_input_tokens",
    "created": "anthropic.usage.cache_creation_input_tokens",
    "output": "anthropic.usage.output_tokens",
}
_MISSING: Body = {"exists": {"field": "anthropic.missing_since"}}
# More than the default of composite aggregations: each page reads the whole range anew.
_PAGE = 30_000


@dataclass(frozen=True)
class ElasticMinutes:
    """The usage stream by the minute, of one organization: `kernel.questions.MinuteUse`.

    Rows that the API no longer reports are left out at once, before their deletion is confirmed.
    """

    es: Elasticsearch
    stream: str
    organization_id: str
    splits: Splits
    workspaces: tuple[str, ...] = ()

    def uses(
        self,
        start: datetime,
        end: datetime,
        *,
        models: Sequence[str] = (),
        workspaces: Sequence[str] = (),
        by_workspace: bool = True,
    ) -> Iterator[Use]:
        """Use of every minute in [start, end), batch left out; only of `models` and `workspaces` if named."""
        named = workspaces or self.workspaces
        filters: list[Body] = []
        if models:
            filters.append({"terms": {"anthropic.model": list(models)}})
        if named:
            filters.append({"terms": {"anthropic.workspace.id": list(named)}})
        excluded = [_MISSING, {"term": {"anthropic.usage.service_tier": BATCH_TIER}}]
        wanted = self._between(start, end, filters, excluded)
        sources: list[dict[str, Body]] = [
            {"minute": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}}},
            {"model": _terms("anthropic.model")},
        ]
        split = by_workspace and self.splits.workspaces
        if split:
            sources.append({"workspace": _terms("anthropic.workspace.id")})
        if self.splits.speeds:
            sources.append({"speed": _terms("anthropic.usage.speed")})
        sums = {name: {"sum": {"field": field}} for name, field in _SUMS.items()}
        for bucket in query.composite(self.es, self.stream, wanted, sources, sums, page=_PAGE):
            yield _use(bucket, split)

    def first(self) -> datetime | None:
        """The earliest minute held."""
        own: Body = {"term": {"organization.id": self.organization_id}}
        aggregations = query.aggregate(self.es, self.stream, own, {"first": {"min": {"field": "@timestamp"}}})
        value = aggregations.get("first", {}).get("value")
        return None if value is None else from_milliseconds(value)

    def largest(self, start: datetime, end: datetime, models: Sequence[str], count: int) -> dict[str, str]:
        """Ids and names of the workspaces that used most of `models` in [start, end)."""
        wanted = self._between(start, end, [{"terms": {"anthropic.model": list(models)}}], [])
        return self._workspaces(wanted, {"size": count, "order": {"used": "desc"}})

    def named(self, workspace: str) -> dict[str, str]:
        """Ids and names of the workspaces with this id or name."""
        either = [{"term": {f"anthropic.workspace.{name}": workspace}} for name in ("id", "name")]
        own: Body = {"term": {"organization.id": self.organization_id}}
        wanted: Body = {"bool": {"filter": [own], "should": either, "minimum_should_match": 1}}
        return self._workspaces(wanted, {})

    def _workspaces(self, wanted: Body, options: Body) -> dict[str, str]:
        aggregations: Body = {
            "used": {"sum": {"field": "anthropic.usage.total_tokens"}},
            "names": {"terms": {"field": "anthropic.workspace.name", "size": 1}},
        }
        terms: Body = {"terms": {"field": "anthropic.workspace.id", **options}, "aggregations": aggregations}
        answer = query.aggregate(self.es, self.stream, wanted, {"workspaces": terms})
        return {
            bucket["key"]: next((name["key"] for name in bucket["names"]["buckets"]), bucket["key"])
            for bucket in answer.get("workspaces", {}).get("buckets", ())
        }

    def _between(
        self, start: datetime, end: datetime, filters: Sequence[Body], excluded: Sequence[Body]
    ) -> Body:
        bounds: Body = {"range": {"@timestamp": {"gte": iso(start), "lt": iso(end)}}}
        own: Body = {"term": {"organization.id": self.organization_id}}
        return {"bool": {"filter": [bounds, own, *filters], "must_not": list(excluded)}}


def _terms(field: str) -> Body:
    return {"terms": {"field": field, "missing_bucket": True}}


def _use(bucket: Mapping[str, Any], split: bool) -> Use:
    key = bucket["key"]
    return Use(
        key["minute"] // 1000,
        (key["workspace"] or DEFAULT_WORKSPACE) if split else None,
        key["model"] or UNKNOWN_MODEL,
        key.get("speed") == FAST,
        int(bucket["uncached"]["value"]),
        int(bucket["cached"]["value"]),
        int(bucket["created"]["value"]),
        int(bucket["output"]["value"]),
    )

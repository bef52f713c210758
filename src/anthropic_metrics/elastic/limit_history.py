"""Reading back the rate-limit snapshots: which rows stood when, per scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.elastic import query
from anthropic_metrics.kernel.questions import Scope
from anthropic_metrics.kernel.ranges import from_milliseconds, iso

Body = dict[str, Any]

SCOPES = 10_000  # workspaces with snapshots; a terms aggregation may return this many
_NONE = "-"
_SCOPE: Body = {"field": "anthropic.rate_limit.workspace_id", "missing": _NONE, "size": SCOPES}
_FIELDS = ("@timestamp", "anthropic.rate_limit")
_AT_ONCE = 500  # clauses of one query


@dataclass(frozen=True)
class ElasticLimitHistory:
    """The snapshots of one organization's limits; `kernel.questions.LimitHistory`."""

    es: Elasticsearch
    stream: str
    organization_id: str

    def scopes(self) -> frozenset[Scope]:
        """Whose limits have ever been seen."""
        aggregations = query.aggregate(self.es, self.stream, self._all(), {"scopes": {"terms": _SCOPE}})
        return frozenset(_scope(bucket) for bucket in aggregations.get("scopes", {}).get("buckets", ()))

    def holding(
        self, start: datetime, end: datetime, scopes: Collection[Scope] | None = None
    ) -> dict[Scope, dict[int, list[Body]]]:
        """Per scope and time (seconds since 1970) the rows of every snapshot that holds in [start, end).

        Those within, the latest one up to `start`, or, where there is none, the earliest of all; only of
        `scopes` if given.
        """
        edges = self._edges(start, lambda first, latest: first if latest is None else latest)
        within: list[Body] = [{"range": {"@timestamp": {"gte": iso(start), "lt": iso(end)}}}]
        if scopes is not None:
            edges = {scope: at for scope, at in edges.items() if scope in scopes}
            within.append(_of(scopes))
        return self._rows([{"bool": {"filter": within}}, *_clauses(edges)])

    def before(self, moment: datetime, scopes: Collection[Scope]) -> dict[Scope, tuple[int, list[Body]]]:
        """Time and rows of the latest snapshot before `moment` of each of `scopes` that has one."""
        edges = self._edges(moment, lambda _, latest: latest, inclusive=False)
        rows_by_scope = self._rows(list(_clauses({s: at for s, at in edges.items() if s in scopes})))
        return {scope: next(iter(by_time.items())) for scope, by_time in rows_by_scope.items()}

    def _edges(
        self,
        moment: datetime,
        choose: Callable[[int, int | None], int | None],
        *,
        inclusive: bool = True,
    ) -> dict[Scope, int]:
        """Per scope the time in milliseconds that is chosen from its first and its latest up to `moment`."""
        before: Body = {"range": {"@timestamp": {"lte" if inclusive else "lt": iso(moment)}}}
        latest = {"latest": {"max": {"field": "@timestamp"}}}
        of_each_scope: Body = {
            "first": {"min": {"field": "@timestamp"}},
            "before": {"filter": before, "aggregations": latest},
        }
        aggregations = {"scopes": {"terms": _SCOPE, "aggregations": of_each_scope}}
        answer = query.aggregate(self.es, self.stream, self._all(), aggregations)
        edges: dict[Scope, int] = {}
        for bucket in answer.get("scopes", {}).get("buckets", ()):
            value = bucket["before"]["latest"]["value"]
            chosen = choose(int(bucket["first"]["value"]), None if value is None else int(value))
            if chosen is not None:
                edges[_scope(bucket)] = chosen
        return edges

    def _rows(self, clauses: Sequence[Body]) -> dict[Scope, dict[int, list[Body]]]:
        rows: dict[Scope, dict[int, list[Body]]] = defaultdict(lambda: defaultdict(list))
        # Snapshots mostly say the same as the one before: what is equal is held once.
        known: dict[bytes, Body] = {}
        for begin in range(0, len(clauses), _AT_ONCE):
            part = {"bool": {"should": list(clauses[begin : begin + _AT_ONCE]), "minimum_should_match": 1}}
            for source in query.sources(self.es, self.stream, self._all(part), _FIELDS):
                row = source["anthropic"]["rate_limit"]
                row = known.setdefault(to_json(row), row)
                at = int(datetime.fromisoformat(source["@timestamp"]).timestamp())
                rows[row.get("workspace_id")][at].append(row)
        return rows

    def _all(self, *more: Body) -> Body:
        return {"bool": {"filter": [{"term": {"organization.id": self.organization_id}}, *more]}}


def _scope(bucket: Mapping[str, Any]) -> Scope:
    key: str = bucket["key"]
    return None if key == _NONE else key


def _clauses(edges: Mapping[Scope, int]) -> Iterator[Body]:
    """A clause per moment with the scopes whose snapshot of that moment is wanted."""
    by_time: dict[int, list[Scope]] = defaultdict(list)
    for scope, milliseconds in edges.items():
        by_time[milliseconds].append(scope)
    for milliseconds, scopes in by_time.items():
        moment = {"term": {"@timestamp": iso(from_milliseconds(milliseconds))}}
        yield {"bool": {"filter": [moment, _of(scopes)]}}


def _of(scopes: Collection[Scope]) -> Body:
    """Snapshots of one of `scopes`."""
    either: list[Body] = []
    if None in scopes:
        either.append({"term": {"anthropic.rate_limit.scope": "organization"}})
    if named := sorted(scope for scope in scopes if scope is not None):
        either.append({"terms": {"anthropic.rate_limit.workspace_id": named}})
    return {"bool": {"should": either, "minimum_should_match": 1}}

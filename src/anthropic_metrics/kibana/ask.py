"""A panel's query, asked as Kibana asks it: time range and choices go as a filter beside the query."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, ElasticsearchWarning

from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.kernel.ranges import iso

DEFAULT_LIMIT = 1000  # what Elasticsearch sets where a query has no LIMIT
_STREAM = re.compile(r"(metrics-anthropic_metrics\.\w+)-\*")
_SINCE = re.compile(r"now-(\d+)([hdwM])(?:/([dwM]))?")


@dataclass(frozen=True)
class Answer:
    """Columns, their Elasticsearch types and the rows of a query.

    Without columns where a data stream that the query reads does not exist: `missing` names those.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    missing: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def ask(
    es: Elasticsearch,
    query: str,
    start: datetime,
    end: datetime,
    *,
    namespace: str | None = None,
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> Answer:
    """The answer for [start, end] and the values `chosen` by field; `namespace` None reads all of them.

    A stream that does not exist has no rows. Raises MetricsError.
    """
    query = _asked(query, namespace)
    with warnings.catch_warnings(), translated("The query of a panel"):
        warnings.simplefilter("ignore", ElasticsearchWarning)
        try:
            found = es.esql.query(
                query=query,
                filter=_filter(start, end, chosen or {}),
                params=_params(query, start, end),
            )
        except BadRequestError as error:
            if missing := _missing(es, query, error):
                return Answer((), (), (), missing)
            raise
    columns = found["columns"]
    return Answer(
        tuple(column["name"] for column in columns),
        tuple(column["type"] for column in columns),
        tuple(map(tuple, found["values"])),
    )


def since(text: str, now: datetime) -> datetime:
    """The start of a dashboard's range, such as `now-28d/d` or `now-1M/M`, in UTC."""
    match = _SINCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no range like now-28d/d")
    count, unit, rounding = int(match[1]), match[2], match[3]
    if unit == "M":
        months = now.year * 12 + now.month - 1 - count
        start = now.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28))
    else:
        start = now - timedelta(**{{"h": "hours", "d": "days", "w": "weeks"}[unit]: count})
    return _floor(start.astimezone(UTC), rounding)


def _floor(moment: datetime, unit: str | None) -> datetime:
    if unit is None:
        return moment
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "M" else day


def _asked(query: str, namespace: str | None) -> str:
    if namespace is not None:
        query = _STREAM.sub(rf"\1-{namespace}", query)
    return query if "LIMIT" in query else f"{query}\n| LIMIT {DEFAULT_LIMIT}"


def _missing(es: Elasticsearch, query: str, error: BadRequestError) -> tuple[str, ...]:
    """The sources of a refused query that do not exist; none where something else is wrong with it."""
    if not re.search("Unknown (index|column)", str(error)):
        return ()
    source = re.match(r"\s*FROM\s+([^|]+)", query)
    names = [name.strip() for name in source[1].split(",")] if source else []
    return tuple(name for name in names if not _exists(es, name))


def _exists(es: Elasticsearch, name: str) -> bool:
    """Asked with ES|QL, since a reader's key may do nothing else."""
    try:
        es.esql.query(query=f"FROM {name} | LIMIT 0")
    except BadRequestError as error:
        if "Unknown index" in str(error):
            return False
        raise
    return True


def _params(query: str, start: datetime, end: datetime) -> list[dict[str, str]]:
    bounds = {"_tstart": start, "_tend": end}
    return [{name: iso(bound)} for name, bound in bounds.items() if f"?{name}" in query]


def _filter(start: datetime, end: datetime, chosen: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    time = {"range": {"@timestamp": {"gte": iso(start), "lte": iso(end)}}}
    return {
        "bool": {"filter": [time, *({"terms": {field: list(values)}} for field, values in chosen.items())]}
    }

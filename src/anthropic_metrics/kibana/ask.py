"""A panel's query, asked as Kibana asks it: time range and choices go as a filter beside the query."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.query import esql, sources_of, typed_esql
from anthropic_metrics.errors import NoData
from anthropic_metrics.kernel.ranges import Range, iso
from anthropic_metrics.kibana.definitions import Covers
from anthropic_metrics.telemetry.spans import SOURCES

DEFAULT_LIMIT = 1000  # what Elasticsearch sets where a query has no LIMIT
_DOING = "The query of a panel"
_STREAM = re.compile(r"(metrics-anthropic_metrics\.\w+)-\*")
_SINCE = re.compile(r"now-(\d+)([hdwM])(?:/([dwM]))?")


@dataclass(frozen=True, slots=True)
class TimeRange(Range):
    """The time range of a panel. As in Kibana, its end belongs to it too."""

    def begins_late(self) -> bool:
        """Whether it holds only a part of the UTC month of its end, from a later day than the first."""
        return self.start > _floor(self.end, "M")

    def covered(self, what: Covers) -> str:
        """The part of it that a panel covers, as a reader wants it."""
        if what == "month":
            return _range_text(_floor(self.end, "M"), self.end)
        if what == "fortnight":
            until = _floor(self.end, "d") - timedelta(days=1)
            return _range_text(until - timedelta(days=14), until)
        if what in ("day", "week_ago"):
            end = self.end - (timedelta(days=7) if what == "week_ago" else timedelta())
            return _range_text(_floor(end, "d"), end)
        return _range_text(self.start, self.end)


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
    es: Client,
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
    query = _ask_esql(query, namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Elasticsearch remarks on a query is nothing for its reader
        try:
            columns, rows = typed_esql(
                es,
                query,
                doing=_DOING,
                filter=_filter(start, end, chosen or {}),
                params=_params(query, start, end),
            )
        except NoData:
            if missing := _missing(es, query):
                return Answer((), (), (), missing)
            raise
    return Answer(
        tuple(name for name, _ in columns), tuple(kind for _, kind in columns), tuple(map(tuple, rows))
    )


def since(text: str, now: datetime) -> datetime:
    """The start of a dashboard's range, such as `now-28d/d` or `now-1M/M`, in UTC."""
    match = _SINCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a range like now-28d/d")
    count, unit, rounding = int(match[1]), match[2], match[3]
    if unit == "M":
        months = now.year * 12 + now.month - 1 - count
        start = now.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28))
    else:
        start = now - timedelta(**{{"h": "hours", "d": "days", "w": "weeks"}[unit]: count})
    return _floor(start.astimezone(UTC), rounding)


def opened(text: str, now: datetime) -> TimeRange:
    """What a dashboard shows when it is opened: from its `range` until `now`."""
    return TimeRange(since(text, now), now)


def _range_text(start: datetime, end: datetime) -> str:
    """A month, days or times: `October 2026`, `1 - 24 Nov 2026`, `1 Oct - 25 Nov 2026, 15:47 UTC`."""
    ends = end + timedelta(milliseconds=1) if end.microsecond >= 999_000 else end
    whole_days = all(moment == _floor(moment, "d") for moment in (start, ends))
    last = ends - timedelta(days=1) if whole_days else ends
    if whole_days and start.day == ends.day == 1 and (start.year, start.month) == (last.year, last.month):
        return f"{start:%B %Y}"
    timed = start != _floor(start, "d")
    first = f"{start.day}"
    if timed or (start.year, start.month) != (last.year, last.month):
        first += f" {start:%b}" if start.year == last.year else f" {start:%b %Y}"
    if timed:
        first += f", {start:%H:%M}"
    text = f"{last.day} {last:%b %Y}" + ("" if whole_days else f", {last:%H:%M} UTC")
    return text if first == f"{last.day}" else f"{first} \N{EN DASH} {text}"


def _floor(moment: datetime, unit: str | None) -> datetime:
    if unit is None:
        return moment
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "M" else day


def _ask_esql(query: str, namespace: str | None) -> str:
    if namespace is not None:
        query = _STREAM.sub(rf"\1-{namespace}", query)
    return query if "LIMIT" in query else f"{query}\n| LIMIT {DEFAULT_LIMIT}"


def _missing(es: Client, query: str) -> tuple[str, ...]:
    """The sources of a refused query that do not exist; none where it is a field that is not there.

    Traces may be missing without harm, so they are not among them.
    """
    own = [name for name in sources_of(query) if name not in SOURCES.split(", ")]
    return tuple(name for name in own if not _exists(es, name))


def _exists(es: Client, name: str) -> bool:
    """Asked with ES|QL, since a reader's key may do nothing else."""
    try:
        esql(es, f"FROM {name} | LIMIT 0", doing=_DOING)
    except NoData:
        return False
    return True


def _params(query: str, start: datetime, end: datetime) -> dict[str, str]:
    bounds = {"_tstart": start, "_tend": end}
    return {name: iso(bound) for name, bound in bounds.items() if f"?{name}" in query}


def _filter(start: datetime, end: datetime, chosen: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    time = {"range": {"@timestamp": {"gte": iso(start), "lte": iso(end)}}}
    return {
        "bool": {"filter": [time, *({"terms": {field: list(values)}} for field, values in chosen.items())]}
    }

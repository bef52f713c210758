"""Usage as it stands at a moment, and the rows that a query with some grouping and filters gets of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .arrivals import Arrivals
from .clock import DAY, HOUR, MINUTE
from .edits import Edits
from .series import DIMENSIONS, Dimensions
from .traffic import Cell, Cells, Minutes, Traffic, add

Filters = tuple[tuple[str, frozenset[str | None]], ...]
Folded = list[tuple[int, Cell]]

_NUMBERS = (
    '{"uncached_input_tokens":%d,"cache_read_input_tokens":%d,'
    '"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d},'
    '"output_tokens":%d,"server_tool_use":{"web_search_requests":%d},'
)


class Usage:
    """The usage of every series in any bucket: traffic, with edits, as far as it has arrived at `at`."""

    def __init__(self, traffic: Traffic, arrivals: Arrivals, edits: Edits) -> None:
        self._traffic = traffic
        self._arrivals = arrivals
        self._edits = edits
        self._minutes_at = lru_cache(maxsize=12)(self._build_minutes)
        self._day_final = lru_cache(maxsize=400)(self._build_day)

    def buckets(self, start: int, end: int, width: int, at: float | None) -> Iterator[tuple[int, Cells]]:
        """Each whole bucket in [start, end), which are bucket starts, with the cells of all series."""
        one = {MINUTE: self._minute, HOUR: self._hour, DAY: self._day}[width]
        for begin in range(start, end, width):
            yield begin, one(begin, at)

    def _minute(self, begin: int, at: float | None) -> Cells:
        number = begin % HOUR // MINUTE
        return [None if minutes is None else minutes[number] for minutes in self._minutes(begin // HOUR, at)]

    def _hour(self, begin: int, at: float | None) -> Cells:
        hour = begin // HOUR
        if self._plain(hour, at):
            return self._traffic.hour(hour)
        return [None if minutes is None else _total(minutes) for minutes in self._minutes(hour, at)]

    def _day(self, begin: int, at: float | None) -> Cells:
        hours = range(begin // HOUR, begin // HOUR + 24)
        if all(self._plain(hour, at) for hour in hours):
            return self._day_final(begin)
        return _sum_of([self._hour(hour * HOUR, at) for hour in hours])

    def _build_day(self, begin: int) -> Cells:
        return _sum_of([self._traffic.hour(hour) for hour in range(begin // HOUR, begin // HOUR + 24)])

    def _plain(self, hour: int, at: float | None) -> bool:
        """Whether the hour is what the traffic says: all of it has arrived and no edit touches it."""
        begin, end = hour * HOUR, (hour + 1) * HOUR
        return self._arrivals.all_here(end, at) and not self._edits.usage_between(begin, end, at)

    def _minutes(self, hour: int, at: float | None) -> Sequence[Minutes | None]:
        if self._plain(hour, at):
            return self._traffic.minutes(hour)
        return self._minutes_at(hour, at, self._edits.version)

    def _build_minutes(self, hour: int, at: float | None, _version: int) -> Sequence[Minutes | None]:
        minutes: list[Minutes | None] = [
            None if series_minutes is None else self._arrivals.visible(index, series_minutes, hour, at)
            for index, series_minutes in enumerate(self._traffic.minutes(hour))
        ]
        begin, end = hour * HOUR, (hour + 1) * HOUR
        for edit in self._edits.usage_between(begin, end, at):
            edit.apply(minutes, self._edits.dimensions, begin)
        return minutes


class Grouping:
    """Which group each series falls into, and how a group's row is written."""

    def __init__(self, dimensions: Sequence[Dimensions], group_by: Sequence[str], filters: Filters) -> None:
        grouped = [name in group_by for name in DIMENSIONS]
        wanted = [(DIMENSIONS.index(name), values) for name, values in filters]
        groups: dict[Dimensions, int] = {}
        self._places: list[int] = []
        for series_values in dimensions:
            if all(series_values[place] in values for place, values in wanted):
                key = tuple(
                    value if keep else None for value, keep in zip(series_values, grouped, strict=True)
                )
                self._places.append(groups.setdefault(key, len(groups)))
            else:
                self._places.append(-1)
        self._keys = list(groups)
        self._templates = [_template(key) for key in self._keys]

    def fold(self, cells: Cells) -> Folded:
        """The total of each group that has any usage, in a fixed order."""
        totals: list[Cell | None] = [None] * len(self._keys)
        for place, cell in zip(self._places, cells, strict=False):
            if cell is not None and place >= 0:
                before = totals[place]
                totals[place] = cell if before is None else add(before, cell)
        return [(place, total) for place, total in enumerate(totals) if total is not None]

    def text(self, folded: Folded) -> str:
        """The rows as JSON, without the brackets around them."""
        templates = self._templates
        return ",".join([templates[place] % total for place, total in folded])

    def rows(self, folded: Folded) -> list[dict[str, Any]]:
        """The same rows as the API's objects."""
        return [_row(self._keys[place], total) for place, total in folded]


def make_filters(values: Mapping[str, Sequence[str | None]]) -> Filters:
    return tuple((name, frozenset(chosen)) for name, chosen in sorted(values.items()) if chosen)


def _row(key: Dimensions, cell: Cell) -> dict[str, Any]:
    return {
        "uncached_input_tokens": cell[0],
        "cache_read_input_tokens": cell[1],
        "cache_creation": {"ephemeral_5m_input_tokens": cell[2], "ephemeral_1h_input_tokens": cell[3]},
        "output_tokens": cell[4],
        "server_tool_use": {"web_search_requests": cell[5]},
        **dict(zip(DIMENSIONS, key, strict=True)),
    }


def _template(key: Dimensions) -> str:
    text = json.dumps(dict(zip(DIMENSIONS, key, strict=True)), separators=(",", ":"))
    return _NUMBERS + text[1:].replace("%", "%%")


def _total(minutes: Minutes) -> Cell | None:
    cells = [cell for cell in minutes if cell is not None]
    if not cells:
        return None
    a, b, c, d, e, f = map(sum, zip(*cells, strict=True))
    return (a, b, c, d, e, f)


def _sum_of(hours: Sequence[Cells]) -> Cells:
    totals: list[Cell | None] = [None] * max(map(len, hours))
    for cells in hours:
        for index, cell in enumerate(cells):
            if cell is not None:
                before = totals[index]
                totals[index] = cell if before is None else add(before, cell)
    return totals

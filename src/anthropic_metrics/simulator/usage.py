"""Usage as it stands at a moment, and the rows that a query with some grouping and filters gets of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .arrivals import Arrivals
from .clock import DAY, HOUR, MINUTE
from .edits import Addition, Edits, UsageEdit
from .series import DIMENSIONS, Dimensions
from .traffic import Cell, Cells, Minutes, Traffic, add

Filters = tuple[tuple[str, frozenset[str | None]], ...]
Held = tuple[UsageEdit | Addition, ...]
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
        # What has arrived changes by the edits that hold and by nothing else.
        self._minutes_at = lru_cache(maxsize=12)(self._build_minutes)
        self._edited_hour = lru_cache(maxsize=512)(self._build_hour)
        self.arrived_day = lru_cache(maxsize=400)(self._build_day)

    def buckets(self, start: int, end: int, width: int, at: float | None) -> Iterator[tuple[int, Cells]]:
        """Each whole bucket in [start, end), which are bucket starts, with the cells of all series."""
        one = {MINUTE: self._minute, HOUR: self._hour, DAY: self._day}[width]
        for begin in range(start, end, width):
            yield begin, one(begin, at)

    def _minute(self, begin: int, at: float | None) -> Cells:
        number = begin % HOUR // MINUTE
        return [None if minutes is None else minutes[number] for minutes in self._minutes(begin // HOUR, at)]

    def _hour(self, begin: int, at: float | None) -> Cells:
        edits = self._holding(begin, begin + HOUR, at)
        if self._arrivals.all_here(begin + HOUR, at):
            return self._arrived_hour(begin // HOUR, edits)
        return _totals(self._minutes_at(begin // HOUR, at, edits))

    def _day(self, begin: int, at: float | None) -> Cells:
        if self._arrivals.all_here(begin + DAY, at):
            return self.arrived_day(begin, self._holding(begin, begin + DAY, at))
        return _sum_of([self._hour(hour, at) for hour in range(begin, begin + DAY, HOUR)])

    def _build_day(self, begin: int, edits: Held) -> Cells:
        """The UTC day that begins at `begin`, all of it arrived, with these edits."""
        hours = range(begin, begin + DAY, HOUR)
        touching = (tuple(edit for edit in edits if edit.touches(hour, hour + HOUR)) for hour in hours)
        return _sum_of(
            [self._arrived_hour(hour // HOUR, own) for hour, own in zip(hours, touching, strict=True)]
        )

    def _arrived_hour(self, hour: int, edits: Held) -> Cells:
        return self._edited_hour(hour, edits) if edits else self._traffic.hour(hour)

    def _build_hour(self, hour: int, edits: Held) -> Cells:
        return _totals(self._minutes_at(hour, None, edits))

    def _minutes(self, hour: int, at: float | None) -> Sequence[Minutes | None]:
        begin, end = hour * HOUR, (hour + 1) * HOUR
        edits, arrived = self._holding(begin, end, at), self._arrivals.all_here(end, at)
        if arrived and not edits:
            return self._traffic.minutes(hour)
        return self._minutes_at(hour, None if arrived else at, edits)

    def _build_minutes(self, hour: int, at: float | None, edits: Held) -> Sequence[Minutes | None]:
        minutes: list[Minutes | None] = [
            None if series_minutes is None else self._arrivals.visible(index, series_minutes, hour, at)
            for index, series_minutes in enumerate(self._traffic.minutes(hour))
        ]
        for edit in edits:
            edit.apply(minutes, self._edits.dimensions, hour * HOUR)
        return minutes

    def _holding(self, start: int, end: int, at: float | None) -> Held:
        return tuple(self._edits.usage_between(start, end, at))


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


def _totals(series: Sequence[Minutes | None]) -> Cells:
    return [None if minutes is None else _total(minutes) for minutes in series]


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

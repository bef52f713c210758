"""How many tokens each series used: a pure function of seed, series and time, for any time at all.

A `Cell` is the usage of one series in one interval, in the order of `FIELDS`; None means no traffic. An
hour is drawn from the seed; its minutes are cut out of it by deterministic weights, so they always sum to
the hour.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import shake_128

from .clock import HOUR, floor
from .identity import share
from .series import SHAPES, Series

FIELDS = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "output_tokens",
    "web_search_requests",
)
Cell = tuple[int, int, int, int, int, int]
Cells = Sequence[Cell | None]
Minutes = tuple[Cell | None, ...]

ZERO: Cell = (0, 0, 0, 0, 0, 0)
_HOURS_KEPT, _MINUTE_HOURS_KEPT = 1500, 30
_RUNAWAY_EVERY_DAYS, _RUNAWAY_HOURS, _RUNAWAY_FACTOR = 28, 7, 9.0


def add(left: Cell, right: Cell) -> Cell:
    return (
        left[0] + right[0],
        left[1] + right[1],
        left[2] + right[2],
        left[3] + right[3],
        left[4] + right[4],
        left[5] + right[5],
    )


def subtract(left: Cell, right: Cell) -> Cell:
    return (
        left[0] - right[0],
        left[1] - right[1],
        left[2] - right[2],
        left[3] - right[3],
        left[4] - right[4],
        left[5] - right[5],
    )


def portion(cell: Cell, part: int, of: int) -> Cell:
    """`part / whole` of each number, rounded down."""
    return (
        cell[0] * part // of,
        cell[1] * part // of,
        cell[2] * part // of,
        cell[3] * part // of,
        cell[4] * part // of,
        cell[5] * part // of,
    )


class Traffic:
    """The final usage of every series, before any edit and whatever has arrived; bounded caches inside."""

    def __init__(self, seed: int, series: Sequence[Series], first_day: datetime, history: timedelta) -> None:
        self._seed = seed
        self._series = tuple(series)
        self._first_hour = floor(first_day, HOUR) // HOUR
        self._last_hours = tuple(
            None if series.lives is None else floor(first_day + history * series.lives, HOUR) // HOUR
            for series in self._series
        )
        self._day_factor = lru_cache(maxsize=4096)(self._factor)
        self.hour = lru_cache(maxsize=_HOURS_KEPT)(self._hour)
        self.minutes = lru_cache(maxsize=_MINUTE_HOURS_KEPT)(self._minutes)

    def _hour(self, hour: int) -> tuple[Cell | None, ...]:
        """The usage of each series in hour number `hour` since 1970."""
        if hour < self._first_hour:
            return (None,) * len(self._series)
        return tuple(self._cell(index, series, hour) for index, series in enumerate(self._series))

    def _minutes(self, hour: int) -> tuple[Minutes | None, ...]:
        """For each series the 60 minutes of an hour, None where the whole hour is idle."""
        return tuple(
            None if cell is None else self._split(index, cell, hour)
            for index, cell in enumerate(self.hour(hour))
        )

    def _numbers(self, what: str, index: int, hour: int, count: int) -> tuple[int, ...]:
        """`count` numbers in 0..65535 for this series and hour."""
        key = f"{self._seed}:{what}:{self._series[index].name}:{hour}".encode()
        return struct.unpack(f"<{count}H", shake_128(key).digest(2 * count))

    def _cell(self, index: int, series: Series, hour: int) -> Cell | None:
        last = self._last_hours[index]
        if last is not None and hour >= last:
            return None
        level = _level(series.shape, hour)
        if series.runaway and _runs_away(self._seed, hour):
            level = max(level, 0.5) * _RUNAWAY_FACTOR
        if not level:
            return None
        noise = [number / 65536 for number in self._numbers("hour", index, hour, 6)]
        growth = min(1 + 0.002 * (hour - self._first_hour) / 24, 3.0)
        return _draw(series, series.volume * level * growth * self._day_factor(index, hour // 24), noise)

    def _factor(self, index: int, day: int) -> float:
        """Some days are busier than others, and some more so for one series than for another."""
        return (
            0.65
            + 0.4 * share(self._seed, "day", day)
            + 0.4 * share(self._seed, "day", self._series[index].name, day)
        )

    def _split(self, index: int, cell: Cell, hour: int) -> Minutes:
        """Minutes with more traffic get more of each number; cumulative rounding keeps the sum exact."""
        idle = int((1 - self._series[index].density) * 65536)
        weights = [max(0, number - idle) for number in self._numbers("minutes", index, hour, 60)]
        total = sum(weights)
        if not total:
            weights[hour % 60] = total = 1
        minutes: list[Cell | None] = []
        reached, before = 0, ZERO
        for weight in weights:
            if not weight:
                minutes.append(None)
                continue
            reached += weight
            now = portion(cell, reached, total)
            part = subtract(now, before)
            minutes.append(part if any(part) else None)
            before = now
        return tuple(minutes)


@lru_cache(maxsize=4096)
def _level(shape: str, hour: int) -> float:
    """Share of the peak in this hour of the week."""
    hours, weekend = SHAPES[shape]
    when = datetime.fromtimestamp(hour * HOUR, UTC)
    return hours[when.hour] * (weekend if when.weekday() >= 5 else 1.0)


def _runs_away(seed: int, hour: int) -> bool:
    """A job without a stop condition, for some hours about once in four weeks."""
    day, hour_of_day = divmod(hour, 24)
    from_hour = 3 + seed % 9
    chosen = (seed * 5 + 11) % _RUNAWAY_EVERY_DAYS
    return day % _RUNAWAY_EVERY_DAYS == chosen and from_hour <= hour_of_day < from_hour + _RUNAWAY_HOURS


def _draw(series: Series, expected: float, noise: Sequence[float]) -> Cell | None:
    """One hour's numbers around the expected volume; shares move a little from hour to hour."""
    volume = int(expected * (0.7 + 0.6 * noise[0]))
    if volume < 500:
        return None
    read_share, short_share, long_share = series.cache
    read = int(volume * read_share * (0.85 + 0.25 * noise[1]))
    short = int(volume * short_share * (0.7 + 0.6 * noise[2]))
    long = int(volume * long_share * (0.7 + 0.6 * noise[3]))
    output = int(volume * series.output * (0.8 + 0.4 * noise[4]))
    searches = int(volume / 1_000_000 * series.searches * (0.5 + noise[5]) + noise[0])
    return (volume - read - short - long, read, short, long, output, searches if series.searches else 0)


def container_hours(seed: int, workspace: str, hour: int) -> Decimal:
    """Code execution in one hour, in quarters of a container hour."""
    return Decimal(int(_level("office", hour) * 24 * share(seed, "containers", workspace, hour))) / 4

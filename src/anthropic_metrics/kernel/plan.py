"""Which range of a report to read now, and in windows of which size. Pure: no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.kernel.ranges import WIDTHS, Range, Width, ceil, floor

# Buckets of the first window, while nobody knows how many rows a bucket has.
FIRST_WINDOW: dict[Width, int] = {"1m": 60, "1h": 6, "1d": 7}
# Buckets a page may hold at most (Admin API reference).
PAGE_MOST: dict[Width, int] = {"1m": 1440, "1h": 168, "1d": 31}
# Rows of one window that are in memory together: about 6 MB of text; `RUN_ROWS` are parsed at a time.
WINDOW_ROWS = 12_000
# Rows whose documents are in memory together: about 6 MB.
RUN_ROWS = 4_000
# The most that windows grow by from one to the next: a quiet night must not fetch a week of busy days.
GROWTH = 4
# After an answer that is too large, the next window is so many times smaller.
_SHRINK = 4


@dataclass(frozen=True, slots=True)
class Rung:
    """Buckets younger than `age` are read again once `every` has passed (zero: at every poll)."""

    age: timedelta
    every: timedelta = timedelta(0)


def due_rungs(rungs: tuple[Rung, ...], last: Mapping[Rung, datetime], now: datetime) -> list[Rung]:
    """The rungs to read now, shallowest first; never read means due, and so does "read in the future"."""
    return [rung for rung in rungs if rung not in last or not last[rung] <= now < last[rung] + rung.every]


def reach(rungs: list[Rung], now: datetime, width: Width, oldest: datetime) -> Range | None:
    """The range of the deepest of the due rungs, no deeper than `oldest`; None if nothing is due.

    The open bucket counts as part of a rung's age, so that an age of the most buckets that a page may hold
    takes one request.
    """
    if not rungs:
        return None
    step = WIDTHS[width]
    end = ceil(now, step)
    return Range(max(end - max(rung.age for rung in rungs), floor(oldest, step)), end)


def newest_window(time_range: Range, width: Width, rows_per_bucket: float | None) -> Range:
    """The newest part of `time_range` to read in one request, small enough to hold in memory.

    Windows follow the density of rows last seen, so that a large organization costs requests, not memory.
    """
    buckets = FIRST_WINDOW[width]
    if rows_per_bucket is not None:
        buckets = int(min(WINDOW_ROWS / max(rows_per_bucket, 1e-9), PAGE_MOST[width]))
    return Range(max(time_range.start, time_range.end - max(1, buckets) * WIDTHS[width]), time_range.end)


def next_density(before: float | None, seen: float, width: Width) -> float:
    """Rows per bucket to expect of the next window, after one with `seen` that was sized for `before`."""
    expected = WINDOW_ROWS / FIRST_WINDOW[width] if before is None else before
    return max(seen, expected / GROWTH)


class WindowSize:
    """How large a window of one report may be, learned from the windows before it."""

    def __init__(self, width: Width) -> None:
        self._width = width
        self._density: float | None = None  # rows per bucket that the next window is sized for

    def newest(self, time_range: Range) -> Range:
        """`newest_window` by the density last seen."""
        return newest_window(time_range, self._width, self._density)

    def saw(self, rows: int, buckets: int) -> None:
        """A window was read that had so many rows in so many buckets."""
        self._density = next_density(self._density, rows / buckets, self._width)

    def shrinks(self, window: Range) -> bool:
        """The answer about `window` was too large: whether there is a smaller one, which is the next."""
        buckets = (window.end - window.start) // WIDTHS[self._width]
        self._density = _SHRINK * WINDOW_ROWS / buckets
        return buckets > 1

"""Which range of a report to read now, and in windows of which size. Pure: no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Width = Literal["1m", "1h", "1d"]

WIDTHS: dict[Width, timedelta] = {
    "1m": timedelta(minutes=1),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Buckets a page may hold (Admin API reference): its default, used until the density is known, and its most.
PAGE_DEFAULT: dict[Width, int] = {"1m": 60, "1h": 24, "1d": 7}
PAGE_MOST: dict[Width, int] = {"1m": 1440, "1h": 168, "1d": 31}
# Rows of one window that are in memory together: about 4 MB of answer and 40 MB of documents.
WINDOW_ROWS = 8_000


@dataclass(frozen=True, slots=True)
class Range:
    """Whole buckets, UTC: from `start`, inclusive, to `end`, exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Rung:
    """Buckets younger than `age` are read again once `every` has passed (zero: at every poll)."""

    age: timedelta
    every: timedelta = timedelta(0)


def floor(moment: datetime, step: timedelta) -> datetime:
    """The start of the bucket that holds `moment`; buckets are counted from the UTC epoch."""
    return moment - (moment - EPOCH) % step


def ceil(moment: datetime, step: timedelta) -> datetime:
    """The end of the bucket that holds `moment`: the range up to it takes in the bucket still open."""
    return floor(moment, step) + step


def due_rungs(rungs: tuple[Rung, ...], last: Mapping[Rung, datetime], now: datetime) -> list[Rung]:
    """The rungs to read now, shallowest first; never read means due, and so does "read in the future"."""
    return [rung for rung in rungs if rung not in last or not last[rung] <= now < last[rung] + rung.every]


def reach(rungs: list[Rung], now: datetime, width: Width, oldest: datetime) -> Range | None:
    """The range of the deepest of the due rungs, no deeper than `oldest`; None if nothing is due."""
    if not rungs:
        return None
    step = WIDTHS[width]
    start = floor(max(now - max(rung.age for rung in rungs), oldest), step)
    return Range(start, ceil(now, step))


def newest_window(whole: Range, width: Width, rows_per_bucket: float | None) -> Range:
    """The newest part of `whole` to read in one request, small enough to hold in memory.

    Windows follow the density of rows last seen, so that a large organization costs requests, not memory.
    """
    buckets = PAGE_DEFAULT[width]
    if rows_per_bucket is not None:
        buckets = int(WINDOW_ROWS / max(rows_per_bucket, 1e-9)) if rows_per_bucket else PAGE_MOST[width]
    buckets = max(1, min(buckets, PAGE_MOST[width]))
    return Range(max(whole.start, whole.end - buckets * WIDTHS[width]), whole.end)

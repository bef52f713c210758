"""Axes: round ticks for numbers and for times, and how wide a time bucket is. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.kernel.datasets import COST, HEADROOM, USAGE, stream_name
from anthropic_metrics.kernel.ranges import DAY, HOUR, MINUTE, floor

# The widths that BUCKET(@timestamp, n, start, end) chooses from: the narrowest that makes at most n buckets.
BUCKETS = (
    *(timedelta(seconds=count) for count in (1, 5, 10, 30)),
    *(MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 12 * HOUR, DAY, 7 * DAY),
)
MONTH = timedelta(days=31)
GRAINS = {USAGE: HOUR, COST: DAY, HEADROOM: 5 * MINUTE}
# Of any expression of time, such as @timestamp or TO_DATETIME(minute * 60000).
_BUCKET = re.compile(r"BUCKET\([^?]+?,\s*(\d+),\s*\?_tstart")
_HOURS = re.compile(r"BY\s+\w+ = DATE_TRUNC\(1 hour, @timestamp\)")
_STEPS = (
    *(timedelta(seconds=count) for count in (1, 5, 15, 30)),
    *(count * MINUTE for count in (1, 5, 10, 15, 30)),
    *(count * HOUR for count in (1, 2, 3, 6, 12)),
    *(count * DAY for count in (1, 2, 4, 7, 14, 28, 56, 91, 182, 365)),
)
MOST_TICKS = 7


@dataclass(frozen=True)
class Tick:
    """A label and its place, as a share of the axis."""

    at: float
    text: str


def number_ticks(top: float, count: int = 4, *, integers: bool = False) -> list[float]:
    """Round figures from 0 to at least `top`, about `count` steps; only whole ones where `integers`."""
    if top <= 0 or not math.isfinite(top):
        return [0.0, 1.0]
    rough = top / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    if integers:
        step = max(1.0, math.ceil(step))
    return [number * step for number in range(math.ceil(top / step * 0.999) + 1)]


def whole_ticks(low: float, high: float) -> list[float]:
    """Whole numbers inside [low, high], at most MOST_TICKS."""
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 1000) if (high - low) / size <= MOST_TICKS)
    return [float(size) for size in range(math.ceil(low / step) * step, math.floor(high) + 1, step)]


def time_ticks(start: datetime, end: datetime, bucket: timedelta) -> list[Tick]:
    """Round UTC times inside [start, end], at most MOST_TICKS. Days are labelled under their middle."""
    length = end - start
    step = next((size for size in _STEPS if size >= bucket and length / size <= MOST_TICKS), _STEPS[-1])
    shift = DAY / 2 if step >= DAY and bucket == DAY else timedelta()
    seconds = step < MINUTE
    return [
        Tick((moment + shift - start) / length, _label(moment, step, seconds))
        for moment in _multiples(start, end, step)
        if start <= moment + shift < end
    ]


def bucket_width(query: str, start: datetime, end: datetime) -> timedelta:
    """The width of the time buckets that a panel's query makes over [start, end].

    It is not less than what a document of the data stream covers: an hour's tokens are not those of its first
    ten minutes.
    """
    match = _BUCKET.search(query)
    if match is None:
        return HOUR if _HOURS.search(query) else DAY
    narrow = (width for width in BUCKETS if (end - start) / width <= int(match[1]))
    grains = (grain for dataset, grain in GRAINS.items() if stream_name(dataset, "") in query)
    return max(next(narrow, MONTH), *grains, timedelta())


def _multiples(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """From the first day of the axis on for whole days, else from midnight on."""
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = day if step >= DAY else floor(start, step)
    while moment <= end:
        yield moment
        moment += step


def _label(moment: datetime, step: timedelta, seconds: bool) -> str:
    if step >= DAY or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment.day} {moment:%b}" if step < 182 * DAY else f"{moment:%b %Y}"
    return f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"

"""Time as the agent counts it: buckets of three widths on the UTC grid, and ranges of whole buckets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Width = Literal["1m", "1h", "1d"]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WIDTHS: dict[Width, timedelta] = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of time, UTC: from `start`, inclusive, to `end`, exclusive."""

    start: datetime
    end: datetime


def floor(moment: datetime, step: timedelta) -> datetime:
    """The start of the bucket that holds `moment`; buckets are counted from the UTC epoch."""
    return moment - (moment - EPOCH) % step


def ceil(moment: datetime, step: timedelta) -> datetime:
    """The end of the bucket that holds `moment`: the range up to it takes in the bucket still open."""
    return floor(moment, step) + step


def iso(moment: datetime, timespec: Literal["seconds", "milliseconds", "auto"] = "milliseconds") -> str:
    """An aware moment as text in UTC that ends in Z, cut to `timespec`; Elasticsearch keeps milliseconds.

    `auto` is for people: whole seconds without a fraction.
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def from_milliseconds(count: float) -> datetime:
    """Milliseconds since 1970, as Elasticsearch answers them, as an aware time."""
    return datetime.fromtimestamp(count / 1000, UTC)


def is_within(length: timedelta, since: datetime | None, now: datetime) -> bool:
    """Whether less than `length` has passed since a moment that was noted; False for None.

    Also for a moment in the future, which a clock that was wrong has noted: it must hold nothing up.
    """
    return since is not None and since <= now < since + length


def pieces(time_range: Range, length: timedelta) -> list[Range]:
    """The range in pieces of `length`, the last one with what is left."""
    count = -((time_range.start - time_range.end) // length)
    starts = (time_range.start + number * length for number in range(count))
    return [Range(start, min(start + length, time_range.end)) for start in starts]

"""Clocks that the simulation reads, and the few conversions between instants and bucket numbers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

MINUTE, HOUR, DAY = 60, 3600, 86400
WIDTHS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}


class Clock(Protocol):
    """Anything that says what time it is, as an aware UTC datetime."""

    def now(self) -> datetime: ...


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until a test moves it; safe to use from several threads."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def set(self, moment: datetime) -> None:
        with self._lock:
            self._now = moment.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Move forward (or back) and return the new time."""
        with self._lock:
            self._now += by
            return self._now


def epoch(moment: datetime) -> float:
    """Seconds since 1970; refuses a naive datetime rather than guess its zone."""
    if moment.tzinfo is None:
        raise ValueError(f"A datetime without a time zone is ambiguous: {moment!r}")
    return moment.timestamp()


def floor(moment: datetime, width: int) -> int:
    """The start of the bucket of `width` seconds that holds `moment`, as epoch seconds."""
    return int(epoch(moment) // width) * width


def ceil(moment: datetime, width: int) -> int:
    """The first bucket start at or after `moment`, as epoch seconds."""
    return -int(-epoch(moment) // width) * width


@lru_cache(maxsize=65536)
def iso(seconds: int) -> str:
    """RFC 3339 text as the API writes bucket times, `2026-11-01T00:00:00Z`."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

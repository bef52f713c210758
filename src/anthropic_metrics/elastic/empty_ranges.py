"""Ranges in which a stream was seen to hold nothing, so that a backfill need not look up each window there.

Only a short cut: whoever writes there in the meantime makes a `create` answer 409, and the window is then
looked up and compared like any other. What a 409 does not show, a copy that a rollover left in another
backing index, is removed by the next comparison; a range is therefore believed for `LIFETIME` only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anthropic_metrics.kernel.ranges import EPOCH, Range

# So many documents in one empty window are a backfill's; a poll's few are looked up.
WORTH = 500
LIFETIME = 30.0  # seconds
MOMENT = timedelta(milliseconds=1)
EVER = Range(EPOCH, datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class _Seen:
    ranges: tuple[Range, ...]
    until: float


class EmptyRanges:
    """Empty ranges by stream and owner. Thread-safe; losing it costs look-ups."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[Hashable, _Seen] = {}

    def holds(self, key: Hashable, window: Range) -> bool:
        """Whether all of `window` was empty a short time ago."""
        with self._lock:
            seen = self._seen.get(key)
            if seen is None or self._monotonic() >= seen.until:
                return False
            return any(vacant.start <= window.start and window.end <= vacant.end for vacant in seen.ranges)

    def note(self, key: Hashable, vacant: Range) -> None:
        """All of `vacant` is empty now."""
        with self._lock:
            self._seen[key] = _Seen((vacant,), self._monotonic() + LIFETIME)

    def take(self, key: Hashable, window: Range) -> None:
        """`window` is about to be written."""
        with self._lock:
            if seen := self._seen.get(key):
                rest = tuple(part for vacant in seen.ranges for part in _without(vacant, window))
                self._seen[key] = _Seen(rest, seen.until)

    def forget(self, key: Hashable) -> None:
        """Somebody else writes there."""
        with self._lock:
            self._seen.pop(key, None)


def _without(vacant: Range, window: Range) -> list[Range]:
    """What is left of a range beside `window`."""
    before = Range(vacant.start, min(vacant.end, window.start))
    after = Range(max(vacant.start, window.end), vacant.end)
    return [part for part in (before, after) if part.start < part.end]

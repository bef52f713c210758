"""One request at a time for the whole organization, live polls before backfill, never faster than agreed.

The Admin API's limit belongs to the organization: parallel readers starve each other. So every request waits
for its turn here: in a line ordered by priority, for a token of the bucket, and for the end of a hold.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from anthropic_metrics.errors import Stopped

__all__ = ["Pacer", "Priority"]

BURST = 10  # a poll's few pages go out at once; only longer reads feel the pace
_NEXT_LOOK = 0.2  # seconds: how soon a waiter behind others notices that the agent is stopping
_EPSILON = 1e-6  # seconds: below this a wait is over, whatever floating point left of it


class Priority(IntEnum):
    """Who goes first; lower passes higher."""

    LIVE = 0
    BACKFILL = 1


class Pacer:
    """The line that every request to one organization stands in. Thread-safe.

    `sleep` stands in for waiting in tests: the seconds it is told to wait count as passed. Without it a wait
    ends at once, with `Stopped`, when `stop` is set.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_minute / 60
        self._burst = float(max(1, min(BURST, per_minute)))
        self._stop = stop or threading.Event()
        self._wait = sleep or self._stop.wait
        self._monotonic = monotonic
        self._skipped = 0.0
        self._changed = threading.Condition()
        self._line: list[tuple[Priority, int]] = []
        self._numbers = itertools.count()
        self._busy = False
        self._tokens = self._burst
        self._filled_at = self._now()
        self._held_until, self._held_for = self._filled_at, ""

    @contextmanager
    def turn(self, priority: Priority) -> Iterator[None]:
        """Wait for this caller's turn and keep all others out until the block ends. Raises Stopped."""
        ticket = (priority, next(self._numbers))
        with self._changed:
            heapq.heappush(self._line, ticket)
        try:
            self._wait_for(ticket)
        except BaseException:
            self._leave(ticket)
            raise
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def hold(self, seconds: float, why: str = "") -> None:
        """Let nobody send for so many seconds from now; a longer hold that stands already stays."""
        with self._changed:
            until = self._now() + seconds
            if until >= self._held_until:
                self._held_until, self._held_for = until, why

    def held_for(self) -> str:
        """Why nobody sends now, as it was said with the hold; empty without one."""
        return self._held_for if self.hold_left() else ""

    def hold_left(self) -> float:
        """Seconds until the hold ends; 0 without one."""
        with self._changed:
            return max(0.0, self._held_until - self._now())

    def sleep(self, seconds: float) -> None:
        """Wait outside the line. Raises Stopped as soon as the agent is asked to stop."""
        self.check_stop()
        before = self._monotonic()
        self._wait(seconds)
        missing = seconds - (self._monotonic() - before)
        self.check_stop()
        if missing > 0:  # a stand-in that returned early
            with self._changed:
                self._skipped += missing

    def check_stop(self) -> None:
        """Raises Stopped when the agent is asked to stop."""
        if self._stop.is_set():
            raise Stopped

    def _wait_for(self, ticket: tuple[Priority, int]) -> None:
        while True:
            self.check_stop()
            with self._changed:
                if self._busy or self._line[0] != ticket:
                    self._changed.wait(_NEXT_LOOK)
                    continue
                delay = self._delay(ticket[0])
                if delay <= 0:
                    heapq.heappop(self._line)
                    self._tokens -= 1
                    self._busy = True
                    return
            # Outside the lock: somebody more urgent may step in front meanwhile, or the hold may grow.
            self.sleep(delay)

    def _leave(self, ticket: tuple[Priority, int]) -> None:
        with self._changed:
            self._line.remove(ticket)
            heapq.heapify(self._line)
            self._changed.notify_all()

    def _delay(self, priority: Priority) -> float:
        """Seconds until this caller may go. Backfill leaves half of the burst to the next live poll."""
        wanted = 1.0 if priority is Priority.LIVE else max(1.0, self._burst / 2)
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        delay = max((wanted - self._tokens) / self._per_second, self._held_until - now)
        return delay if delay > _EPSILON else 0.0

    def _now(self) -> float:
        return self._monotonic() + self._skipped

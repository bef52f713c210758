"""Which answer about a bucket is the newest that this process has read.

A live poll and a sweep read the same buckets on two threads. An answer that was asked for first may be
written last, and would put older figures over newer ones: so whoever writes a bucket asks here first.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer, by the moments when it was asked for (`start`) and when it was complete (`end`)."""

    start: int
    end: int


class Newest:
    """The newest answer about each place, such as a bucket's start. Thread-safe, and never waits.

    An answer is newer than another if it was asked for when the other was complete. Of two that were under
    way together nobody knows which is newer: the one that was complete first counts, and the other is left to
    the next poll.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moments = count()
        self._passes = 0
        self._answers: dict[Hashable, Answer] = {}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A pass: all its answers are asked for, read and written within.

        What is known of the answers of earlier passes is forgotten when none is under way any more.
        """
        with self._lock:
            self._passes += 1
        try:
            yield
        finally:
            with self._lock:
                self._passes -= 1
                if not self._passes:
                    self._answers.clear()

    def ask(self) -> int:
        """The present moment, as a number; call it before the first request of an answer."""
        return next(self._moments)

    def read(self, start: int, places: Iterable[Hashable]) -> Answer:
        """Note that an answer about `places`, asked for at `start`, is complete."""
        with self._lock:
            answer = Answer(start, next(self._moments))
            for place in places:
                known = self._answers.get(place)
                if known is None or known.end < start:
                    self._answers[place] = answer
        return answer

    def is_newest(self, answer: Answer, place: Hashable) -> bool:
        """Whether the place may be written from this answer, of a pass that is under way."""
        with self._lock:
            return self._answers.get(place) is answer

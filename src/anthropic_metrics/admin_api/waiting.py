"""How long a server has been silent: tells a frozen organization from one that has much to read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Waiting:
    """The calls of one client that are under way. Thread-safe; `monotonic` measures."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._calls = 0
        self._since = 0.0

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call, from its first request to the end of its last retry."""
        with self._lock:
            if not self._calls:
                self._since = self._monotonic()
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1

    def answered(self) -> None:
        """A call got what it wants; others may still be under way."""
        with self._lock:
            self._since = self._monotonic()

    def seconds(self) -> float:
        """Seconds since a call began without any good answer since then; 0 while no call is under way."""
        with self._lock:
            return self._monotonic() - self._since if self._calls else 0.0

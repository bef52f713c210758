"""Documents that went to the failure store: when each may be sent again.

Every time it is sent a diverted document leaves another copy in the failure store, and what diverts it (a
pipeline or mapping of the user's) is rarely mended within a poll.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.kernel.ranges import is_within

FIRST = timedelta(hours=1)
LONGEST = timedelta(days=1)
# Beyond so many the first are forgotten, and sent again sooner.
MOST = 100_000


@dataclass(frozen=True, slots=True)
class _Wait:
    hash: str
    since: datetime
    length: timedelta


class DivertedRetries:
    """Waits an hour before a diverted document is sent again, then twice as long, a day at most. Thread-safe.

    A document that says something else is sent at once. In memory only: a restart sends each once more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[tuple[str, str], _Wait] = {}

    def __bool__(self) -> bool:
        """Whether any document waits."""
        return bool(self._waits)

    def waiting(
        self, stream: str, wanted: Iterable[Prepared], copies: Iterable[Copy], now: datetime
    ) -> set[str]:
        """Ids of those of `wanted` not to be sent now; what `copies` has by now waits no longer."""
        arrived = {copy.id: copy.hash for copy in copies}
        ids = set()
        with self._lock:
            for document in wanted:
                wait = self._waits.get((stream, document.id))
                if wait is None:
                    continue
                if arrived.get(document.id) == document.hash:
                    del self._waits[stream, document.id]
                elif wait.hash == document.hash and is_within(wait.length, wait.since, now):
                    ids.add(document.id)
        return ids

    def diverted(self, stream: str, documents: Iterable[Prepared], now: datetime) -> None:
        """Note documents that went to the failure store at `now`."""
        with self._lock:
            for document in documents:
                key = stream, document.id
                before = self._waits.pop(key, None)
                again = before is not None and before.hash == document.hash
                length = min(2 * before.length, LONGEST) if before and again else FIRST
                self._waits[key] = _Wait(document.hash, now, length)
            while len(self._waits) > MOST:
                del self._waits[next(iter(self._waits))]

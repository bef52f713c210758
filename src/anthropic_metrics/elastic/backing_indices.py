"""Which backing indices of a data stream can hold documents of a window.

A search of a stream asks each of its backing indices, which costs Elasticsearch a fixed time for each,
whatever that holds. It lets nobody create a document in one that is not the newest: what times an older one
holds is learned once and believed for `LIFETIME`, and a window is then looked up only where its documents can
be.

Only a short cut, as EmptyRanges is: if a rollover between two requests hides a document, creating it again is
answered 409, and the caller then asks the whole stream. What a 409 does not show, a document that a snapshot
brought back into an older backing index under its UUID, is stored twice until a comparison after `LIFETIME`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.elastic.diff import age
from anthropic_metrics.elastic.failures import reading, translated
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.kernel.ranges import Range

MANY = 8  # backing indices from which on it pays to ask for them first
LIFETIME = 3600.0  # seconds
LONGEST = 3000  # characters of names: Elasticsearch takes 4096 bytes as a request's first line
# The newest takes new documents, and the one before it those that were under way when it was the newest.
_GROWING = 2
# No right to ask, no such stream yet, or a server that has no such question.
_NOT_TOLD = (400, 403, 404, 405, 410)
_UUIDS = "*.settings.index.uuid"
_ANY = (-math.inf, math.inf)
_SEARCH: dict[str, Any] = {
    "size": 0,
    "track_total_hits": False,
    # Read off the index's points, not off its documents: of ten million in a few milliseconds.
    "aggs": {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}},
}


@dataclass(slots=True)
class _Learned:
    """The first and last time, in milliseconds, of older backing indices by UUID; None of an empty one."""

    until: float
    few: bool = False
    times: dict[str, tuple[float, float] | None] = field(default_factory=dict)


class BackingIndices:
    """Backing indices of streams and the times they hold. Thread-safe; losing it costs a few requests."""

    def __init__(self, es: Elasticsearch, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._es = es
        self._monotonic = monotonic
        self._learned: dict[str, _Learned] = {}

    def holding(self, stream: str, window: Range) -> str | None:
        """The names to look a window up in, separated by commas; None: in the whole stream.

        Raises what a look-up raises.
        """
        learned = self._of(stream)
        if learned.few:
            return None
        uuids = self._uuids(stream)
        learned.few = len(uuids) < MANY
        if learned.few:
            return None
        by_age = sorted(uuids, key=age)
        older, growing = by_age[:-_GROWING], by_age[-_GROWING:]
        if unknown := [name for name in older if uuids[name] not in learned.times]:
            learned.times.update((uuids[name], times) for name, times in self._times(stream, unknown))
        start, end = (moment.timestamp() * 1000 for moment in (window.start, window.end))
        asked = [
            name
            for name in older
            if (times := learned.times.get(uuids[name], _ANY)) and times[0] < end and start <= times[1]
        ]
        names = ",".join(asked + growing)
        return names if 2 * len(asked) < len(older) and len(names) <= LONGEST else None

    def _of(self, stream: str) -> _Learned:
        now = self._monotonic()
        learned = self._learned.get(stream)
        if learned is None or now >= learned.until:
            learned = self._learned[stream] = _Learned(now + LIFETIME)
        return learned

    def _uuids(self, stream: str) -> dict[str, str]:
        """UUIDs of the backing indices by name, for a name may come back with other documents.

        Empty for a user who may not ask for them, or a server that does not tell.
        """
        with translated(f"Looking up {stream}"):
            try:
                answer = self._es.indices.get_settings(index=stream, filter_path=_UUIDS)
            except ApiError as error:
                if error.status_code in _NOT_TOLD:
                    return {}
                raise
        with reading(f"Looking up {stream}"):
            return {name: index["settings"]["index"]["uuid"] for name, index in answer.items()}

    def _times(self, stream: str, names: Sequence[str]) -> Iterator[tuple[str, tuple[float, float] | None]]:
        """The times of those that answer; of the others nothing is known, and they are asked."""
        if not refresh(self._es, stream):
            return
        searches = [part for name in names for part in ({"index": name}, _SEARCH)]
        with translated(f"Looking up {stream}"):
            answers = self._es.msearch(index=stream, searches=searches)["responses"]
        with reading(f"Looking up {stream}"):
            for name, answer in zip(names, answers, strict=True):
                if "error" not in answer and not (answer["timed_out"] or answer["_shards"]["failed"]):
                    first, last = (answer["aggregations"][end]["value"] for end in ("first", "last"))
                    yield name, None if first is None else (first, last)

"""Bulk requests whose every answer is read.

Each operation is safe to send again: a `create` of what is already there and a write under an old version
both answer 409. So what was throttled, or failed on the way, is simply repeated, and what turns out to be
done already is settled by the caller's next comparison.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, islice
from typing import Any, cast

from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.elastic.failures import (
    SETUP_CURE,
    from_status,
    item_reason,
    reading,
    reason,
    translated,
)
from anthropic_metrics.elastic.operations import Kind, Operation, chunks
from anthropic_metrics.errors import MetricsError, RetryLater, SinkError, Stopped

# Requests under way together: a node takes more at once, but writes little more.
CONNECTIONS = 4
ATTEMPTS = 6  # waits of about 1, 2, 4, 8 and 16 s: the queue of a busy node drains within seconds
_LONGEST_WAIT = 30.0
# Items keep their places because each has a status; ids, versions and shard counts are not needed.
_READ = [f"items.*.{name}" for name in ("status", "result", "error", "failure_store")]

Sleep = Callable[[float], object]


class Verdict(Enum):
    """What became of one operation."""

    DONE = "done"
    CONFLICT = "conflict"
    RETRY = "retry"
    REFUSED = "refused"
    DIVERTED = "diverted"
    DROPPED = "dropped"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Written:
    """What became of the operations. `done` counts by kind; `refused` has ids and reasons."""

    done: Counter[Kind] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    diverted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    blocked: MetricsError | None = None

    def add(self, other: Written) -> None:
        """Enter what became of other operations."""
        self.done += other.done
        self.conflicts += other.conflicts
        self.refused += other.refused
        self.diverted += other.diverted
        self.dropped += other.dropped
        self.blocked = self.blocked or other.blocked


@dataclass(frozen=True, slots=True)
class Attempt:
    """A chunk that was sent once: what became of it, and what has to be sent again, and why."""

    written: Written
    again: list[Operation]
    why: str = ""
    too_large: bool = False


def classify(kind: Kind, item: dict[str, Any]) -> Verdict:
    """The verdict on one item of a bulk answer."""
    status: int = item["status"]
    if item.get("failure_store") == "used":
        return Verdict.DIVERTED
    if status < 300:
        # What a pipeline of the user's drops is answered like an update that changed nothing.
        return Verdict.DROPPED if item.get("result") == "noop" else Verdict.DONE
    if status == 404 and kind != "create":
        # The copy, or with it its backing index, is gone.
        return Verdict.DONE if kind in ("delete", "extra") else Verdict.CONFLICT
    if status == 409:
        return Verdict.CONFLICT
    if status == 429 or status >= 500:
        return Verdict.RETRY
    return Verdict.BLOCKED if status in (401, 403, 404) else Verdict.REFUSED


class BulkWriter:
    """Sends operations in chunks and repeats what was throttled or failed on the server's side.

    `sleep` waits between repetitions; `stop` ends any wait at once with Stopped.
    """

    def __init__(
        self, es: Elasticsearch, *, stop: threading.Event | None = None, sleep: Sleep | None = None
    ) -> None:
        self._es = es
        self._stop = stop or threading.Event()
        self._sleep = sleep or (self._stop.wait if stop else time.sleep)

    def write(self, stream: str, operations: Iterable[Operation]) -> Written:
        """Send all operations; each ends as one entry of the result.

        Chunks of one kind are under way together, over `CONNECTIONS` connections; one of another kind waits
        until all before it are answered. Nothing is under way any more when this returns or raises.

        Raises SinkError or AuthError, after everything else was sent, when the server does not let the
        agent write; RetryLater when it is away or stays overloaded. In both cases some operations may be
        done: the next comparison tells.
        """
        written = Written()
        cut = chunks(operations)
        first = list(islice(cut, 2))
        if len(first) == 2:
            self._together(stream, chain(first, cut), written)
        else:
            for chunk in first:
                self._settle(stream, self._attempt(stream, chunk), written)
        if written.blocked:
            raise written.blocked
        return written

    def _together(self, stream: str, cut: Iterable[list[Operation]], written: Written) -> None:
        under_way: deque[Future[Attempt]] = deque()
        kinds: set[Kind] = set()
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="bulk") as pool:
            for chunk in cut:
                before, kinds = kinds, {operation.kind for operation in chunk}
                self._answered(stream, under_way, written, leave=CONNECTIONS - 1 if kinds == before else 0)
                under_way.append(pool.submit(self._attempt, stream, chunk))
            self._answered(stream, under_way, written)

    def _answered(
        self, stream: str, under_way: deque[Future[Attempt]], written: Written, *, leave: int = 0
    ) -> None:
        """Wait for the oldest requests until no more than `leave` are under way.

        What has to be sent again waits until none is, so that a node that is busy is given all of the pause.
        """
        again: list[Attempt] = []
        while len(under_way) > (0 if again else leave):
            attempt = under_way.popleft().result()
            if attempt.again:
                again.append(attempt)
            else:
                written.add(attempt.written)
        for attempt in again:
            self._settle(stream, attempt, written)

    def _settle(self, stream: str, attempt: Attempt, written: Written) -> None:
        """Send what a first attempt left over until nothing is."""
        for number in range(1, ATTEMPTS + 1):
            written.add(attempt.written)
            if attempt.too_large:
                self._halve(stream, attempt.again, written)
                return
            if not attempt.again:
                return
            if number < ATTEMPTS:
                self._pause(number)
                attempt = self._attempt(stream, attempt.again)
        raise RetryLater(
            f"Writing to {stream}: {len(attempt.again)} documents were not accepted: {attempt.why}"
        )

    def _attempt(self, stream: str, chunk: list[Operation]) -> Attempt:
        """Send a chunk once."""
        if self._stop.is_set():
            raise Stopped
        written = Written()
        try:
            with translated(f"Writing to {stream}"):
                items = self._send(stream, chunk)
        except RetryLater as error:
            if not isinstance(error.__cause__, ApiError):
                raise  # the answer was lost: whether it was done is for the next comparison to find out
            return Attempt(written, chunk, error.message)
        if items is None:
            return Attempt(written, chunk, too_large=True)
        if len(items) != len(chunk):
            raise SinkError(f"Writing to {stream}: {len(items)} answers to {len(chunk)} operations.")
        pairs = zip(chunk, items, strict=True)
        again = [(operation, item) for operation, item in pairs if _enter(stream, operation, item, written)]
        why = reason(again[0][1]) if again else ""
        return Attempt(written, [operation for operation, _ in again], why)

    def _send(self, stream: str, chunk: list[Operation]) -> list[dict[str, Any]] | None:
        """The items of the answer in order; None when the request was too large for the server."""
        body = b"".join([operation.lines for operation in chunk])
        try:
            # Lines that are bytes go out as they are; the client's types do not say so.
            answer = self._es.bulk(index=stream, operations=cast(Any, (body,)), filter_path=_READ)
        except ApiError as error:
            if error.status_code == 413:
                return None
            raise
        with reading(f"Writing to {stream}"):
            return [item for entry in answer.get("items", ()) for item in entry.values()]

    def _halve(self, stream: str, chunk: list[Operation], written: Written) -> None:
        """A proxy before the cluster may allow less than Elasticsearch does."""
        if len(chunk) == 1:
            written.refused.append((chunk[0].id, "larger than the server allows (413)"))
            return
        middle = len(chunk) // 2
        for half in (chunk[:middle], chunk[middle:]):
            self._settle(stream, self._attempt(stream, half), written)

    def _pause(self, attempt: int) -> None:
        longest = min(_LONGEST_WAIT, 2.0 ** (attempt - 1))
        self._sleep(longest * random.uniform(0.75, 1.25))  # noqa: S311  (nothing secret)
        if self._stop.is_set():
            raise Stopped


def _enter(stream: str, operation: Operation, item: dict[str, Any], written: Written) -> bool:
    """Enter the item's verdict; True when the operation has to be sent again."""
    verdict = classify(operation.kind, item)
    if verdict is Verdict.DONE:
        written.done[operation.kind] += 1
    elif verdict is Verdict.CONFLICT:
        written.conflicts.append(operation.id)
    elif verdict is Verdict.REFUSED:
        written.refused.append((operation.id, item_reason(item.get("error"))))
    elif verdict is Verdict.DIVERTED:
        written.diverted.append(operation.id)
    elif verdict is Verdict.DROPPED:
        written.dropped.append(operation.id)
    elif verdict is Verdict.BLOCKED:
        written.blocked = written.blocked or _blocked(stream, item)
    return verdict is Verdict.RETRY


def _blocked(stream: str, item: dict[str, Any]) -> MetricsError:
    status, why = item["status"], reason(item)
    if status == 404:
        return SinkError(f"Writing to {stream}: no index template makes it a data stream.", cure=SETUP_CURE)
    kind = str(item.get("error", {}).get("type", ""))
    return from_status(status, kind, why, f"Writing to {stream}")

"""Bulk requests whose every answer is read.

Each operation is safe to send again: a `create` of what is already there and a write under an old version
both answer 409. So what was throttled, or failed on the way, is simply repeated, and what turns out to be
done already is settled by the caller's next comparison.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, cast

from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.elastic.diff import Held
from anthropic_metrics.elastic.failures import (
    SETUP_CURE,
    from_status,
    item_reason,
    reading,
    reason,
    translated,
)
from anthropic_metrics.errors import MetricsError, RetryLater, SinkError, Stopped

CHUNK_COUNT = 1_000
CHUNK_BYTES = 5_000_000
ATTEMPTS = 6  # waits of about 1, 2, 4, 8 and 16 s: the queue of a busy node drains within seconds
_LONGEST_WAIT = 30.0
# Items keep their places because each has a status; ids, versions and shard counts are not needed.
_READ = [f"items.*.{name}" for name in ("status", "result", "error", "failure_store")]

Kind = Literal["create", "replace", "mark", "delete", "extra"]
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


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with its lines of the bulk body, each ended by a newline."""

    kind: Kind
    id: str
    lines: bytes


@dataclass(slots=True)
class Written:
    """What became of the operations. `done` counts by kind; `refused` has ids and reasons."""

    done: Counter[Kind] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    diverted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    blocked: MetricsError | None = None


def create(id_: str, body: bytes) -> Operation:
    """Create a document (its source as JSON) through the stream, which must be or become a data stream."""
    action = b'{"create":{"_id":%b,"require_data_stream":true}}\n' % _quoted(id_)
    return Operation("create", id_, action + body + b"\n")


def overwrite(kind: Literal["replace", "mark"], copy: Held, body: bytes) -> Operation:
    """Replace one copy in its backing index, unless it has changed since it was looked up."""
    return Operation(kind, copy.id, b'{"index":%b}\n%b\n' % (_versioned(copy), body))


def remove(kind: Literal["delete", "extra"], copy: Held) -> Operation:
    """Delete one copy from its backing index, unless it has changed since it was looked up."""
    return Operation(kind, copy.id, b'{"delete":%b}\n' % _versioned(copy))


def chunks(
    operations: Iterable[Operation], count: int = CHUNK_COUNT, size: int = CHUNK_BYTES
) -> Iterator[list[Operation]]:
    """Lists of at most `count` operations and about `size` bytes; a larger operation goes alone."""
    chunk: list[Operation] = []
    total = 0
    for operation in operations:
        length = len(operation.lines)
        if chunk and (len(chunk) >= count or total + length > size):
            yield chunk
            chunk, total = [], 0
        chunk.append(operation)
        total += length
    if chunk:
        yield chunk


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

        Raises SinkError or AuthError, after everything else was sent, when the server does not let the
        agent write; RetryLater when it is away or stays overloaded. In both cases some operations may be
        done: the next comparison tells.
        """
        written = Written()
        for chunk in chunks(operations):
            self._deliver(stream, chunk, written)
        if written.blocked:
            raise written.blocked
        return written

    def _deliver(self, stream: str, chunk: list[Operation], written: Written) -> None:
        why = ""
        for attempt in range(ATTEMPTS):
            self._wait(attempt)
            chunk, why = self._attempt(stream, chunk, written)
            if not chunk:
                return
        raise RetryLater(f"Writing to {stream}: {len(chunk)} documents were not taken: {why}")

    def _attempt(self, stream: str, chunk: list[Operation], written: Written) -> tuple[list[Operation], str]:
        """Send a chunk once; returns what has to be sent again and why."""
        try:
            with translated(f"Writing to {stream}"):
                items = self._send(stream, chunk)
        except RetryLater as error:
            if not isinstance(error.__cause__, ApiError):
                raise  # the answer was lost: whether it was done is for the next comparison to find out
            return chunk, error.message
        if items is None:
            return self._halve(stream, chunk, written)
        if len(items) != len(chunk):
            raise SinkError(f"Writing to {stream}: {len(items)} answers to {len(chunk)} operations.")
        pairs = zip(chunk, items, strict=True)
        again = [(operation, item) for operation, item in pairs if _settle(stream, operation, item, written)]
        return [operation for operation, _ in again], reason(again[0][1]) if again else ""

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

    def _halve(self, stream: str, chunk: list[Operation], written: Written) -> tuple[list[Operation], str]:
        """A proxy before the cluster may allow less than Elasticsearch does."""
        if len(chunk) == 1:
            written.refused.append((chunk[0].id, "larger than the server allows (413)"))
            return [], ""
        middle = len(chunk) // 2
        self._deliver(stream, chunk[:middle], written)
        self._deliver(stream, chunk[middle:], written)
        return [], ""

    def _wait(self, attempt: int) -> None:
        if attempt:
            longest = min(_LONGEST_WAIT, 2.0 ** (attempt - 1))
            self._sleep(longest * random.uniform(0.75, 1.25))  # noqa: S311
        if self._stop.is_set():
            raise Stopped


def _settle(stream: str, operation: Operation, item: dict[str, Any], written: Written) -> bool:
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


def _quoted(text: str) -> bytes:
    return json.dumps(text).encode()


def _versioned(copy: Held) -> bytes:
    return b'{"_index":%b,"_id":%b,"if_seq_no":%d,"if_primary_term":%d}' % (
        _quoted(copy.index),
        _quoted(copy.id),
        copy.seq_no,
        copy.primary_term,
    )

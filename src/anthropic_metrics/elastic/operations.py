"""The operations of a bulk request, each with its lines, and their chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from pydantic_core import to_json

from anthropic_metrics.elastic.diff import Copy

CHUNK_COUNT = 500
CHUNK_BYTES = 5_000_000

Kind = Literal["create", "replace", "mark", "delete", "extra"]


class Operation(NamedTuple):
    """One operation with its lines of the bulk body, each ended by a newline."""

    kind: Kind
    id: str
    lines: bytes


def create(id_: str, body: bytes) -> Operation:
    """Create a document (its source as JSON) through the stream, which must be or become a data stream."""
    return Operation(
        "create", id_, b'{"create":{"_id":%b,"require_data_stream":true}}\n%b\n' % (to_json(id_), body)
    )


def overwrite(kind: Literal["replace", "mark"], copy: Copy, body: bytes) -> Operation:
    """Replace one copy in its backing index, unless it has changed since it was looked up."""
    return Operation(kind, copy.id, b'{"index":%b}\n%b\n' % (_versioned(copy), body))


def remove(kind: Literal["delete", "extra"], copy: Copy) -> Operation:
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


def _versioned(copy: Copy) -> bytes:
    return b'{"_index":%b,"_id":%b,"if_seq_no":%d,"if_primary_term":%d}' % (
        to_json(copy.backing_index),
        to_json(copy.id),
        copy.seq_no,
        copy.primary_term,
    )

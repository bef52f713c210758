"""Buckets between the answer and the store: which are new, what they are made into, how many go together."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from anthropic_metrics.admin_api.pages import Bucket
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.plan import RUN_ROWS
from anthropic_metrics.reports.build import is_usd


@dataclass(frozen=True, slots=True)
class Fresh:
    """A bucket whose answer is new, or to be compared with the stream all the same.

    `fingerprint` is that of its documents where the answer is the one that was reconciled last.
    """

    bucket: Bucket
    digest: int
    fingerprint: int | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A bucket's documents, without its rows. `clean`: every row of it could be read."""

    start: datetime
    end: datetime
    digest: int
    organization_id: str
    documents: list[Prepared]
    clean: bool


class Known(NamedTuple):
    """What is remembered of a bucket: the digest of its answer, the fingerprint of its documents."""

    digest: int
    fingerprint: int

    @classmethod
    def of(cls, built: Built) -> Known:
        """Of a bucket whose documents the stream holds."""
        return cls(built.digest, fingerprint((document.id, document.hash) for document in built.documents))


def runs(buckets: list[Fresh]) -> Iterator[list[Fresh]]:
    """Runs of adjacent buckets, small enough that their documents fit in memory.

    Each is compared and written in one go.
    """
    run: list[Fresh] = []
    rows = 0
    for fresh in buckets:
        rows += len(fresh.bucket.rows)
        if run and (rows > RUN_ROWS or run[-1].bucket.end != fresh.bucket.start):
            yield run
            run, rows = [], len(fresh.bucket.rows)
        run.append(fresh)
    if run:
        yield run


def other_currencies(bucket: Bucket) -> set[str]:
    """A sentence per currency that no budget counts, for as long as the report has it."""
    currencies = (row.get("currency") for row in bucket.rows if isinstance(row, dict))
    other = sorted({name.upper() for name in currencies if isinstance(name, str) and not is_usd(name)})
    return {f"Costs in {name} are in no budget, cost rule or panel: those count USD only." for name in other}


def answer_digest(bucket: Bucket, names: Names, now: datetime) -> int:
    """Digest of all that the bucket's documents are made of: rows, names, whether it is complete.

    marshal in version 2 writes equal values as equal bytes, several times faster than JSON. 64 bits, good
    for this process only, are enough: a change that they hid would be found by the daily sweep.
    """
    complete = now >= bucket.end + DOCUMENTED_LAG
    return hash(marshal.dumps([bucket.rows, names.digest, complete], 2))

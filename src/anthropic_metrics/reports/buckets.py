"""Buckets between the answer and the store: which are new, what they are made into, how many go together."""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from anthropic_metrics.admin_api.pages import Bucket
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.plan import RUN_ROWS


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
    """A bucket's documents, without its rows, of which there were `count`.

    `clean`: every row of it could be read. `text` is the digest of the text, as far as it is known.
    """

    start: datetime
    end: datetime
    digest: int
    organization_id: str
    documents: list[Prepared]
    clean: bool
    text: int | None
    count: int


class _Known(NamedTuple):
    digest: int
    text: int | None
    rows: int
    fingerprint: int


class Answers:
    """Each bucket's last reconciled answer, while the stream says just that.

    A cache: losing it costs one look-up a window.
    """

    def __init__(self) -> None:
        self._known: dict[datetime, _Known] = {}

    def seen(self, start: datetime, text: int) -> int | None:
        """How many rows a bucket's text has, by its digest, if it was the last one that was reconciled."""
        known = self._known.get(start)
        return known.rows if known is not None and known.text == text else None

    def fresh(self, bucket: Bucket, digest: int, *, verify: bool) -> Fresh | None:
        """The bucket, if its answer is new; with `verify` also if it is not."""
        known = self._known.get(bucket.start)
        if known is None or known.digest != digest:
            return Fresh(bucket, digest)
        return Fresh(bucket, digest, known.fingerprint) if verify else None

    def forget(self, run: Iterable[Built]) -> None:
        """These buckets are about to be written."""
        for built in run:
            self._known.pop(built.start, None)

    def note(self, run: Iterable[Built]) -> None:
        """The stream says what these buckets say, those apart that had a refused row."""
        for built in run:
            if built.clean:
                said = fingerprint(Counter(document.hash for document in built.documents))
                self._known[built.start] = _Known(built.digest, built.text, built.count, said)

    def forget_before(self, oldest: datetime) -> None:
        """Older buckets are not read again."""
        for start in list(self._known):
            if start < oldest:
                self._known.pop(start, None)


def runs(buckets: list[Fresh]) -> Iterator[list[Fresh]]:
    """Runs of adjacent buckets, small enough that their documents fit in memory.

    Each is compared and written in one go.
    """
    run: list[Fresh] = []
    rows = 0
    for fresh in buckets:
        rows += fresh.bucket.count
        if run and (rows > RUN_ROWS or run[-1].bucket.end != fresh.bucket.start):
            yield run
            run, rows = [], fresh.bucket.count
        run.append(fresh)
    if run:
        yield run


def unbroken(buckets: list[Built]) -> Iterator[list[Built]]:
    """The buckets, in order, in lists without a gap: each is written as one range."""
    start = 0
    for place in range(1, len(buckets) + 1):
        if place == len(buckets) or buckets[place - 1].end != buckets[place].start:
            yield buckets[start:place]
            start = place


def other_currencies(bucket: Bucket) -> set[str]:
    """A sentence per currency that no budget counts, for as long as the report has it."""
    currencies = (row.get("currency") for row in bucket.rows if isinstance(row, dict))
    other = sorted(
        {name.upper() for name in currencies if isinstance(name, str) and not is_usd(name.strip())}
    )
    return {f"Costs in {name} are in no budget, cost rule or panel: those count USD only." for name in other}


def answer_digest(bucket: Bucket, names: Names, now: datetime) -> int:
    """Digest of all that the bucket's documents are made of: rows, names, whether it is complete.

    Where the bucket's text is not known, marshal in version 2 writes equal rows as equal bytes, several times
    faster than JSON. 64 bits, good for this process only, are enough: a change that they hid would be found
    by the first sweep of the next process.
    """
    complete = now >= bucket.end + DOCUMENTED_LAG
    if bucket.digest is not None:
        return hash((bucket.digest, names.digest, complete))
    return hash(marshal.dumps([bucket.rows, names.digest, complete], 2))

"""Make a window of a stream equal to what the Admin API says: look up, compare, write, until nothing is left.

wanted ----------------+
                       v
stream -> held() -> diff() -> record(changes) -> bulk -> conflicts? look up and compare anew
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, TypeVar

from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.backing_indices import BackingIndices
from anthropic_metrics.elastic.diff import Copy, Diff, diff
from anthropic_metrics.elastic.diverted import DivertedRetries
from anthropic_metrics.elastic.empty_ranges import WORTH, EmptyRanges
from anthropic_metrics.elastic.lookup import (
    empty_around,
    present,
    refresh,
    stored_copies,
    stored_hashes,
    versions_of,
)
from anthropic_metrics.elastic.operations import Operation, create, overwrite, remove
from anthropic_metrics.elastic.write import BulkWriter, Sleep, Written
from anthropic_metrics.kernel.digests import fingerprint as fingerprint_of
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.ranges import Range, iso
from anthropic_metrics.logs import get_logger

# Two agents have four writers on a view, a live poll and a sweep each: the three others may be faster twice.
ROUNDS = 8
MANY = 500  # documents of a window whose hashes are counted before their copies are looked up
_BATCH = 500  # documents fetched at once, with their sources
_NAMED = 20  # refusals kept by name

_T = TypeVar("_T")
_log = get_logger(__name__)


Record = Callable[[list[Change]], None]


@dataclass(slots=True)
class _Pass:
    """What stays the same over the rounds of one reconciliation, and what it has learned so far."""

    stream: str
    now: datetime
    record: Record | None
    outcome: Outcome = field(default_factory=Outcome)
    given_up: set[str] = field(default_factory=set)
    diverted: set[str] = field(default_factory=set)
    moved: int = 0


class Streams:
    """Writes the agent's data streams. Any number of agents may write the same streams.

    It remembers which documents went to the failure store, so as not to fill it at every poll, and for half
    a minute which ranges were empty.
    `stop` ends waits with Stopped; `sleep` replaces waiting, in tests.
    """

    def __init__(
        self, es: Elasticsearch, *, stop: threading.Event | None = None, sleep: Sleep | None = None
    ) -> None:
        self._es = es
        self._writer = BulkWriter(es, stop=stop, sleep=sleep)
        self._diverted = DivertedRetries()
        self._empty = EmptyRanges()
        self._backing = BackingIndices(es)

    def reconcile(
        self,
        stream: str,
        window: Range,
        documents: Iterable[Prepared],
        *,
        organization_id: str,
        terms: Mapping[str, Sequence[str]] | None = None,
        now: datetime,
        confirm_after: timedelta,
        deletes: bool = True,
        record: Record | None = None,
    ) -> Outcome:
        """Make the stream hold exactly `documents` for the window (start inclusive, end exclusive).

        Only documents of `organization_id`, and with one of the values of each of `terms`, are looked at;
        every document given must lie within. `now` is when they were fetched. A document that vanished is
        marked, and deleted by a later call whose `now` is at least `confirm_after` past the mark.
        `record` gets each replacement of a differing document and each deletion before it is written, except
        of documents whose bucket was incomplete; it may see one again after a crash or a conflict.

        Raises RetryLater, SinkError, AuthError or Stopped with the window partly written; calling again
        with the same or newer documents carries on.
        """
        wanted = asked_for = list(documents)
        everything = {"organization.id": [organization_id], **(terms or {})}
        state = _Pass(stream, now, record)
        for round_ in range(ROUNDS):
            copies = self._copies(stream, window, everything, wanted, anew=round_ > 0)
            if copies is None:
                state.outcome.kept = len(wanted)
                break
            if round_ == 0 and self._diverted:
                state.given_up = self._diverted.waiting(stream, wanted, copies, now)
                state.outcome.withheld = len(state.given_up)
            if state.given_up:
                # What was refused in this pass, or has to wait, is not sent: leave it out on both sides.
                wanted = [document for document in wanted if document.id not in state.given_up]
                copies = [copy for copy in copies if copy.id not in state.given_up]
            difference = diff(wanted, copies, now=now, confirm_after=confirm_after, deletes=deletes)
            if round_ == 0:
                state.outcome.kept, state.outcome.waiting = difference.keep, difference.waiting
            state.outcome.unsettled = self._apply(difference, state) if difference else 0
            if not state.outcome.unsettled:
                break
        if state.diverted:
            gone = [document for document in asked_for if document.id in state.diverted]
            self._diverted.diverted(stream, gone, now)
        return state.outcome

    def holds(
        self,
        stream: str,
        window: Range,
        fingerprint: int,
        *,
        organization_id: str,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> int | None:
        """How many documents the stream holds for the window, if their hashes make this fingerprint.

        None if it holds others, one twice or one that is marked. Raises as `reconcile` does.
        """
        everything = {"organization.id": [organization_id], **(terms or {})}
        indices = self._backing.holding(stream, window)
        hashes = stored_hashes(self._es, stream, window, everything, indices=indices)
        if hashes is None or fingerprint_of(hashes) != fingerprint:
            return None
        return hashes.total()

    def append(self, stream: str, documents: Iterable[Prepared], *, new: bool = False) -> Outcome:
        """Create documents under their ids; those that the stream holds already count as kept.

        `new` says that no earlier call can have used these ids, which spares looking them up.
        """
        outcome = Outcome()
        if not new:
            refresh(self._es, stream)
        for batch in _batches(documents, _BATCH):
            here = set() if new else present(self._es, stream, [entry.id for entry in batch])
            absent = (create(entry.id, entry.body) for entry in batch if entry.id not in here)
            written = self._writer.write(stream, absent)
            _enter(outcome, written)
            outcome.kept += len(here) + len(written.conflicts)
            _report(stream, written)
        return outcome

    def _copies(
        self,
        stream: str,
        window: Range,
        terms: Mapping[str, Sequence[str]],
        wanted: Sequence[Prepared],
        *,
        anew: bool,
    ) -> list[Copy] | None:
        """What the window holds; None where that is just what is wanted.

        Not asked where nothing was a moment ago, except `anew` after a conflict.
        """
        key = stream, tuple((name, tuple(values)) for name, values in terms.items())
        if anew:
            self._empty.forget(key)
        copies: list[Copy] = []
        if not self._empty.holds(key, window):
            hashes = None
            indices = None if anew else self._backing.holding(stream, window)
            if len(wanted) >= MANY and not (anew or self._diverted):
                expected = Counter(document.hash for document in wanted)
                if len(expected) == len(wanted):  # of equal documents only their ids tell which are there
                    hashes = stored_hashes(self._es, stream, window, terms, indices=indices)
                    if hashes == expected:
                        return None
            if hashes is None or hashes:
                copies = stored_copies(self._es, stream, window, terms, indices=indices)
            if not (anew or copies) and len(wanted) >= WORTH:
                self._empty.note(key, empty_around(self._es, stream, window, terms))
        self._empty.take(key, window)
        return copies

    def _apply(self, difference: Diff, state: _Pass) -> int:
        """Write a difference; returns how many of its writes met a conflict."""
        state.moved = 0
        written = self._writer.write(state.stream, self._operations(difference, state))
        _enter(state.outcome, written)
        state.diverted.update(written.diverted)
        state.given_up.update((id_ for id_, _ in written.refused), written.diverted, written.dropped)
        _report(state.stream, written)
        conflicts = len(written.conflicts) + state.moved
        state.outcome.conflicts += conflicts
        return conflicts

    def _operations(self, difference: Diff, state: _Pass) -> Iterator[Operation]:
        yield from (create(new.id, new.body) for new in difference.create)
        yield from (remove("extra", copy) for copy in difference.extra)
        deletions: list[tuple[Prepared | None, Copy]] = [(None, copy) for copy in difference.delete]
        for batch in _batches(chain(difference.replace, deletions), _BATCH):
            yield from self._rewrites(batch, state)
        for copies in _batches(difference.mark, _BATCH):
            yield from self._marks(copies, state)

    def _rewrites(self, batch: list[tuple[Prepared | None, Copy]], state: _Pass) -> list[Operation]:
        """Replacements and deletions, recorded before they are handed on."""
        if state.record:
            # A document that only loses its mark says what it said before: nothing to record.
            telling = [
                copy for new, copy in batch if not copy.growing and (new is None or new.hash != copy.hash)
            ]
            before = self._sources(telling, state)
            gone = {copy.id for copy in telling} - before.keys()
            batch = [pair for pair in batch if pair[1].id not in gone]
            changes = [
                Change(copy.id, copy.backing_index, copy.seq_no, before[copy.id], new.source if new else None)
                for new, copy in batch
                if copy.id in before
            ]
            if changes:
                state.record(changes)
        return [_rewrite(new, copy) for new, copy in batch]

    def _marks(self, copies: list[Copy], state: _Pass) -> Iterator[Operation]:
        stamp = iso(state.now)
        sources = self._sources(copies, state)
        for copy in copies:
            if copy.id in sources:
                source = sources[copy.id]
                source.setdefault("anthropic", {})["missing_since"] = stamp
                yield overwrite("mark", copy, to_json(source))

    def _sources(self, copies: Sequence[Copy], state: _Pass) -> dict[str, dict[str, Any]]:
        """Sources by id. A copy that changed or went since it was looked up is left out, as a conflict."""
        if not copies:
            return {}
        versions = versions_of(self._es, state.stream, copies)
        by_id = {copy.id: versions.get((copy.backing_index, copy.id, copy.seq_no)) for copy in copies}
        sources = {id_: source for id_, source in by_id.items() if source is not None}
        state.moved += len(copies) - len(sources)
        return sources


def _enter(outcome: Outcome, written: Written) -> None:
    done = written.done
    outcome.created += done["create"]
    outcome.replaced += done["replace"]
    outcome.marked += done["mark"]
    outcome.deleted += done["delete"] + done["extra"]
    outcome.refused += len(written.refused)
    outcome.diverted += len(written.diverted)
    outcome.dropped += len(written.dropped)
    outcome.refusals = (outcome.refusals + written.refused)[:_NAMED]


def _rewrite(new: Prepared | None, copy: Copy) -> Operation:
    return overwrite("replace", copy, new.body) if new else remove("delete", copy)


def _report(stream: str, written: Written) -> None:
    if written.refused:
        _log.error(
            "documents_refused", stream=stream, count=len(written.refused), first=written.refused[:_NAMED]
        )
    if written.diverted:
        _log.error(
            "documents_diverted", stream=stream, count=len(written.diverted), first=written.diverted[:_NAMED]
        )
    if written.dropped:
        _log.warning(
            "documents_dropped", stream=stream, count=len(written.dropped), first=written.dropped[:_NAMED]
        )


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch

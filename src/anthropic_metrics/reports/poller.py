"""Keeps one view's stream true: fetch a window, build what should exist, compare, write the difference."""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.pages import Bucket, read_buckets
from anthropic_metrics.admin_api.reply import parse_rows
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.errors import AnswerTooLarge, BadRequest
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE, DOCUMENTED_LAG
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Change
from anthropic_metrics.kernel.plan import (
    SPAN_ROWS,
    WINDOW_ROWS,
    Rung,
    due_rungs,
    newest_window,
    next_density,
    reach,
)
from anthropic_metrics.kernel.ports import Progress, Record, Sink, Store
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import WIDTHS, Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.behind import Behind
from anthropic_metrics.reports.build import is_usd
from anthropic_metrics.reports.corrections import corrections
from anthropic_metrics.reports.reach import Reach
from anthropic_metrics.reports.views import View


@dataclass(frozen=True, slots=True)
class Fresh:
    """A bucket whose answer is new."""

    bucket: Bucket
    digest: int


@dataclass(frozen=True, slots=True)
class Built:
    """A bucket's documents, without its rows. `clean`: every row of it could be read."""

    start: datetime
    end: datetime
    digest: int
    organization_id: str
    documents: list[Prepared]
    clean: bool


class ViewPoller:
    """One view. Safe to call from two threads: whatever they both write is settled by comparison."""

    def __init__(
        self,
        view: View,
        client: AdminClient,
        inventory: Inventory,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.view = view
        self.only, self.dataset, self.stream, self.terms = view.poller, view.dataset, view.stream, view.terms
        self._client = client
        self._inventory = inventory
        self._clock = clock
        # Digest of each bucket's last reconciled answer, while the stream says just that. A cache: losing it
        # costs one look-up a window.
        self._known: dict[datetime, int] = {}
        self._writing = threading.Lock()
        self._reach = Reach(view, self._answers)
        self._density: float | None = None  # rows per bucket that the next window is sized for

    def live(self, sink: Sink) -> list[Job]:
        """The rungs that are due, read in one request where their range fits a page."""
        view = self.view
        last: dict[Rung, datetime] = {}

        def run(tally: Tally) -> Range | None:
            now = self._clock()
            due = due_rungs(view.rungs, last, now)
            whole = reach(due, now, view.width, view.history(now))
            if whole is not None:
                self.keep(whole, sink.store, tally, record=sink.record, priority=Priority.LIVE)
                last.update(dict.fromkeys(due, now))
            return whole

        return [Job(view.dataset, view.poller, view.stream, view.interval, run)]

    def sweep(self, sink: Sink) -> list[Job]:
        """The whole history, compared with the stream whether or not the answers changed.

        After the first one no further back than `view.resweep`.
        """
        view, swept = self.view, False

        def run(tally: Tally) -> Range:
            nonlocal swept
            whole = view.whole(self._clock())
            if swept and view.resweep is not None:
                whole = Range(max(whole.start, whole.end - view.resweep), whole.end)
            self.keep(whole, sink.store, tally, record=sink.record, priority=Priority.BACKFILL, verify=True)
            swept = True
            return whole

        return [Job(f"{view.dataset} sweep", view.poller, view.stream, SWEEP_EVERY, run, Kind.sweep)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """The whole history, ahead of everything else."""
        return [self._over(self.view.whole(self._clock()), sink, progress)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """An older range, as far as the stream keeps it."""
        whole = self.range(wanted)
        return [] if whole is None else [self._over(whole, sink, progress)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """The buckets that are read for `wanted`, else for the whole history."""
        now = self._clock()
        return self.view.whole(now) if wanted is None else self.view.older(wanted, now)

    def _over(self, whole: Range, sink: Sink, progress: Progress | None) -> Job:
        def run(tally: Tally) -> Range:
            self.keep(whole, sink.store, tally, record=sink.record, priority=Priority.LIVE, progress=progress)
            return whole

        return Job(self.view.dataset, self.view.poller, self.view.stream, self.view.interval, run)

    def keep(
        self,
        whole: Range,
        store: Store,
        tally: Tally,
        *,
        record: Record,
        priority: Priority,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Make the stream equal to the report over `whole`, newest window first, counting into `tally`.

        `verify` compares unchanged answers with the stream too, in case somebody else changed it.
        Raises what the client and Elasticsearch raise; windows finished by then stay finished.
        """
        with Behind() as writer:
            for window, now, read in self._windows(whole, tally, priority, verify):
                for span in _spans(read):
                    built = [self._build(fresh, now, tally) for fresh in span]
                    writer.run(partial(self._reconcile, built, store, now, tally, record))
                writer.then(partial(_finish, window, tally, progress))
            writer.settle()
        tally.problems(self._inventory.problems)
        oldest = self.view.history(self._clock())
        for start in list(self._known):
            if start < oldest:
                self._known.pop(start, None)

    def documents(self, whole: Range, tally: Tally) -> Iterator[Prepared]:
        """The documents that should exist for `whole`, newest window first; nothing is written.

        `tally` counts what was read, rows that make no document among it.
        """
        for _, now, read in self._windows(whole, tally, Priority.LIVE, verify=True):
            for fresh in read:
                yield from self._build(fresh, now, tally).documents
        tally.problems(self._inventory.problems)

    def _windows(
        self, whole: Range, tally: Tally, priority: Priority, verify: bool
    ) -> Iterator[tuple[Range, datetime, list[Fresh]]]:
        """Each window, the newest first, with when it was asked for and its buckets whose answer is new."""
        width, end = self.view.width, whole.end
        start = whole.start if verify else self._reach.start(whole, self._clock())
        while start < end:
            window = newest_window(Range(start, end), width, self._density)
            now = self._clock()
            try:
                read = self._read(window, now, tally, priority, verify)
            except AnswerTooLarge:
                buckets = (window.end - window.start) // WIDTHS[width]
                if buckets == 1:
                    raise
                self._density = 4 * WINDOW_ROWS / buckets
                continue
            except BadRequest as refusal:
                start = self._reach.find(window, refusal, now, tally, is_newest=end == whole.end)
                continue
            yield window, now, read
            end = window.start

    def _answers(self, window: Range) -> bool:
        """Whether the API answers a question about the window, by its first page."""
        try:
            next(read_buckets(self._client, self.view.query(window)), None)
        except BadRequest as refusal:
            if refusal.status != 400:
                raise
            return False
        return True

    def _read(
        self, window: Range, now: datetime, tally: Tally, priority: Priority, verify: bool
    ) -> list[Fresh]:
        """All pages of the window, or nothing: of its buckets those whose answer is new."""
        names = self._inventory.names(now)
        query = self.view.query(window)
        buckets = list(read_buckets(self._client, query, priority=priority, on_page=tally.page))
        if buckets:
            rows = sum(len(bucket.rows) for bucket in buckets)
            self._density = next_density(self._density, rows / len(buckets), self.view.width)
        fresh = []
        for bucket in buckets:
            if bucket.rows:
                tally.saw(bucket.end)
                tally.silencing |= _other_currencies(bucket)
            digest = _digest(bucket, names, now)
            if verify or self._known.get(bucket.start) != digest:
                fresh.append(Fresh(bucket, digest))
        tally.buckets += len(buckets)
        tally.unchanged_buckets += len(buckets) - len(fresh)
        return fresh

    def _build(self, fresh: Fresh, now: datetime, tally: Tally) -> Built:
        bucket, names = fresh.bucket, self._inventory.names(now)
        problems = Problems()
        where = f"{self.view.dataset} {bucket.start:%Y-%m-%dT%H:%MZ}"
        rows: list[Any] = parse_rows(self.view.row, bucket.rows, where, problems)
        tally.problems(problems)
        tally.rows += len(rows)
        if self.view.workspaces:
            rows = [row for row in rows if (row.workspace_id or DEFAULT_WORKSPACE) in self.view.workspaces]
        if not names.knows(_values(rows, "workspace_id"), _values(rows, "api_key_id")):
            names = self._inventory.names(now, unknown=True)
        frame = self.view.frame(Range(bucket.start, bucket.end), names, now)
        documents = self.view.build(frame, rows)
        return Built(
            bucket.start, bucket.end, fresh.digest, names.organization_id, documents, clean=not problems.total
        )

    def _reconcile(
        self, span: list[Built], store: Store, now: datetime, tally: Tally, record: Record
    ) -> None:
        view = self.view

        def log_corrections(changes: list[Change]) -> None:
            record(list(corrections(changes, view.stream, view.corrected, now)))

        with self._writing:
            # From the first write on the old answer no longer stands there, and may yet come back.
            for built in span:
                self._known.pop(built.start, None)
            outcome = store.reconcile(
                view.stream,
                Range(span[0].start, span[-1].end),
                [document for built in span for document in built.documents],
                organization_id=span[0].organization_id,
                terms=view.terms,
                now=now,
                confirm_after=view.interval,
                # A row that could not be read has not vanished.
                deletes=all(built.clean for built in span),
                record=log_corrections,
            )
            if outcome.settled:
                # A bucket with a refused row is built again at each poll, so that each poll says so.
                self._known.update((built.start, built.digest) for built in span if built.clean)
        tally.add(outcome)


def _finish(window: Range, tally: Tally, progress: Progress | None) -> None:
    tally.windows += 1
    if progress:
        progress(window)


def _spans(found: list[Fresh]) -> Iterator[list[Fresh]]:
    """Runs of adjacent buckets, small enough that their documents fit in memory: each is compared and
    written in one go."""
    span: list[Fresh] = []
    rows = 0
    for fresh in found:
        rows += len(fresh.bucket.rows)
        if span and (rows > SPAN_ROWS or span[-1].bucket.end != fresh.bucket.start):
            yield span
            span, rows = [], len(fresh.bucket.rows)
        span.append(fresh)
    if span:
        yield span


def _other_currencies(bucket: Bucket) -> set[str]:
    """A sentence per currency that no budget counts, for as long as the report has it."""
    currencies = (row.get("currency") for row in bucket.rows if isinstance(row, dict))
    other = sorted({name.upper() for name in currencies if isinstance(name, str) and not is_usd(name)})
    return {f"Costs in {name} are in no budget, cost rule or panel: those count USD only." for name in other}


def _digest(bucket: Bucket, names: Names, now: datetime) -> int:
    """Digest of all that the bucket's documents are made of: rows, names, whether it is complete.

    marshal in version 2 writes equal values as equal bytes, several times faster than JSON. 64 bits, good
    for this process only, are enough: a change that they hid would be found by the daily sweep.
    """
    complete = now >= bucket.end + DOCUMENTED_LAG
    return hash(marshal.dumps([bucket.rows, names.digest, complete], 2))


def _values(rows: Iterable[Any], name: str) -> set[str]:
    return {value for row in rows if (value := getattr(row, name, None))}

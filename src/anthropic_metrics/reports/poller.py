"""Keeps one view's stream true: fetch a window, build what should exist, compare, write the difference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.reply import parse_rows
from anthropic_metrics.kernel.digests import summed
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.newest import Newest
from anthropic_metrics.kernel.outcome import Change, Counts, Outcome
from anthropic_metrics.kernel.plan import Rung, due_rungs, reach
from anthropic_metrics.kernel.ports import Documents, Progress, Record, Sink, Store
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.background import BackgroundWriter
from anthropic_metrics.reports.buckets import Answers, Built, Fresh, runs, unbroken
from anthropic_metrics.reports.corrections import Written, corrections
from anthropic_metrics.reports.reader import ReportReader, Window
from anthropic_metrics.reports.views import View


class ViewPoller:
    """One view. Safe to call from two threads: a bucket is written from the newest answer that was read."""

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
        self._inventory = inventory
        self._clock = clock
        self._known, self._newest = Answers(), Newest()
        self._reader = ReportReader(view, client, inventory, self._known, self._newest, clock=clock)
        self._writing = threading.Lock()

    def live(self, sink: Sink) -> list[Job]:
        """The rungs that are due, read in one request where their range fits a page."""
        view = self.view
        last: dict[Rung, datetime] = {}

        def run(tally: Tally) -> Range | None:
            now = self._clock()
            due = due_rungs(view.rungs, last, now)
            time_range = reach(due, now, view.width, view.history(now))
            if time_range is not None:
                self.keep(time_range, sink.store, tally, record=sink.record, priority=Priority.LIVE)
                last.update(dict.fromkeys(due, now))
            return time_range

        return [Job(view.dataset, view.poller, view.stream, view.interval, run)]

    def sweep(self, sink: Sink) -> list[Job]:
        """The whole history, compared with the stream whether or not the answers changed.

        After the first one no further back than `view.resweep`.
        """
        view, swept = self.view, False

        def run(tally: Tally) -> Range:
            nonlocal swept
            time_range = view.whole(self._clock())
            if swept and view.resweep is not None:
                time_range = Range(max(time_range.start, time_range.end - view.resweep), time_range.end)
            self.keep(
                time_range, sink.store, tally, record=sink.record, priority=Priority.BACKFILL, verify=True
            )
            swept = True
            return time_range

        return [Job(f"{view.dataset} sweep", view.poller, view.stream, SWEEP_EVERY, run, Kind.sweep)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """The whole history, ahead of everything else."""
        return [self._over(self.view.whole(self._clock()), sink, progress)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """An older range, as far as the stream keeps it."""
        time_range = self.range(wanted)
        return [] if time_range is None else [self._over(time_range, sink, progress)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """The buckets that are read for `wanted`, else for the whole history."""
        now = self._clock()
        return self.view.whole(now) if wanted is None else self.view.older(wanted, now)

    def _over(self, time_range: Range, sink: Sink, progress: Progress | None) -> Job:
        def run(tally: Tally) -> Range:
            self.keep(
                time_range, sink.store, tally, record=sink.record, priority=Priority.LIVE, progress=progress
            )
            return time_range

        return Job(self.view.dataset, self.view.poller, self.view.stream, self.view.interval, run)

    def keep(
        self,
        time_range: Range,
        store: Store,
        tally: Tally,
        *,
        record: Record,
        priority: Priority,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Make the stream equal to the report over `time_range`, newest window first, counting into `tally`.

        Buckets that another call has asked for in the meantime are left to it.
        `verify` compares unchanged answers with the stream too, in case somebody else changed it.
        Raises what the client and Elasticsearch raise; windows finished by then stay finished.
        """
        with self._newest.reading(), BackgroundWriter() as writer:
            for window in self._reader.windows(time_range, tally, priority, verify=verify):
                for built in self._documents_of_runs(window, store, tally):
                    writer.run(partial(self._reconcile, built, window, store, tally, record))
                window.fresh.clear()  # two windows in memory at once would be half as large
                writer.then(partial(_finish, window.time_range, tally, progress))
            writer.settle()
        tally.problems(self._inventory.problems)
        self._known.forget_before(self.view.remembered(self._clock()))

    def documents(self, time_range: Range, tally: Tally) -> Iterator[Documents]:
        """The documents that should exist for `time_range`, newest window first; nothing is written.

        No window is older than what the API answers. `tally` counts what was read, rows that make no document
        among it.
        """
        with self._newest.reading():
            for window in self._reader.windows(time_range, tally, Priority.LIVE, verify=True):
                built = (self._build(fresh, window.now, tally).documents for fresh in window.fresh)
                yield window.time_range, [document for documents in built for document in documents]
        tally.problems(self._inventory.problems)

    def _documents_of_runs(self, window: Window, store: Store, tally: Tally) -> Iterator[list[Built]]:
        """A window's documents, as much as is written in one go at a time, where the stream has others."""
        for run in runs(window.fresh):
            if not self._stands(run, store, window.now, tally):
                yield [self._build(fresh, window.now, tally) for fresh in run]

    def _stands(self, run: list[Fresh], store: Store, now: datetime, tally: Tally) -> bool:
        """Whether these answers were reconciled before and the stream says just that: nothing is built."""
        fingerprints = [fresh.fingerprint for fresh in run if fresh.fingerprint is not None]
        if len(fingerprints) < len(run):
            return False
        count = store.holds(
            self.view.stream,
            Range(run[0].bucket.start, run[-1].bucket.end),
            summed(fingerprints),
            organization_id=self._inventory.names(now).organization_id,
            terms=self.view.terms,
        )
        tally.add(Counts(kept=count or 0))
        return count is not None

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
            bucket.start,
            bucket.end,
            fresh.digest,
            names.organization_id,
            documents,
            clean=not problems.total,
            text=bucket.digest,
            count=bucket.count,
        )

    def _reconcile(
        self, run: list[Built], window: Window, store: Store, tally: Tally, record: Record
    ) -> None:
        """Write a run of a window, but for buckets of which a newer answer has been read by now."""
        with self._writing:
            # From the first write on the old answer no longer stands there, and may yet come back. Forgotten
            # first: an answer that is read from now on is compared, whatever it says.
            self._known.forget(run)
            newest = [built for built in run if self._newest.is_newest(window.answer, built.start)]
            for part in unbroken(newest):
                tally.add(self._write(part, store, window.now, record))

    def _write(self, run: list[Built], store: Store, now: datetime, record: Record) -> Outcome:
        view, written = self.view, Written()

        def log_corrections(changes: list[Change]) -> None:
            record(list(corrections(changes, view.stream, view.corrected, now, written)))

        outcome = store.reconcile(
            view.stream,
            Range(run[0].start, run[-1].end),
            [document for built in run for document in built.documents],
            organization_id=run[0].organization_id,
            terms=view.terms,
            now=now,
            confirm_after=view.interval,
            # A row that could not be read has not vanished.
            deletes=all(built.clean for built in run),
            record=log_corrections,
        )
        if outcome.settled:
            # A bucket with a refused row is built again at each poll, so that each poll says so.
            self._known.note(run)
        return outcome


def _finish(window: Range, tally: Tally, progress: Progress | None) -> None:
    tally.windows += 1
    if progress:
        progress(window)


def _values(rows: Iterable[Any], name: str) -> set[str]:
    return {value for row in rows if (value := getattr(row, name, None))}

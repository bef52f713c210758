"""Keeps a derived stream true: windows whose inputs changed are computed anew and compared."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.derived.derivation import Derivation, Moment
from anthropic_metrics.derived.due import OVERLAP, Due
from anthropic_metrics.derived.runs import Runs
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.ports import Progress, Sink, Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

# Everything is compared once a day, whether or not it seems to have changed.
EVERYTHING_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class _Seen:
    """What the last pass saw. A cache: losing it costs one pass over everything."""

    at: datetime
    read_at: datetime | None
    state: Hashable
    everything_at: datetime


class DerivedPoller:
    """A `kernel.ports.Poller` of one derivation."""

    def __init__(
        self,
        derivation: Derivation,
        inventory: Inventory,
        *,
        clock: Callable[[], datetime],
        live_for: timedelta | None = None,
    ) -> None:
        """`live_for`: how far back the live job looks; what is older follows the sweep of what it follows."""
        self._live_for = live_for
        self.derivation = derivation
        self.dataset = derivation.dataset
        self.only = derivation.only
        self.stream = stream_name(derivation.dataset, derivation.namespace)
        self._inventory = inventory
        self._clock = clock
        self._runs = Runs(derivation.window, max(1, derivation.span // derivation.window))
        self._seen: _Seen | None = None

    @property
    def terms(self) -> Terms:
        return self.derivation.terms

    def live(self, sink: Sink) -> list[Job]:
        def run(tally: Tally) -> Range:
            whole = self.derivation.history(self._clock())
            if self._live_for is not None:
                whole = Range(max(whole.start, whole.end - self._live_for), whole.end)
            self.keep(whole, sink, tally)
            return whole

        return [self._job(run, after=self.derivation.follows)]

    def sweep(self, sink: Sink) -> list[Job]:
        """None where the live job compares everything once a day."""
        if self._live_for is None:
            return []

        def run(tally: Tally) -> Range:
            whole = self.derivation.history(self._clock())
            self.keep_all(whole, sink, tally)
            return whole

        name, after = f"{self.dataset} sweep", f"{self.derivation.follows} sweep"
        return [Job(name, self.only, self.stream, SWEEP_EVERY, run, Kind.sweep, after=after)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._over(self.derivation.history(self._clock()), sink)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        kept = self.derivation.older(wanted, self._clock())
        return [] if kept is None else [self._over(kept, sink)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """None: it reads nothing of the Admin API but names."""
        return None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Prepared]:
        return iter(())

    def keep(self, whole: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for what changed within `whole` since the last call; at times for all of it.

        Raises what the store and the questions raise; runs finished by then stay finished, and are due again.
        """
        now = self._clock()
        due = self._due(sink.ask, now)
        read_at, state = due.read_at(), self.derivation.state(sink.ask, self._inventory.names(now))
        seen = self._seen
        # What was computed in another state is not what stands there in this one. After a clock that was set
        # back, nobody knows what has been written since the last look.
        if seen and seen.at <= now < seen.everything_at + EVERYTHING_EVERY and state == seen.state:
            everything_at = seen.everything_at
            starts = due.changed(whole, seen.at - OVERLAP, seen.read_at, read_at)
            runs = self._runs.over(starts, gaps_are_empty=False)
        else:
            everything_at = now
            runs = self._runs.over(due.filled(whole), gaps_are_empty=True)
        self._compute(runs, sink, tally, now, read_at)
        if not tally.failures:
            self._seen = _Seen(now, read_at, state, everything_at)

    def keep_all(self, whole: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for all of `whole`."""
        now = self._clock()
        due = self._due(sink.ask, now)
        runs = self._runs.over(due.filled(whole), gaps_are_empty=True)
        self._compute(runs, sink, tally, now, due.read_at())

    def computed(self, whole: Range, ask: Questions) -> Iterator[Prepared]:
        """The documents that should exist for `whole`, computed afresh; nothing is written."""
        now = self._clock()
        due = self._due(ask, now)
        moment = Moment(ask, self._inventory.names(now), now, due.read_at())
        for run, windows in self._runs.over(due.filled(whole), gaps_are_empty=True):
            documents = self.derivation.compute(run, moment).documents
            self._runs.saw(len(documents), windows)
            yield from documents

    def _due(self, ask: Questions, now: datetime) -> Due:
        due = Due(self.derivation, ask, self._inventory.names(now).organization_id)
        due.refresh()
        return due

    def _compute(
        self,
        runs: Iterator[tuple[Range, int]],
        sink: Sink,
        tally: Tally,
        now: datetime,
        read_at: datetime | None,
    ) -> None:
        """Compute and compare run after run."""
        derivation, names = self.derivation, self._inventory.names(now)
        moment = Moment(sink.ask, names, now, read_at)
        for run, windows in runs:
            computed = derivation.compute(run, moment)
            self._runs.saw(len(computed.documents), windows)
            outcome = sink.store.reconcile(
                self.stream,
                run,
                computed.documents,
                organization_id=names.organization_id,
                terms=derivation.terms,
                now=now,
                confirm_after=derivation.interval,
            )
            tally.add(outcome)
            tally.windows += 1
            tally.rows += computed.rows
            if computed.left_out:
                tally.failures.append(computed.left_out)
            if computed.newest is not None:
                tally.saw(computed.newest)

    def _over(self, whole: Range, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            self.keep_all(whole, sink, tally)
            return whole

        return self._job(run)

    def _job(self, run: Callable[[Tally], Range | None], after: str | None = None) -> Job:
        return Job(self.dataset, self.only, self.stream, self.derivation.interval, run, after=after)

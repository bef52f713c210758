"""Keeps a derivation's stream true: windows whose inputs changed are computed anew and compared."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime

from anthropic_metrics.derived.derivation import Derivation, Moment
from anthropic_metrics.derived.due import OVERLAP, Due
from anthropic_metrics.derived.keeper import EVERYTHING_EVERY
from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.derived.runs import Runs
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Documents, Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally


@dataclass(frozen=True)
class _Seen:
    """What the last pass saw."""

    at: datetime
    read_at: datetime | None
    state: Hashable
    everything_at: datetime


class Changes:
    """A `derived.keeper.Keeper` of one derivation."""

    def __init__(self, derivation: Derivation) -> None:
        self._derivation = derivation
        self.dataset, self.only = derivation.dataset, derivation.only
        self.namespace = derivation.namespace
        self.interval, self.follows = derivation.interval, derivation.follows
        self.completed_by, self.settles_by = derivation.completed_by, derivation.window
        read = (source.dataset for source in derivation.inputs)
        self.needs = tuple(dataset for dataset in read if dataset != derivation.follows)
        self._runs = Runs(derivation.window, max(1, derivation.run_length // derivation.window))
        self._seen: _Seen | None = None

    @property
    def terms(self) -> Terms:
        return self._derivation.terms

    def history(self, now: datetime) -> Range:
        return self._derivation.history(now)

    def older(self, wanted: Range, now: datetime) -> Range | None:
        return self._derivation.older(wanted, now)

    def keep(self, time_range: Range, this: Pass) -> None:
        due, now = self._due(this.sink.ask, this.names), this.now
        read_at, state = due.read_at(), self._derivation.state(this.sink.ask, this.names)
        seen = self._seen
        # What was computed in another state is not what stands there in this one. After a clock that was set
        # back, nobody knows what has been written since the last look.
        if seen and seen.at <= now < seen.everything_at + EVERYTHING_EVERY and state == seen.state:
            everything_at = seen.everything_at
            starts = due.changed(time_range, seen.at - OVERLAP, seen.read_at, read_at)
            runs = self._runs.over(starts, gaps_are_empty=False)
        else:
            everything_at = now
            runs = self._runs.over(due.filled(time_range), gaps_are_empty=True)
        self._compute(runs, this, read_at)
        if not this.tally.failures:
            self._seen = _Seen(now, read_at, state, everything_at)

    def keep_all(self, time_range: Range, this: Pass) -> None:
        due = self._due(this.sink.ask, this.names)
        runs = self._runs.over(due.filled(time_range), gaps_are_empty=True)
        self._compute(runs, this, due.read_at())

    def computed(
        self, time_range: Range, ask: Questions, names: Names, now: datetime, tally: Tally
    ) -> Iterator[Documents]:
        due = self._due(ask, names)
        moment = Moment(ask, names, now, due.read_at())
        for run, windows in self._runs.over(due.filled(time_range), gaps_are_empty=True):
            documents = self._derivation.compute(run, moment).documents
            self._runs.saw(len(documents), windows)
            yield run, documents

    def _due(self, ask: Questions, names: Names) -> Due:
        due = Due(self._derivation, ask, names.organization_id)
        due.refresh()
        return due

    def _compute(self, runs: Iterator[tuple[Range, int]], this: Pass, read_at: datetime | None) -> None:
        """Compute and compare run after run."""
        moment, tally = Moment(this.sink.ask, this.names, this.now, read_at), this.tally
        for run, windows in runs:
            computed = self._derivation.compute(run, moment)
            self._runs.saw(len(computed.documents), windows)
            this.compare(run, computed.documents)
            tally.rows += computed.rows
            if computed.left_out:
                tally.failures.append(computed.left_out)
            if computed.newest is not None:
                tally.saw(computed.newest)

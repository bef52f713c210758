"""The jobs of a derived stream: what is due is computed anew by its keeper, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from anthropic_metrics.derived.keeper import Keeper
from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.ports import Documents, Progress, Sink, Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally


class DerivedPoller:
    """A `kernel.ports.Poller` of any derived stream."""

    def __init__(
        self,
        keeper: Keeper,
        inventory: Inventory,
        *,
        clock: Callable[[], datetime],
        live_for: timedelta | None = None,
    ) -> None:
        """`live_for`: how far back the live job looks; what is older follows the sweep of what it follows."""
        self._live_for = live_for
        self.keeper = keeper
        self.dataset = keeper.dataset
        self.only = keeper.only
        self.stream = stream_name(keeper.dataset, keeper.namespace)
        self._inventory = inventory
        self._clock = clock

    @property
    def terms(self) -> Terms:
        return self.keeper.terms

    def live(self, sink: Sink) -> list[Job]:
        def run(tally: Tally) -> Range:
            time_range = self.keeper.history(self._clock())
            if self._live_for is not None:
                time_range = Range(max(time_range.start, time_range.end - self._live_for), time_range.end)
            self.keep(time_range, sink, tally)
            return time_range

        return [replace(self._job(run), after=self.keeper.follows, needs=self.keeper.needs)]

    def sweep(self, sink: Sink) -> list[Job]:
        """None where the live job compares everything once a day."""
        if self._live_for is None:
            return []

        def run(tally: Tally) -> Range:
            time_range = self.keeper.history(self._clock())
            self.keep_all(time_range, sink, tally)
            return time_range

        name, after = f"{self.dataset} sweep", f"{self.keeper.follows} sweep"
        needs = self.keeper.needs
        return [Job(name, self.only, self.stream, SWEEP_EVERY, run, Kind.sweep, after=after, needs=needs)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._over(self.keeper.history(self._clock()), sink)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        readable = self.keeper.older(wanted, self._clock())
        return [] if readable is None else [self._over(readable, sink)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """None: what it reads of the Admin API, if anything, follows from what is in the streams."""
        return None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        return iter(())

    def keep(self, time_range: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for what changed within `time_range` since the last call (`Keeper.keep`)."""
        self.keeper.keep(time_range, self._pass(sink, tally))

    def keep_all(self, time_range: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for all of `time_range`."""
        self.keeper.keep_all(time_range, self._pass(sink, tally))

    def computed(self, time_range: Range, ask: Questions, tally: Tally) -> Iterator[Documents]:
        """The documents that should exist for `time_range`, computed afresh, run by run; nothing is written.

        None should exist between the runs.
        """
        now = self._clock()
        return self.keeper.computed(time_range, ask, self._inventory.names(now), now, tally)

    def _pass(self, sink: Sink, tally: Tally) -> Pass:
        now = self._clock()
        keeper = self.keeper
        return Pass(self.stream, keeper.terms, keeper.interval, sink, tally, self._inventory.names(now), now)

    def _over(self, time_range: Range, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            self.keep_all(time_range, sink, tally)
            return time_range

        return self._job(run)

    def _job(self, run: Callable[[Tally], Range | None]) -> Job:
        return Job(self.dataset, self.only, self.stream, self.keeper.interval, run)

"""Keeps the spend stream true: ranges whose usage, bill or prices changed are computed anew and compared.

All it reads lies in Elasticsearch or is read from the Admin API anew, and the `_id` of a row is that of its
row of usage: so late usage, revised bills, a killed agent and two agents all end in the same documents, one
for each row, in every stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from anthropic_metrics.config import Config
from anthropic_metrics.derived.keeper import EVERYTHING_EVERY
from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, USAGE, stream_name
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Documents, Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, EPOCH, Range, ceil, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.views import View
from anthropic_metrics.spend.analytics import UNREADABLE, Analytics
from anthropic_metrics.spend.book import PriceBook
from anthropic_metrics.spend.checking import Checking
from anthropic_metrics.spend.compute import Computation
from anthropic_metrics.spend.inputs import HOUR, Inputs
from anthropic_metrics.spend.plan import Part, Run, Seen, due, runs, seen_as
from anthropic_metrics.spend.sources import SourceReader
from anthropic_metrics.spend.table import configured_prices

# Days whose inputs are read again are computed once a day, whether or not they seem to have changed.
REREAD = timedelta(days=31)
# The next poll of usage waits for a live pass, which computes so many days, the newest, and leaves the rest.
LIVE_DAYS = 10
# A day of the analytics reports is pages of the Admin API: it counts as so many.
DAYS_OF_A_READ = 2


class SpendKeeper:
    """A `derived.keeper.Keeper` of the spend stream; `hours` is how usage by the hour is read.

    Not a `derived.Derivation`: a day also changes by settling, and by prices that other days taught.
    """

    dataset = SPEND
    only = "spend"
    follows: str | None = USAGE
    needs: tuple[str, ...] = (COST,)
    completed_by: str | None = USAGE
    settles_by = DAY

    def __init__(self, config: Config, hours: View, analytics: Analytics | None = None) -> None:
        self.namespace = config.namespace
        self.interval = hours.interval
        self._config = config
        self._hours = hours
        self._analytics = analytics
        self._reader = SourceReader(
            stream_name(SPEND, config.namespace),
            stream_name(AGENT, config.namespace),
            config.spend.settle_after,
            analytics,
            config.spend.source == "analytics",
        )
        # Caches: losing them costs one pass over everything.
        self._book = self._new_book()
        self._seen: Seen = {}
        self._checking = Checking(config)
        self._everything_at: datetime | None = None

    @property
    def terms(self) -> Terms:
        """Only the workspaces that are collected."""
        return self._hours.terms

    def history(self, now: datetime) -> Range:
        """As far back as usage by the hour is kept true."""
        return self._hours.whole(now)

    def older(self, wanted: Range, now: datetime) -> Range | None:
        """As far as usage by the hour is kept."""
        return self._hours.older(wanted, now)

    def keep(self, time_range: Range, this: Pass) -> None:
        """Make the stream right for what changed within `time_range` since the last call.

        At most `LIVE_DAYS` of them, the newest; the others are due at the next call. Whole UTC days only: one
        that `time_range` begins within is left alone. Raises what the store and the
        questions raise; runs finished by then stay finished, and the others are due again.
        """
        now, before = this.now, self._everything_at
        if before is None or not before <= now < before + EVERYTHING_EVERY:
            self._forget(Range(now - REREAD, now))
            self._everything_at = now
        self._keep(time_range, this, most=LIVE_DAYS)

    def keep_all(self, time_range: Range, this: Pass) -> None:
        self._forget(time_range)
        self._keep(time_range, this)

    def computed(
        self, time_range: Range, ask: Questions, names: Names, now: datetime, tally: Tally
    ) -> Iterator[Documents]:
        """Raises what reading the analytics reports raises where they have the figures."""
        days_range = whole_days(time_range)
        yield from self.computation(days_range, ask, names, now, tally).everything(days_range)

    def computation(
        self, days_range: Range, ask: Questions, names: Names, now: datetime, tally: Tally
    ) -> Computation:
        """What the whole days of `days_range` are computed from now, read afresh."""
        return self._computation(days_range, self._new_book(), ask, names, now, tally, anew=True)

    def _computation(
        self,
        days_range: Range,
        book: PriceBook,
        ask: Questions,
        names: Names,
        now: datetime,
        tally: Tally,
        *,
        anew: bool,
    ) -> Computation:
        inputs = self._inputs(ask, names)
        sources = self._reader.read(inputs, days_range, now, tally, anew=anew)
        book.read(inputs, sources, days_range)
        return Computation(inputs, sources, book, names, now, self.namespace, tally, self._analytics)

    def _inputs(self, ask: Questions, names: Names) -> Inputs:
        """All that was acknowledged is visible to them."""
        usage, cost, own, agent = (self._stream(name) for name in (USAGE, COST, SPEND, AGENT))
        ask.refresh(usage, cost, own, agent)
        group_by = tuple(self._config.usage.group_by)
        return Inputs(ask, usage, cost, names.organization_id, group_by, self.terms)

    def _new_book(self) -> PriceBook:
        return PriceBook(tuple(self._config.usage.group_by), configured_prices(self._config.prices))

    def _stream(self, dataset: str) -> str:
        return stream_name(dataset, self.namespace)

    def _keep(self, time_range: Range, this: Pass, *, most: int | None = None) -> None:
        days_range = whole_days(time_range)
        # A history moves on with time: what has left it is not asked for again.
        self._forget(Range(EPOCH, days_range.start))
        self._checking.forget_before(days_range.start)
        computation = self._computation(
            days_range, self._book, this.sink.ask, this.names, this.now, this.tally, anew=most is None
        )
        parts, wanted = self._wanted(computation, days_range, most)
        for run in runs(parts, {part.time_range for part in wanted}):
            self._compute(run, computation, this)
        self._checking.bills(computation, days_range, this, most=most)
        self._checking.remove_others(computation, days_range, this)
        if computation.sources.usage:
            this.tally.saw(max(computation.sources.usage) + HOUR)
        this.tally.estimate_error = self._checking.newest_error()

    def _wanted(
        self, computation: Computation, days_range: Range, most: int | None
    ) -> tuple[list[Part], list[Part]]:
        """All parts there are, and those to compute now: what is due on the newest days."""
        all_parts: list[Part] = []
        wanted: list[Part] = []
        days = 0
        for _, parts in computation.parts(days_range):
            all_parts += parts
            changed = due(parts, computation.sources, self._seen)
            if changed and (most is None or days < most):
                wanted += changed
                days += DAYS_OF_A_READ if any(part.kind == "billed" for part in changed) else 1
        return all_parts, wanted

    def _compute(self, run: Run, computation: Computation, this: Pass) -> None:
        self._forget(run.time_range)
        try:
            documents, settled = computation.run(run)
        except UNREADABLE as error:
            this.tally.failures.append(f"The analytics reports could not be read: {error.message}")
            return
        self._checking.estimates(settled, computation, this)
        if this.compare(run.time_range, documents).done:
            self._seen.update({part.time_range: seen_as(part) for part in run.parts})

    def _forget(self, days_range: Range) -> None:
        """Nothing is known of what touches `days_range`."""
        for one in [
            part_range
            for part_range in self._seen
            if part_range.start < days_range.end and days_range.start < part_range.end
        ]:
            del self._seen[one]
        self._checking.forget(days_range)


def whole_days(time_range: Range) -> Range:
    """The UTC days that begin in `time_range`."""
    start = floor(time_range.start, DAY)
    return Range(start if start == time_range.start else start + DAY, ceil(time_range.end, DAY))

"""Keeps the spend stream true: ranges whose usage, bill or prices changed are computed anew and compared.

All it reads lies in Elasticsearch or is read from the Admin API anew, and the `_id` of a row is that of its
row of usage: so late usage, revised bills, a killed agent and two agents all end in the same documents, one
for each row, in every stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, USAGE, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Progress, Sink, Terms
from anthropic_metrics.kernel.ranges import DAY, Range, ceil, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.views import View
from anthropic_metrics.spend.analytics import UNREADABLE, Analytics
from anthropic_metrics.spend.check import estimate_checks, known_before
from anthropic_metrics.spend.checks import (
    ACTION,
    BILL_ACTION,
    bill_check_documents,
    check_document,
    day_error,
    warn_of_drift,
)
from anthropic_metrics.spend.compute import PriceBook, SettledDay, estimates, reported
from anthropic_metrics.spend.inputs import HOUR, Inputs
from anthropic_metrics.spend.look import Looking
from anthropic_metrics.spend.plan import Due, Known, Look, Seen, days_of, due, hours_of
from anthropic_metrics.spend.settle import day_of, day_start
from anthropic_metrics.spend.table import configured_prices

# Days whose inputs are read again are computed once a day, whether or not they seem to have changed.
EVERYTHING_EVERY = timedelta(days=1)
REREAD = timedelta(days=31)
# The next poll of usage waits for a live pass, which computes so many days, the newest, and leaves the rest.
LIVE_DAYS = 10
# A day of the analytics reports is pages of the Admin API: it counts as so many.
DAYS_OF_A_READ = 2


@dataclass(frozen=True)
class _Pass:
    """What stays the same over one pass."""

    sink: Sink
    tally: Tally
    inputs: Inputs
    look: Look
    names: Names
    now: datetime


class SpendPoller:
    """A `kernel.ports.Poller` of the spend stream; `hours` is how usage by the hour is read.

    Not a `derived.Derivation`: a day also changes by settling, and by prices that other days taught.
    """

    def __init__(
        self,
        config: Config,
        hours: View,
        inventory: Inventory,
        analytics: Analytics | None = None,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.only, self.dataset = "spend", SPEND
        self.stream = stream_name(SPEND, config.namespace)
        self.terms = hours.terms
        self._config = config
        self._hours = hours
        self._inventory = inventory
        self._clock = clock
        self._book = PriceBook(tuple(config.usage.group_by), configured_prices(config.prices))
        self._settle_after = config.spend.settle_after
        self._agent = stream_name(AGENT, config.namespace)
        # Caches: losing them costs one pass over everything.
        self._seen: Seen = {}
        self._analytics = analytics
        self._looking = Looking(
            self.stream, self._settle_after, analytics, config.spend.source == "analytics"
        )
        self._checked: dict[date, object] = {}
        self._errors: dict[date, float | None] = {}
        self._drifted: set[tuple[date, str | None, str]] = set()
        self._everything_at: datetime | None = None

    def live(self, sink: Sink) -> list[Job]:
        def run(tally: Tally) -> Range:
            whole = self._hours.whole(self._clock())
            self.keep(whole, sink, tally)
            return whole

        return [self._job(run, after=USAGE)]

    def sweep(self, sink: Sink) -> list[Job]:
        """None: the live job compares everything once a day."""
        return []

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._over(self._hours.whole(self._clock()), sink)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        kept = self._hours.older(wanted, self._clock())
        return [] if kept is None else [self._over(kept, sink)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """None: what it reads of the Admin API follows from what is in the streams."""
        return None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Prepared]:
        return iter(())

    def keep(self, whole: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for what changed within `whole` since the last call.

        At most `LIVE_DAYS` of them, the newest; the others are due at the next call. Whole UTC days only: one
        that `whole` begins within is left alone. Raises what the store and the
        questions raise; days finished by then stay finished, and the others are due again.
        """
        now, before = self._clock(), self._everything_at
        if before is None or not before <= now < before + EVERYTHING_EVERY:
            self._forget(Range(now - REREAD, now))
            self._everything_at = now
        self._run(whole, sink, tally, now, most=LIVE_DAYS)

    def keep_all(self, whole: Range, sink: Sink, tally: Tally) -> None:
        """Make the stream right for all of `whole`."""
        self._forget(whole)
        self._run(whole, sink, tally, self._clock())

    def _over(self, whole: Range, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            self.keep_all(whole, sink, tally)
            return whole

        return self._job(run)

    def _job(self, run: Callable[[Tally], Range | None], after: str | None = None) -> Job:
        return Job(SPEND, self.only, self.stream, self._hours.interval, run, after=after)

    def _forget(self, span: Range) -> None:
        """Nothing is known of what touches `span`."""
        for one in [each for each in self._seen if each.start < span.end and span.start < each.end]:
            del self._seen[one]
        for day in [day for day in self._checked if span.start <= day_start(day) < span.end]:
            del self._checked[day]

    def _run(self, whole: Range, sink: Sink, tally: Tally, now: datetime, *, most: int | None = None) -> None:
        start = floor(whole.start, DAY)
        span = Range(start if start == whole.start else start + DAY, ceil(whole.end, DAY))
        names = self._inventory.names(now)
        inputs = self._inputs(sink, names)
        look = self._looking.look(inputs, span, now, tally, anew=most is None)
        self._book.read(inputs, look, span)
        this = _Pass(sink, tally, inputs, look, names, now)
        computed = 0
        for day in days_of(look, span):
            if most is not None and computed >= most:
                break
            computed += self._day(day, this)
        compared = {day for day in look.settled if look.is_billed(day)}
        for action, days in ((ACTION, look.settled), (BILL_ACTION, compared)):
            terms = {"event.action": [action]}
            checked = sink.ask.windows(self._agent, names.organization_id, span, DAY, terms=terms)
            for day in {day_of(start) for start in checked} - days - look.untouched:
                self._write_checks(action, self._frame(day, this), (), this)
        if look.usage:
            tally.saw(max(look.usage) + HOUR)
        if self._errors:
            tally.estimate_error = self._errors[max(self._errors)]

    def _inputs(self, sink: Sink, names: Names) -> Inputs:
        """All that was acknowledged is visible to them."""
        usage, cost = (stream_name(dataset, self._config.namespace) for dataset in (USAGE, COST))
        sink.ask.refresh(usage, cost, self.stream, self._agent)
        group_by = tuple(self._config.usage.group_by)
        return Inputs(sink.ask, usage, cost, names.organization_id, group_by, self.terms)

    def _day(self, day: date, this: _Pass) -> int:
        """Compute and compare the ranges of a day that are due; how many of `LIVE_DAYS` they count as."""
        is_settled, is_billed = day in this.look.settled, this.look.is_billed(day)
        known = self._book.known(day + DAY if is_settled else day)
        found = due(day, this.look, known, self._seen)
        for one in found.ranges:
            self._forget(one)
            frame = self._frame(day, this)
            prices = self._book.prices(day, known)
            if is_settled and not is_billed:
                whole_day = SettledDay.read(this.inputs, day, one)
                self._check(whole_day, frame, this)
                documents = whole_day.documents(prices, frame)
            elif self._analytics is not None and one.start in this.look.billed:
                try:
                    documents = iter(reported(this.inputs, one, prices, frame, self._analytics, this.tally))
                except UNREADABLE as error:
                    this.tally.failures.append(f"The analytics reports could not be read: {error.message}")
                    continue
            else:
                documents = estimates(this.inputs, one, prices, frame)
            self._write(one, documents, found, this)
        if is_settled and is_billed:
            self._check_bills(day, known, this)
        read = any(one.start in this.look.billed for one in found.ranges)
        return DAYS_OF_A_READ if read else bool(found.ranges)

    def _check_bills(self, day: date, known: Known, this: _Pass) -> None:
        """The checks of a settled day whose figures are those of the analytics reports, when it changed."""
        hours = hours_of(day)
        inputs = (this.look.states(day), known, [this.look.billed.get(hour) for hour in hours])
        if self._checked.get(day) == inputs or self._analytics is None:
            return
        frame = self._frame(day, this)
        settled_day = SettledDay.read(this.inputs, day, frame.bucket)
        try:
            analytics = self._analytics.by_workspace(day, this.tally)
        except UNREADABLE as error:
            this.tally.failures.append(f"The analytics reports could not be read: {error.message}")
            return
        self._check(settled_day, frame, this)
        documents = bill_check_documents(
            settled_day.bill,
            settled_day.in_own_spelling(analytics, this.names.workspaces),
            settled_day.shared,
            frame,
        )
        self._write_checks(BILL_ACTION, frame, documents, this)
        self._checked[day] = inputs

    def _frame(self, day: date, this: _Pass) -> Frame:
        bucket = Range(day_start(day), day_start(day) + DAY)
        return Frame(SPEND, self._config.namespace, bucket, this.names, this.now)

    def _write(self, one: Range, documents: Iterable[Prepared], found: Due, this: _Pass) -> None:
        outcome = self._reconcile(self.stream, one, documents, self.terms, this)
        this.tally.windows += 1
        if outcome.done:
            parts = {
                part: inputs for part, inputs in found.inputs.items() if one.start <= part.start < one.end
            }
            self._seen.update(parts)

    def _reconcile(
        self,
        stream: str,
        span: Range,
        documents: Iterable[Prepared],
        terms: Terms,
        this: _Pass,
    ) -> Outcome:
        outcome = this.sink.store.reconcile(
            stream,
            span,
            documents,
            organization_id=this.names.organization_id,
            terms=terms,
            now=this.now,
            confirm_after=self._hours.interval,
        )
        this.tally.add(outcome)
        return outcome

    def _check(self, found: SettledDay, frame: Frame, this: _Pass) -> None:
        """Hold the bill against the figures that stood while the day ran; write that down, and warn."""
        day = found.allocation.day
        early = self._book.known(known_before(day, self._settle_after))
        checks = estimate_checks(found.allocation, self._book.prices(day, early))
        documents = (check_document(check, found.shared(check.workspace), frame) for check in checks)
        kept = self._config.retention.of(AGENT)
        if kept is None or frame.bucket.start >= this.now - kept:
            self._write_checks(ACTION, frame, documents, this)
        self._errors[day] = day_error(checks)
        for check in checks:
            warn_of_drift(check, self._drifted)

    def _write_checks(self, action: str, frame: Frame, documents: Iterable[Prepared], this: _Pass) -> None:
        self._reconcile(self._agent, frame.bucket, documents, {"event.action": [action]}, this)

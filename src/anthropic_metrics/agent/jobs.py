"""What there is to do: one live job and one sweep per view, the rate limits, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from elasticsearch import Elasticsearch

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.config import Config
from anthropic_metrics.consistency.grains import comparable, keep_check
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.headroom.poller import HeadroomPoller
from anthropic_metrics.kernel.datasets import AGENT, HEADROOM, RATE_LIMIT, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.plan import Rung, due_rungs, reach
from anthropic_metrics.kernel.ranges import WIDTHS, Range, ceil, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.poller import RateLimitPoller
from anthropic_metrics.reports.budgets import ACTION as BUDGET
from anthropic_metrics.reports.budgets import budget_documents, month_of
from anthropic_metrics.reports.poller import Progress, Record, ViewPoller
from anthropic_metrics.reports.views import USAGE_DATASETS, View, views

SWEEP_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Sink:
    """Where documents go: the streams, and the record of corrections; `es` answers questions about them."""

    streams: Streams
    record: Record
    es: Elasticsearch


@dataclass(frozen=True)
class Job:
    """A thing to do every `interval`, counted into a fresh tally each time.

    `after` names the job whose every run it follows, whatever that ended in.
    """

    name: str
    poller: str
    stream: str
    interval: timedelta
    run: Callable[[Tally], Range | None]
    after: str | None = None


class Pollers:
    """Every enabled poller, and what each can be asked to do."""

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self._clock = clock
        self.all = True  # none was left out by name
        self.views = [ViewPoller(view, client, inventory, clock=clock) for view in views(config)]
        limits = config.rate_limits
        self.limits = RateLimitPoller(config, client, inventory, clock=clock) if limits.enabled else None
        self._limits_interval = limits.interval
        self._budget_settings = config.budgets
        self._inventory = inventory
        self._by_width = {poller.view.width: poller for poller in self.views if poller.view.poller == "usage"}
        self._minutes = self._by_width.get("1m")
        self.headroom = (
            HeadroomPoller(config, inventory, clock=clock) if HeadroomPoller.enabled(config) else None
        )

    def only(self, names: list[str]) -> None:
        """Keep the pollers of these names; no names keep all."""
        self.all = not names
        if names:
            self.views = [poller for poller in self.views if poller.view.poller in names]
            self.limits = self.limits if "rate_limits" in names else None
            self.headroom = self.headroom if "headroom" in names else None
            self._by_width = self._by_width if "usage" in names else {}

    def scheduled(self, sink: Sink) -> list[Job]:
        """The daemon's jobs: live ones first."""
        jobs = [self._live(poller, sink) for poller in self.views]
        if self.limits is not None:
            jobs.append(self._limits(sink, every_workspace=False))
        if self.headroom is not None:
            jobs.append(self._headroom(self.headroom, sink))
        jobs += [self._sweep(poller, sink) for poller in self.views]
        return jobs + self._checks(sink) + self._budgets(sink)

    def single(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """One pass over every poller's whole window."""
        jobs = [self._limits(sink, every_workspace=True)] if self.limits is not None else []
        jobs += [self._whole(poller, sink, self.history(poller), progress) for poller in self.views]
        if self.headroom is not None:
            jobs.append(self._headroom_over(self.headroom, sink, self.history(self._by_minute())))
        return jobs + self._checks(sink) + self._budgets(sink)

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """One pass over an older range, as far as the streams keep it; the rate limits have no past.

        Headroom then assumes the earliest limits that are known.
        """
        ranges = [(poller, self.older_range(poller, wanted)) for poller in self.views]
        jobs = [self._whole(poller, sink, whole, progress) for poller, whole in ranges if whole is not None]
        if self.headroom is not None and (held := self.older_range(self._by_minute(), wanted)) is not None:
            jobs.append(self._headroom_over(self.headroom, sink, held))
        return jobs

    def older_range(self, poller: ViewPoller, wanted: Range) -> Range | None:
        """`wanted` in whole buckets of the view, from the oldest it may hold; None if that leaves nothing."""
        step = WIDTHS[poller.view.width]
        end = wanted.end if floor(wanted.end, step) == wanted.end else ceil(wanted.end, step)
        start = max(floor(wanted.start, step), poller.view.oldest(self._clock()))
        return Range(start, end) if start < end else None

    def history(self, poller: ViewPoller) -> Range:
        """The view's whole window as of now, the open bucket included."""
        now, step = self._clock(), WIDTHS[poller.view.width]
        return Range(floor(poller.view.history(now), step), ceil(now, step))

    def minutes_range(self) -> Range:
        """What headroom is computed from."""
        return self.history(self._by_minute())

    def minutes_stream(self) -> str:
        """The stream of usage by the minute."""
        return self._by_minute().view.stream

    def _live(self, poller: ViewPoller, sink: Sink) -> Job:
        view = poller.view
        last: dict[Rung, datetime] = {}

        def run(tally: Tally) -> Range | None:
            now = self._clock()
            due = due_rungs(view.rungs, last, now)
            whole = reach(due, now, view.width, view.history(now))
            if whole is not None:
                poller.keep(whole, sink.streams, tally, record=sink.record, priority=Priority.LIVE)
                last.update(dict.fromkeys(due, now))
            return whole

        return Job(view.dataset, view.poller, view.stream, view.interval, run)

    def _sweep(self, poller: ViewPoller, sink: Sink) -> Job:
        """The whole history once a day, compared with the stream whether or not the answers changed."""

        def run(tally: Tally) -> Range:
            whole = self.history(poller)
            poller.keep(
                whole, sink.streams, tally, record=sink.record, priority=Priority.BACKFILL, verify=True
            )
            return whole

        return Job(f"{poller.view.dataset} sweep", poller.view.poller, poller.view.stream, SWEEP_EVERY, run)

    def _whole(self, poller: ViewPoller, sink: Sink, whole: Range, progress: Progress | None) -> Job:
        def run(tally: Tally) -> Range:
            poller.keep(
                whole, sink.streams, tally, record=sink.record, priority=Priority.LIVE, progress=progress
            )
            return whole

        return Job(poller.view.dataset, poller.view.poller, poller.view.stream, poller.view.interval, run)

    def _limits(self, sink: Sink, *, every_workspace: bool) -> Job:
        poller, interval = self.limits, self._limits_interval
        assert poller is not None

        def run(tally: Tally) -> Range:
            poller.keep(sink.es, sink.streams, tally, record=sink.record, every_workspace=every_workspace)
            slot = floor(self._clock(), interval)
            return Range(slot, slot + interval)

        return Job(RATE_LIMIT, "rate_limits", poller.stream, interval, run)

    def _headroom(self, poller: HeadroomPoller, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            whole = self.history(self._by_minute())
            poller.keep(whole, sink.es, sink.streams, tally)
            return whole

        after = USAGE_DATASETS["1m"]
        return Job(HEADROOM, "headroom", poller.stream, poller.interval, run, after=after)

    def _headroom_over(self, poller: HeadroomPoller, sink: Sink, whole: Range) -> Job:
        def run(tally: Tally) -> Range:
            poller.keep_all(whole, sink.es, sink.streams, tally)
            return whole

        return Job(HEADROOM, "headroom", poller.stream, poller.interval, run)

    def _by_minute(self) -> ViewPoller:
        assert self._minutes is not None
        return self._minutes

    def _budgets(self, sink: Sink) -> list[Job]:
        """This month's budgets as the configuration has them now, beside the costs."""
        view = next((poller.view for poller in self.views if poller.view.poller == "cost"), None)
        if view is None:
            return []
        stream = stream_name(AGENT, view.namespace)

        def run(tally: Tally) -> Range:
            now = self._clock()
            month, names = month_of(now), self._inventory.names(now)
            outcome = sink.streams.reconcile(
                stream,
                month,
                budget_documents(self._budget_settings, names, view.namespace, now),
                organization_id=names.organization_id,
                terms={"event.action": [BUDGET]},
                now=now,
                confirm_after=view.interval,
            )
            tally.add(outcome)
            return month

        return [Job("budgets", "cost", stream, view.interval, run, after=view.dataset)]

    def _checks(self, sink: Sink) -> list[Job]:
        """For each two neighbouring grains: do they add up to the same?"""
        held = [self._by_width[width] for width in WIDTHS if width in self._by_width]
        return [self._check(fine.view, coarse.view, sink) for fine, coarse in pairwise(held)]

    def _check(self, fine: View, coarse: View, sink: Sink) -> Job:
        def run(tally: Tally) -> Range | None:
            now = self._clock()
            span = comparable(fine, coarse, now)
            if span is not None:
                keep_check(sink.es, (fine, coarse), span, self._inventory.names(now), now, sink.record, tally)
            return span

        stream = stream_name(AGENT, fine.namespace)
        name = f"{fine.dataset} adds up to {coarse.dataset}"
        return Job(name, "usage", stream, SWEEP_EVERY, run, after=f"{fine.dataset} sweep")

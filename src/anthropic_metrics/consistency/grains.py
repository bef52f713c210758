"""Do two grains of usage add up to the same? The same traffic is read two or three times, so they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.base import LARGEST_LONG
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import NO_TERMS, Progress, Sink
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from anthropic_metrics.kernel.snapshot import SnapshotPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.poller import ViewPoller
from anthropic_metrics.reports.views import View

log = structlog.get_logger(__name__)

# The latest rows seen so far came three hours late, and minutes so old are read once an hour.
SETTLED = timedelta(hours=5)
# A coarser grain is compared no further back than the finer one is read again.
REACH = {"1m": timedelta(days=1), "1h": timedelta(days=7)}

Sums = Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """The coarse buckets of `time_range` that differ, and by how much in each number."""

    fine: str
    coarse: str
    time_range: Range
    buckets: int
    differing: Mapping[datetime, Sums]

    @property
    def difference(self) -> int:
        """All that is in one grain only."""
        return sum(sum(map(abs, by_field.values())) for by_field in self.differing.values())

    @property
    def fields(self) -> list[str]:
        """The numbers that differ anywhere."""
        return sorted({name for by_field in self.differing.values() for name in by_field})


def compared(fine: Mapping[datetime, Sums], coarse: Mapping[datetime, Sums]) -> dict[datetime, Sums]:
    """Fine minus coarse, per bucket and number, where they differ. A bucket that one lacks counts as 0."""
    differing: dict[datetime, Sums] = {}
    for bucket in sorted(fine.keys() | coarse.keys()):
        left, right = fine.get(bucket, {}), coarse.get(bucket, {})
        gaps = {name: left.get(name, 0) - right.get(name, 0) for name in USAGE_NUMBERS}
        if any(gaps.values()):
            differing[bucket] = {name: gap for name, gap in gaps.items() if gap}
    return differing


def comparable(fine: View, coarse: View, now: datetime) -> Range | None:
    """The whole buckets of the coarse grain that both grains hold settled; None if there is none."""
    step = WIDTHS[coarse.width]
    oldest = max(fine.history(now), coarse.history(now), now - REACH[fine.width])
    start = floor(oldest, step)
    start = start if start == oldest else start + step
    end = floor(now - SETTLED, step)
    return Range(start, end) if start < end else None


def compare(ask: Questions, fine: View, coarse: View, organization_id: str, time_range: Range) -> Comparison:
    """Add both streams up by the buckets of the coarse one.

    A bucket with a document marked as missing is left out: the other grain may have deleted its own already.
    """
    step, views = WIDTHS[coarse.width], (fine, coarse)
    ask.refresh(fine.stream, coarse.stream)
    sums = [
        ask.sums(view.stream, organization_id, time_range, step, USAGE_NUMBERS, terms=view.terms)
        for view in views
    ]
    differing = compared(*sums)
    if differing:
        for view in views:
            for waiting in ask.windows(view.stream, organization_id, time_range, step, missing=True):
                differing.pop(waiting, None)
    buckets = (time_range.end - time_range.start) // step
    return Comparison(fine.stream, coarse.stream, time_range, buckets, differing)


def check_document(comparison: Comparison, names: Names, namespace: str, now: datetime) -> Prepared:
    """What a check found, for the agent stream; a failure if anything differs."""
    first = min(comparison.differing, default=None)
    grain_check = {
        "fine": comparison.fine,
        "coarse": comparison.coarse,
        "window_start": comparison.time_range.start,
        "window_end": comparison.time_range.end,
        "buckets": comparison.buckets,
        "differing_buckets": len(comparison.differing),
        "difference": min(comparison.difference, LARGEST_LONG),
        "first_differing": first,
        "differing_fields": comparison.fields or None,
    }
    document = agent_document(
        "grain_check",
        at=now,
        now=now,
        namespace=namespace,
        organization=names.organization,
        anthropic={"grain_check": grain_check},
        event={"outcome": "failure" if comparison.differing else "success"},
    )
    key = f"grain_check {names.organization_id} {comparison.fine} {comparison.coarse} {now.isoformat()}"
    return prepare(hex_digest(key), document)


class GrainCheck(SnapshotPoller):
    """Compares two widths of usage after each sweep of the finer one, and records what it finds.

    Upstream may change between the polls of the two, so a difference counts once both were read again.
    """

    def __init__(
        self, fine: ViewPoller, coarse: ViewPoller, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self.only, self.dataset, self.terms = fine.view.poller, AGENT, NO_TERMS
        self.stream = stream_name(AGENT, fine.view.namespace)
        self._pollers = fine, coarse
        self._views = fine.view, coarse.view
        self._inventory = inventory
        self._clock = clock

    def live(self, sink: Sink) -> list[Job]:
        return []

    def sweep(self, sink: Sink) -> list[Job]:
        return [self._job(sink)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._job(sink)]

    def _job(self, sink: Sink) -> Job:
        fine, coarse = self._views

        def run(tally: Tally) -> Range | None:
            now = self._clock()
            time_range = comparable(fine, coarse, now)
            if time_range is not None:
                self._check(sink, time_range, now, tally)
            return time_range

        name = f"{fine.dataset} adds up to {coarse.dataset}"
        after = f"{fine.dataset} sweep"
        needs = (f"{coarse.dataset} sweep",)
        return Job(name, self.only, self.stream, SWEEP_EVERY, run, Kind.sweep, after, needs=needs)

    def _check(self, sink: Sink, time_range: Range, now: datetime, tally: Tally) -> None:
        (fine, coarse), names = self._views, self._inventory.names(now)
        comparison = compare(sink.ask, fine, coarse, names.organization_id, time_range)
        if comparison.differing:
            last = max(comparison.differing)
            self._read_again(Range(min(comparison.differing), last + WIDTHS[coarse.width]), sink, tally)
            comparison = compare(sink.ask, fine, coarse, names.organization_id, time_range)
        if comparison.differing:
            log.warning(
                "grains_differ",
                fine=comparison.fine,
                coarse=comparison.coarse,
                buckets=len(comparison.differing),
                first=min(comparison.differing),
                difference=comparison.difference,
                fields=comparison.fields,
            )
        sink.record([check_document(comparison, names, fine.namespace, now)])
        tally.windows += 1
        tally.buckets += comparison.buckets
        tally.differing = len(comparison.differing)

    def _read_again(self, time_range: Range, sink: Sink, tally: Tally) -> None:
        for poller in self._pollers:
            poller.keep(
                time_range, sink.store, tally, record=sink.record, priority=Priority.LIVE, verify=True
            )

"""Report views: which endpoint is read at which grain and grouping into which stream.

A view is a value. Usage at three grains and cost are views over one machinery (`reports.poller`); another
report is another value with a `build` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.pages import BucketQuery
from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.admin_api.reply import Reply
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import COST, HEADROOM, USAGE, USAGE_1D, USAGE_1M, stream_name
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE, Frame
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.plan import PAGE_MOST, Rung
from anthropic_metrics.kernel.ranges import EPOCH, WIDTHS, Range, Width, ceil, floor
from anthropic_metrics.reports import build
from anthropic_metrics.streams.registry import BY_DATASET

USAGE_PATH = "/v1/organizations/usage_report/messages"
COST_PATH = "/v1/organizations/cost_report"
SPEED_BETA = ("anthropic-beta", "fast-mode-2026-02-01")

# What late and revised data need: usage lands within minutes, rarely hours; costs are revised for days.
# Of minutes only these are compared again every day; the pages of all would cost the most.
MINUTES_RESWEPT = timedelta(days=1)
USAGE_RUNGS: dict[Width, tuple[Rung, ...]] = {
    "1m": (Rung(timedelta(hours=3)), Rung(timedelta(days=1), every=timedelta(hours=1))),
    "1h": (Rung(timedelta(days=1)), Rung(timedelta(days=7), every=timedelta(hours=1))),
    "1d": (Rung(timedelta(days=2)), Rung(timedelta(days=31), every=timedelta(hours=6))),
}
COST_RUNGS = (Rung(timedelta(days=31)),)
USAGE_DATASETS: dict[Width, str] = {
    "1m": USAGE_1M,
    "1h": USAGE,
    "1d": USAGE_1D,
}


@dataclass(frozen=True)
class View:
    """One report at one grain, kept in one data stream."""

    poller: str
    dataset: str
    stream: str
    path: str
    width: Width
    group_by: tuple[str, ...]
    row: type[Reply]
    build: Callable[[Frame, Sequence[Any]], list[Prepared]]
    interval: timedelta
    rungs: tuple[Rung, ...]
    # The oldest bucket that is kept true by itself, and the oldest that may be asked for at all.
    history: Callable[[datetime], datetime]
    oldest: Callable[[datetime], datetime]
    namespace: str = "default"
    workspaces: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Numbers whose change after a bucket was complete is logged as a correction.
    corrected: tuple[str, ...] = ()
    # How far back sweeps reach after a process's first one; None: over the whole history.
    resweep: timedelta | None = None

    def frame(self, bucket: Range, names: Names, now: datetime) -> Frame:
        """What the documents of a bucket, read at `now`, have in common."""
        return Frame(self.dataset, self.namespace, bucket, names, now, self.width, self.group_by)

    def whole(self, now: datetime) -> Range:
        """The whole history that is kept true as of `now`, the open bucket included."""
        step = WIDTHS[self.width]
        return Range(floor(self.history(now), step), ceil(now, step))

    def remembered(self, now: datetime) -> datetime:
        """The oldest bucket that polls and sweeps read again."""
        oldest = self.history(now)
        if self.resweep is None:
            return oldest
        return max(oldest, now - max(self.resweep, *(rung.age for rung in self.rungs)) - WIDTHS["1h"])

    def older(self, wanted: Range, now: datetime) -> Range | None:
        """`wanted` in whole buckets, from the oldest it may hold to the open one; None if that leaves
        nothing."""
        step = WIDTHS[self.width]
        end = wanted.end if floor(wanted.end, step) == wanted.end else ceil(wanted.end, step)
        end = min(end, ceil(now, step))
        start = max(floor(wanted.start, step), self.oldest(now))
        return Range(start, end) if start < end else None

    def query(self, window: Range) -> BucketQuery:
        """The request for a window: one page holds it whole."""
        buckets = (window.end - window.start) // WIDTHS[self.width]
        return BucketQuery(
            path=self.path,
            start=window.start,
            end=window.end,
            width=self.width,
            page_limit=min(max(buckets, 1), PAGE_MOST[self.width]),
            group_by=self.group_by,
            filters=self.filters,
            headers=self.headers,
        )


def views(config: Config) -> list[View]:
    """The views that the configuration enables, cheapest to keep first."""
    order: tuple[Width, ...] = ("1d", "1h", "1m")
    usual = [cost_view(config), *(usage_view(config, width) for width in order)]
    return [view for view in usual if view is not None]


def usage_view(config: Config, width: Width) -> View | None:
    """The Messages usage report at one width; None where the configuration does not ask for it."""
    usage = config.usage
    if not usage.enabled or width not in usage.granularities:
        return None
    dataset = USAGE_DATASETS[width]
    kept_for = config.retention.of(dataset)
    if width == "1m":
        # Its pages are the most expensive ones, so it never reaches further back than it is told to.
        limits = (kept_for, config.retention.of(HEADROOM), usage.minute_backfill)
        kept_for = min(length for length in limits if length is not None)
    history, oldest = _reach(config, kept_for, width, USAGE_RUNGS[width])
    return View(
        poller="usage",
        dataset=dataset,
        stream=stream_name(dataset, config.namespace),
        namespace=config.namespace,
        path=USAGE_PATH,
        width=width,
        group_by=tuple(usage.group_by),
        row=UsageRow,
        build=build.usage_documents,
        interval=max(usage.interval, timedelta(hours=1)) if width == "1d" else usage.interval,
        rungs=USAGE_RUNGS[width],
        history=history,
        oldest=oldest,
        workspaces=tuple(usage.workspace_ids),
        headers=(SPEED_BETA,) if "speed" in usage.group_by else (),
        filters=_workspace_filters(usage.workspace_ids),
        terms={"anthropic.workspace.id": tuple(usage.workspace_ids)} if usage.workspace_ids else {},
        corrected=BY_DATASET[dataset].corrected,
        resweep=MINUTES_RESWEPT if width == "1m" else None,
    )


def _reach(
    config: Config, kept_for: timedelta | None, width: Width, rungs: tuple[Rung, ...]
) -> tuple[Callable[[datetime], datetime], Callable[[datetime], datetime]]:
    """`history` and `oldest` of a view whose stream keeps documents for `kept_for` (None: without end)."""
    backfill = config.backfill
    reread = max(rung.age for rung in rungs)

    def oldest(now: datetime) -> datetime:
        return EPOCH if kept_for is None else floor(now - kept_for, WIDTHS[width])

    def history(now: datetime) -> datetime:
        start = backfill.since(now)
        if backfill.moves:
            # A length moves on with time: a short one must not end the re-reading of what was shipped.
            start = min(start, floor(now - reread, WIDTHS["1d"]))
        return max(start, oldest(now))

    return history, oldest


def _workspace_filters(workspace_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The API's own filter, unless the default workspace is wanted: it has no id to ask for."""
    if DEFAULT_WORKSPACE in workspace_ids:
        return ()
    return tuple(("workspace_ids[]", workspace) for workspace in workspace_ids)


def cost_view(config: Config) -> View | None:
    """The cost report; None where the configuration does not ask for it."""
    if not config.cost.enabled:
        return None
    history, oldest = _reach(config, config.retention.of(COST), "1d", COST_RUNGS)
    return View(
        poller="cost",
        dataset=COST,
        stream=stream_name(COST, config.namespace),
        namespace=config.namespace,
        path=COST_PATH,
        width="1d",
        group_by=("workspace_id", "description"),
        row=CostRow,
        build=build.cost_documents,
        interval=config.cost.interval,
        rungs=COST_RUNGS,
        history=history,
        oldest=oldest,
        corrected=BY_DATASET[COST].corrected,
    )

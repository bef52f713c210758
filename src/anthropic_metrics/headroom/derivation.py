"""Headroom as a derived stream: usage by the minute held against the limits as they stood."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.config import Config
from anthropic_metrics.derived.derivation import Computed, Input, Moment
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.headroom.build import countable, headroom_documents, moment
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.windows import WINDOW, Window, windows
from anthropic_metrics.kernel.datasets import HEADROOM, RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions, Splits
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.reports.views import View, usage_view

NO_LIMITS = "There is no snapshot of the organization's rate limits yet: headroom waits for the first one."
STEP = timedelta(seconds=WINDOW)


def splits(config: Config) -> Splits:
    """What the configuration splits usage by."""
    grouped = config.usage.group_by
    return Splits(
        workspaces="workspace_id" in grouped,
        tiers="service_tier" in grouped,
        speeds="speed" in grouped,
        every_workspace=not config.usage.workspace_ids,
    )


@dataclass(frozen=True)
class Headroom:
    """The headroom stream of one organization; `minutes` is how usage by the minute is read."""

    minutes: View
    splits: Splits
    namespace: str
    interval: timedelta
    dataset: str = HEADROOM
    only: str = "headroom"
    window: timedelta = STEP
    # An hour of 300 workspaces is a run of the size that memory allows.
    run_length: timedelta = timedelta(hours=1)
    follows: str | None = USAGE_1M
    completed_by: str | None = USAGE_1M
    inputs: tuple[Input, ...] = (
        Input(USAGE_1M, STEP),
        # New snapshots hold from their own time on.
        Input(RATE_LIMIT, STEP, onwards=True, fills=False),
    )

    @classmethod
    def of(cls, config: Config) -> Headroom | None:
        """As the configuration has it; None without minutes by model, or without limits."""
        minutes = usage_view(config, "1m")
        if minutes is None or "model" not in config.usage.group_by or not config.rate_limits.enabled:
            return None
        return cls(minutes, splits(config), config.namespace, config.usage.interval)

    @property
    def terms(self) -> Terms:
        """Only the workspaces that are collected."""
        return self.minutes.terms

    def history(self, now: datetime) -> Range:
        """As far back as the minutes are kept true."""
        return self.minutes.whole(now)

    def older(self, wanted: Range, now: datetime) -> Range | None:
        """As far as the minutes are kept; limits before the first snapshot are assumed to be its own."""
        return self.minutes.older(wanted, now)

    def state(self, ask: Questions, names: Names) -> Hashable:
        """Whose limits are known: what was computed without a workspace's own is not what holds with them."""
        return ask.limit_history(self._stream(RATE_LIMIT), names.organization_id).scopes()

    def compute(self, time_range: Range, at: Moment) -> Computed:
        """Every window of every limit. Raises RetryLater while there is no snapshot of the limits."""
        organization = at.names.organization_id
        history = at.ask.limit_history(self._stream(RATE_LIMIT), organization)
        limits = read_limits(history, time_range.start, time_range.end)
        if limits is None:
            raise RetryLater(NO_LIMITS)
        minutes = at.ask.minutes(self._stream(USAGE_1M), organization, self.splits, self.minutes.workspaces)
        measured, beyond = countable(
            windows(minutes.uses(time_range.start, time_range.end), limits, self.splits)
        )
        documents = list(headroom_documents(measured, at.names, self.namespace, at.now, at.read_at))
        newest = moment(measured[-1].start + WINDOW) if measured else None
        return Computed(documents, len(measured), newest, _left_out(beyond))

    def _stream(self, dataset: str) -> str:
        return stream_name(dataset, self.namespace)


def _left_out(beyond: list[Window]) -> str:
    if not beyond:
        return ""
    first = f"{beyond[0].group.name} at {moment(beyond[0].start):%Y-%m-%dT%H:%MZ}"
    return f"{len(beyond)} windows hold more tokens than Elasticsearch can count, such as {first}."

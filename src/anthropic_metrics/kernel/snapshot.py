"""Pollers of a state that cannot be read again later: limits, inventory, destinations, budgets."""

from __future__ import annotations

from collections.abc import Iterator

from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ports import Documents, Progress, Sink
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally


class SnapshotPoller:
    """The part of a `kernel.ports.Poller` that is the same wherever the past cannot be read again.

    Nothing is swept, no older range is read, and no documents are made for a preview. Whoever has more of
    these overrides them.
    """

    def sweep(self, sink: Sink) -> list[Job]:
        return []

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        return []

    def range(self, wanted: Range | None = None) -> Range | None:
        return None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        return iter(())

"""Which windows of a derived stream to compute now: what changed in its inputs since the last look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.derived.derivation import Derivation, Input
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import EPOCH, Range, floor

# What was read before the last look may have been written, or become visible, after it.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True)
class Due:
    """Asks the streams of one organization; refresh them before."""

    derivation: Derivation
    ask: Questions
    organization_id: str

    def stream(self, dataset: str) -> str:
        """A dataset's stream in the derivation's namespace."""
        return stream_name(dataset, self.derivation.namespace)

    def refresh(self) -> None:
        """Make visible what was written to the inputs, to the stream itself and to the agent's."""
        derivation = self.derivation
        datasets = (*(each.dataset for each in derivation.inputs), derivation.dataset, AGENT)
        self.ask.refresh(*map(self.stream, datasets))

    def filled(self, whole: Range) -> set[datetime]:
        """Every window of `whole` that holds input or output."""
        derivation = self.derivation
        starts = self._windows(derivation.dataset, whole, derivation.window)
        for each in derivation.inputs:
            if each.fills:
                for start in self._windows(each.dataset, whole, each.width):
                    starts |= self._touched(Range(start, start + each.width), whole)
        return starts

    def changed(
        self, whole: Range, since: datetime, read_before: datetime | None, read_at: datetime | None
    ) -> set[datetime]:
        """Windows of `whole` that may say something else than what was written before `since`.

        `read_before` and `read_at` are when the completing input had been read at the last look and has
        been now.
        """
        derivation = self.derivation
        starts = self.ask.windows(
            self.stream(derivation.dataset), self.organization_id, whole, derivation.window, missing=True
        )
        for each in derivation.inputs:
            starts |= self._changed_by(each, whole, since)
        # A window without input in its last part becomes complete although nothing in it changes.
        if read_at is not None:
            settled = (read_before or whole.start) - DOCUMENTED_LAG - derivation.window
            starts |= self._touched(Range(settled, read_at), whole)
        return starts

    def read_at(self) -> datetime | None:
        """When the completing input was last read to its end."""
        dataset = self.derivation.completed_by
        if dataset is None:
            return None
        return self.ask.read_at(self.stream(AGENT), self.organization_id, self.stream(dataset))

    def _changed_by(self, each: Input, whole: Range, since: datetime) -> set[datetime]:
        asked = Range(EPOCH, whole.end) if each.onwards else whole
        found = self.ask.windows(
            self.stream(each.dataset), self.organization_id, asked, each.width, since=since
        )
        if each.onwards:
            return self._touched(Range(min(found), whole.end), whole) if found else set()
        return {start for begin in found for start in self._touched(Range(begin, begin + each.width), whole)}

    def _windows(self, dataset: str, whole: Range, width: timedelta) -> set[datetime]:
        return self.ask.windows(self.stream(dataset), self.organization_id, whole, width)

    def _touched(self, part: Range, whole: Range) -> set[datetime]:
        """Starts of the windows that touch both ranges."""
        both = Range(max(part.start, whole.start), min(part.end, whole.end))
        return set(window_starts(both, self.derivation.window))


def window_starts(span: Range, window: timedelta) -> Iterator[datetime]:
    """Starts of the windows that touch `span`."""
    start = floor(span.start, window)
    while start < span.end:
        yield start
        start += window

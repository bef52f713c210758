"""Which windows of a derived stream to compute now: what changed in its inputs since the last look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.derived.derivation import Derivation, Input
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import EPOCH, Range, floor

# What was asked for before the last look, and is stamped so, may have been written, or become visible, after
# it: the request may have waited as long as a server can ask for.
OVERLAP = RetryPolicy().longest_wait + timedelta(minutes=10)


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
        datasets = (*(source.dataset for source in derivation.inputs), derivation.dataset, AGENT)
        self.ask.refresh(*map(self.stream, datasets))

    def filled(self, time_range: Range) -> set[datetime]:
        """Every window of `time_range` that holds input or output."""
        derivation = self.derivation
        starts = self._windows(derivation.dataset, time_range, derivation.window)
        for source in derivation.inputs:
            if source.fills:
                for start in self._windows(source.dataset, time_range, source.width):
                    starts |= self._touched(Range(start, start + source.width), time_range)
        return starts

    def changed(
        self, time_range: Range, since: datetime, read_before: datetime | None, read_at: datetime | None
    ) -> set[datetime]:
        """Windows of `time_range` that may say something else than what was written before `since`.

        `read_before` and `read_at` are when the completing input had been read at the last look and has
        been now.
        """
        derivation = self.derivation
        starts = self.ask.windows(
            self.stream(derivation.dataset), self.organization_id, time_range, derivation.window, missing=True
        )
        for source in derivation.inputs:
            starts |= self._changed_by(source, time_range, since)
        # A window without input in its last part becomes complete although nothing in it changes.
        if read_at is not None:
            settled = (read_before or time_range.start) - DOCUMENTED_LAG - derivation.window
            starts |= self._touched(Range(settled, read_at), time_range)
        return starts

    def read_at(self) -> datetime | None:
        """When the completing input was last read to its end."""
        dataset = self.derivation.completed_by
        if dataset is None:
            return None
        return self.ask.read_at(self.stream(AGENT), self.organization_id, self.stream(dataset))

    def _changed_by(self, source: Input, time_range: Range, since: datetime) -> set[datetime]:
        asked_for = Range(EPOCH, time_range.end) if source.onwards else time_range
        starts = self.ask.windows(
            self.stream(source.dataset), self.organization_id, asked_for, source.width, since=since
        )
        if source.onwards:
            return self._touched(Range(min(starts), time_range.end), time_range) if starts else set()
        return {
            start
            for begin in starts
            for start in self._touched(Range(begin, begin + source.width), time_range)
        }

    def _windows(self, dataset: str, time_range: Range, width: timedelta) -> set[datetime]:
        return self.ask.windows(self.stream(dataset), self.organization_id, time_range, width)

    def _touched(self, part: Range, time_range: Range) -> set[datetime]:
        """Starts of the windows that touch both ranges."""
        both = Range(max(part.start, time_range.start), min(part.end, time_range.end))
        return set(window_starts(both, self.derivation.window))


def window_starts(part: Range, window: timedelta) -> Iterator[datetime]:
    """Starts of the windows that touch `part`."""
    start = floor(part.start, window)
    while start < part.end:
        yield start
        start += window

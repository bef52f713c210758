"""Which windows to compute now: questions to the streams, and their answers as window starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.elastic import query
from anthropic_metrics.headroom.build import moment
from anthropic_metrics.headroom.minutes import Minutes, window_starts
from anthropic_metrics.headroom.windows import WINDOW
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.ranges import Range, ceil, floor, iso
from anthropic_metrics.limits.snapshots import Snapshots

STEP = timedelta(seconds=WINDOW)
# Computed and compared in one go: an hour of 300 workspaces fits into memory.
SPAN = timedelta(hours=1)
# Asked about in one go: a histogram may have 65,536 buckets.
ASKED_AT_ONCE = timedelta(days=30)
# What was read before the last look may have been written, or become visible, after it.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True)
class Due:
    """Asks the streams of one organization; refresh them before."""

    minutes: Minutes
    snapshots: Snapshots
    headroom: str
    agent: str

    def held(self, whole: Range) -> set[int]:
        """Every window of `whole` that holds usage or headroom."""
        starts: set[int] = set()
        begin = floor(whole.start, STEP)
        while begin < whole.end:
            end = min(begin + ASKED_AT_ONCE, ceil(whole.end, STEP))
            wanted = self._own({"range": {"@timestamp": {"gte": iso(begin), "lt": iso(end)}}})
            for stream in (self.minutes.stream, self.headroom):
                starts |= window_starts(self.minutes.es, stream, wanted)
            begin = end
        return starts

    def changed(
        self, whole: Range, since: datetime, read_before: datetime | None, read_at: datetime | None
    ) -> set[int]:
        """Windows of `whole` that may say something else than what was written before `since`.

        `read_before` and `read_at` are when usage had been read at the last look and has been now.
        """
        starts = self.minutes.changed(whole.start, whole.end, since)
        waiting: dict[str, Any] = {"exists": {"field": "anthropic.missing_since"}}
        span: dict[str, Any] = {"range": {"@timestamp": {"gte": iso(whole.start), "lt": iso(whole.end)}}}
        starts |= window_starts(self.minutes.es, self.headroom, self._own(span, waiting))
        # New snapshots hold from their own time on.
        if (changed := self.snapshots.earliest_written_since(since)) is not None:
            starts |= window_range(Range(max(changed, whole.start), whole.end))
        # A window without use in its last minute becomes complete although nothing in it changes.
        if read_at is not None:
            settled = (read_before or whole.start) - DOCUMENTED_LAG - STEP
            starts |= window_range(Range(max(settled, whole.start), min(read_at, whole.end)))
        return starts

    def usage_read_at(self) -> datetime | None:
        """When the last successful poll of this organization's usage by the minute began, by any agent."""
        wanted = self._own(
            {"term": {"event.action": "poll"}},
            {"term": {"event.outcome": "success"}},
            {"term": {"anthropic.poll.stream": self.minutes.stream}},
        )
        latest = {"latest": {"max": {"field": "@timestamp"}}}
        value = query.aggregate(self.minutes.es, self.agent, wanted, latest).get("latest", {}).get("value")
        return None if value is None else moment(int(value // 1000))

    def _own(self, *filters: dict[str, Any]) -> dict[str, Any]:
        own = {"term": {"organization.id": self.minutes.organization_id}}
        return {"bool": {"filter": [own, *filters]}}


def window_range(span: Range) -> set[int]:
    """Starts of the windows that touch `span`."""
    first = floor(span.start, STEP)
    count = max(0, -((first - span.end) // STEP))
    return {int(first.timestamp()) + WINDOW * number for number in range(count)}


def spans(starts: set[int]) -> Iterator[Range]:
    """Runs of adjacent windows, none longer than an hour, the newest first."""
    run: list[int] = []
    for each in sorted(starts, reverse=True):
        if run and (run[-1] - each != WINDOW or len(run) * STEP >= SPAN):
            yield Range(moment(run[-1]), moment(run[0]) + STEP)
            run = []
        run.append(each)
    if run:
        yield Range(moment(run[-1]), moment(run[0]) + STEP)

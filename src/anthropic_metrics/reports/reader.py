"""Reads a report window by window, and tells which of its buckets have a new answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.pages import read_buckets
from anthropic_metrics.errors import AnswerTooLarge, BadRequest
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.newest import Answer, Newest
from anthropic_metrics.kernel.plan import WindowSize
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.age_limit import AgeLimit
from anthropic_metrics.reports.buckets import Answers, Fresh, answer_digest, other_currencies
from anthropic_metrics.reports.views import View


@dataclass(frozen=True, slots=True)
class Window:
    """A window that was read to its end: asked for at `now`, with those of its buckets that have to be
    compared."""

    time_range: Range
    now: datetime
    answer: Answer
    fresh: list[Fresh]


class ReportReader:
    """The windows of one view. Thread-safe.

    `known` has the answers that were reconciled last, `newest` is told of every answer.
    """

    def __init__(
        self,
        view: View,
        client: AdminClient,
        inventory: Inventory,
        known: Answers,
        newest: Newest,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._view = view
        self._client = client
        self._inventory = inventory
        self._known = known
        self._newest = newest
        self._clock = clock
        self._has_money = "currency" in view.row.model_fields
        self._age_limit = AgeLimit(view, self._answers)
        self._size = WindowSize(view.width)

    def windows(
        self, time_range: Range, tally: Tally, priority: Priority, *, verify: bool
    ) -> Iterator[Window]:
        """Each window of `time_range`, the newest first, counted into `tally`.

        With `verify`, buckets whose answer is unchanged have to be compared, too. Raises what the client
        raises.
        """
        end = time_range.end
        start = time_range.start if verify else self._age_limit.start(time_range, self._clock())
        while start < end:
            wanted = self._size.newest(Range(start, end))
            now = self._clock()
            try:
                window = self._read(wanted, now, tally, priority, verify)
            except AnswerTooLarge:
                if not self._size.shrinks(wanted):
                    raise
                continue
            except BadRequest as refusal:
                start = self._age_limit.find(wanted, refusal, now, tally, is_newest=end == time_range.end)
                continue
            yield window
            del window
            end = wanted.start

    def _read(self, wanted: Range, now: datetime, tally: Tally, priority: Priority, verify: bool) -> Window:
        """All pages of the window, or nothing."""
        names = self._inventory.names(now)
        query = self._view.query(wanted)
        seen = None if self._has_money else self._known.seen
        start = self._newest.ask()
        buckets = list(read_buckets(self._client, query, priority=priority, on_page=tally.page, seen=seen))
        # Before these answers are called unchanged: from here on no older one is written in their place.
        answer = self._newest.read(start, [bucket.start for bucket in buckets])
        if buckets:
            self._size.saw(sum(bucket.count for bucket in buckets), len(buckets))
        fresh = []
        for bucket in buckets:
            if bucket.count:
                tally.saw(bucket.end)
                if self._has_money:
                    tally.silencing |= other_currencies(bucket)
            digest = answer_digest(bucket, names, now)
            if entry := self._known.fresh(bucket, digest, verify=verify):
                fresh.append(entry)
        tally.buckets += len(buckets)
        tally.unchanged_buckets += len(buckets) - len(fresh)
        return Window(wanted, now, answer, fresh)

    def _answers(self, window: Range) -> bool:
        """Whether the API answers a question about the window, by its first page."""
        try:
            next(read_buckets(self._client, self._view.query(window)), None)
        except BadRequest as refusal:
            if refusal.status != 400:
                raise
            return False
        return True

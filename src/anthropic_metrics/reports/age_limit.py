"""How far back the Admin API answers a report: found by asking, remembered as an age."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from anthropic_metrics.errors import BadRequest
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.views import View

log = structlog.get_logger(__name__)


class AgeLimit:
    """The limit of one report. `answers` tells whether the API answers a question about a window."""

    def __init__(self, view: View, answers: Callable[[Range], bool]) -> None:
        self._view = view
        self._answers = answers
        self._age: timedelta | None = None

    def start(self, time_range: Range, now: datetime) -> datetime:
        """Where to begin to read `time_range`: not before what was found to be too old."""
        step = WIDTHS[self._view.width]
        return (
            time_range.start
            if self._age is None
            else max(time_range.start, floor(now - self._age, step) + step)
        )

    def find(
        self, window: Range, refusal: BadRequest, now: datetime, tally: Tally, *, is_newest: bool
    ) -> datetime:
        """The start of what is answered in a window that was refused as a whole, noted in `tally`.

        Raises the refusal where its reason is not the window's age: nothing of the newest window is answered,
        or what comes before the start that was found is answered too.
        """
        if refusal.status != 400:
            raise refusal
        step = WIDTHS[self._view.width]
        refused, answered = window.start, window.end
        while answered - refused > step:
            middle = refused + (answered - refused) // step // 2 * step
            if self._answers(Range(middle, window.end)):
                answered = middle
            else:
                refused = middle
        nothing_read = answered == window.end and is_newest
        if nothing_read or self._answers(Range(answered - step, window.end)):
            raise refusal
        self._age = now - answered
        self._note(answered, self._age, refusal, tally)
        return answered

    def _note(self, start: datetime, age: timedelta, refusal: BadRequest, tally: Tally) -> None:
        key = "usage.minute_backfill" if self._view.width == "1m" else "backfill"
        tally.read_from = start
        tally.notes.append(
            f"The Admin API answers nothing before {start:%Y-%m-%dT%H:%MZ}: set `{key}` to "
            f"{age / timedelta(days=1):.3g} days or less. {refusal.message}"
        )
        log.log(tally.noted, "report_reaches_less_far", stream=self._view.stream, since=start, key=key)

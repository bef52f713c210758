"""Holds settled days against what was known of them before, and writes that to the agent stream.

The bill against the early figures (`estimate_check`), and the two bills against each other (`bill_check`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from anthropic_metrics.config import Config
from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.derived.runs import unbroken_days
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.analytics import UNREADABLE
from anthropic_metrics.spend.check import estimate_checks, known_before
from anthropic_metrics.spend.checks import (
    ACTION,
    BILL_ACTION,
    bill_check_documents,
    check_document,
    day_error,
    warn_of_drift,
)
from anthropic_metrics.spend.compute import Computation, SettledDay
from anthropic_metrics.spend.money import Usd
from anthropic_metrics.spend.plan import days_of, hours_of
from anthropic_metrics.spend.settle import day_of, day_start

Bills = Mapping[date, Mapping[str | None, Usd]]


class Checking:
    """Checks of one organization. What it remembers is a cache, and which drifts were told."""

    def __init__(self, config: Config) -> None:
        self._agent = stream_name(AGENT, config.namespace)
        self._retention = config.retention.of(AGENT)
        self._settle_after = config.spend.settle_after
        self._checked: dict[date, object] = {}
        self._errors: dict[date, float | None] = {}
        self._drifted: set[tuple[date, str | None, str]] = set()

    def forget(self, time_range: Range) -> None:
        """The two bills of the days in `time_range` are to be compared anew."""
        for day in [day for day in self._checked if time_range.start <= day_start(day) < time_range.end]:
            del self._checked[day]

    def forget_before(self, oldest: datetime) -> None:
        """Days before it are not looked at again; the newest error stays, whatever its day."""
        newest = max(self._errors, default=None)
        for day in [day for day in self._errors if day != newest and day_start(day) < oldest]:
            del self._errors[day]
        self._drifted = {drift for drift in self._drifted if day_start(drift[0]) >= oldest}

    def newest_error(self) -> float | None:
        """By what share of its bill the newest settled day was estimated too high; None: not known."""
        return self._errors[max(self._errors)] if self._errors else None

    def estimates(self, days: Sequence[SettledDay], computation: Computation, this: Pass) -> None:
        """Hold bills against the figures that stood while the days ran; write that down, and warn."""
        documents: list[Prepared] = []
        days_left: list[date] = []
        told = self._told([settled.allocation.day for settled in days], this)
        for settled in days:
            day = settled.allocation.day
            if day == computation.sources.begins_within:
                days_left.append(day)  # without a check: a part of a day's usage was not estimated too low
                self._errors.pop(day, None)
                continue
            early = computation.book.known(known_before(day, self._settle_after))
            checks = estimate_checks(settled.allocation, computation.book.prices(day, early))
            self._errors[day] = day_error(checks)
            for check in checks:
                named = settled.shared(check.workspace).get("workspace", {})
                level = logging.DEBUG if day in told else logging.WARNING
                warn_of_drift(check, self._drifted, named.get("name"), level)
            if self._retention is None or day_start(day) >= this.now - self._retention:
                frame = computation.frame(day)
                days_left.append(day)
                documents += [
                    check_document(check, settled.shared(check.workspace), frame) for check in checks
                ]
        self._write(ACTION, days_left, documents, this)

    def bills(self, computation: Computation, time_range: Range, this: Pass, *, most: int | None) -> None:
        """Compare both bills of the settled days that the analytics reports have, where they changed.

        At most `most` days, the newest.
        """
        sources = computation.sources
        days = [
            day for day in days_of(sources, time_range) if day in sources.settled and sources.is_billed(day)
        ]
        new = [
            day
            for day in days
            if self._checked.get(day) != _bills_of(computation, day) or day_start(day) in sources.waiting
        ][:most]
        if not new or computation.analytics is None:
            return
        try:
            reported = {day: computation.analytics.by_workspace(day, this.tally) for day in new}
        except UNREADABLE as error:
            this.tally.failures.append(f"The analytics reports could not be read: {error.message}")
            return
        for batch in unbroken_days(new, lambda day: sources.rows(hours_of(day))):
            self._compare_bills(batch, reported, computation, this)

    def remove_others(self, computation: Computation, time_range: Range, this: Pass) -> None:
        """Take away the checks of days that are no longer settled, or no longer in both reports."""
        sources = computation.sources
        compared = {day for day in sources.settled if sources.is_billed(day)}
        for action, days in ((ACTION, sources.settled), (BILL_ACTION, compared)):
            starts = this.sink.ask.windows(
                self._agent, this.names.organization_id, time_range, DAY, terms={"event.action": [action]}
            )
            for day in {day_of(start) for start in starts} - days - sources.untouched:
                self._write(action, [day], (), this)

    def _compare_bills(
        self, days: Sequence[date], reported: Bills, computation: Computation, this: Pass
    ) -> None:
        time_range = _range_of(days)
        settled = computation.settled_days(days, time_range)
        self.estimates(settled, computation, this)
        documents: list[Prepared] = []
        for settled_day in settled:
            day = settled_day.allocation.day
            analytics = settled_day.in_own_spelling(reported[day], this.names.workspaces)
            documents += bill_check_documents(
                settled_day.bill, analytics, settled_day.shared, computation.frame(day)
            )
        self._write(BILL_ACTION, days, documents, this)
        self._checked.update({day: _bills_of(computation, day) for day in days})

    def _told(self, days: Sequence[date], this: Pass) -> set[date]:
        """Days that an earlier pass has checked, and warned of: the next one would only repeat it."""
        if not this.tally.in_pass or not days:
            return set()
        starts = this.sink.ask.windows(
            self._agent, this.names.organization_id, _range_of(days), DAY, terms={"event.action": [ACTION]}
        )
        return set(map(day_of, starts))

    def _write(self, action: str, days: Sequence[date], documents: Iterable[Prepared], this: Pass) -> None:
        """Make the checks of `days`, between which there are none, exactly `documents`."""
        if days:
            this.compare_in(self._agent, _range_of(days), documents, {"event.action": [action]})


def _bills_of(computation: Computation, day: date) -> object:
    """All that a comparison of the two bills depends on."""
    sources = computation.sources
    return sources.states(day), computation.known(day), [sources.billed.get(hour) for hour in hours_of(day)]


def _range_of(days: Sequence[date]) -> Range:
    return Range(day_start(min(days)), day_start(max(days)) + DAY)

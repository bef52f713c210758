"""Which UTC days are settled: their bill stands, so that their usage takes its figures from it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from anthropic_metrics.kernel.ranges import DAY

# A bill is often partial when its day ends and is revised for about two days.
SETTLE_AFTER = timedelta(hours=48)


def day_start(day: date) -> datetime:
    """The day's first moment, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_of(moment: datetime) -> date:
    """The UTC day that holds `moment`."""
    return moment.astimezone(UTC).date()


def ended_long_enough(day: date, now: datetime, settle_after: timedelta = SETTLE_AFTER) -> bool:
    """Whether the day ended at least `settle_after` ago."""
    return now >= day_start(day) + DAY + settle_after


def settled(
    day: date, now: datetime, billed_days: Collection[date], settle_after: timedelta = SETTLE_AFTER
) -> bool:
    """Whether the day has a bill and ended at least `settle_after` ago."""
    return day in billed_days and ended_long_enough(day, now, settle_after)

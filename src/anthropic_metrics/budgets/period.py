"""The periods of budgets: UTC days, weeks from Monday on, calendar months. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from anthropic_metrics.config.budgets import BudgetPeriod
from anthropic_metrics.kernel.ranges import DAY, Range


def period_of(moment: datetime, period: BudgetPeriod) -> Range:
    """The period that holds `moment`."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "daily":
            return Range(day, day + DAY)
        case "weekly":
            monday = day - day.weekday() * DAY
            return Range(monday, monday + 7 * DAY)
        case "monthly":
            start = day.replace(day=1)
            following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
            return Range(start, following)


def title(time_range: Range, period: BudgetPeriod) -> str:
    """The period as people read it: `2026-11`, `week of 2026-11-23`, `2026-11-25`."""
    return f"{'week of ' if period == 'weekly' else ''}{label(time_range, period)}"


def label(time_range: Range, period: BudgetPeriod) -> str:
    """The period as alerts name it: `2026-11`, or its first day."""
    return f"{time_range.start:%Y-%m}" if period == "monthly" else f"{time_range.start:%Y-%m-%d}"

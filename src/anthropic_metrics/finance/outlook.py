"""What a month that is not over will have cost or used by its end, from its days and those before. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from anthropic_metrics.budgets.ledger import DaySum
from anthropic_metrics.budgets.state import budget_state
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.period import Period
from anthropic_metrics.forecast.model import HISTORY, Forecast
from anthropic_metrics.kernel.ranges import DAY
from anthropic_metrics.spend.settle import day_of

# Only its period and its unit count.
_EVERYTHING = BudgetSettings(name="month", usd=Decimal(1))


@dataclass(frozen=True)
class Outlook:
    """What a forecast needs beside the charges of the month that holds `now`.

    `earlier` are those of the days before, as lines of the bill; `earlier_shares` the same by key, of fewer
    days.
    """

    now: datetime
    settle_after: timedelta
    earlier: tuple[Charge, ...] = ()
    earlier_shares: tuple[Charge, ...] = ()

    def of_all(self, charges: Iterable[Charge]) -> Forecast | None:
        """The end of the month; None without a complete day."""
        return self.of(_EVERYTHING, (*charges, *self.earlier))[0]

    def of(self, budget: BudgetSettings, charges: Iterable[Charge]) -> tuple[Forecast | None, date | None]:
        """A budget at the end of the month, and the day on which it runs out; None where nobody knows.

        `charges` are the budget's own, of the month and of the days before it. Dollars are those of the bill,
        whose last two days are partial and are forecast like those to come; tokens know the day that runs.
        """
        tokens = budget.usd is None
        days: dict[date, Decimal] = {}
        for charge in charges:
            amount = Decimal(charge.tokens) if tokens else charge.amount
            days[charge.day] = days.get(charge.day, Decimal(0)) + amount
        state = budget_state(
            budget,
            {day: DaySum(amount) for day, amount in days.items()},
            self.now,
            running=tokens,
            settle_after=self.settle_after,
        )
        return state.forecast, state.runs_out


def days_before(before: Period, now: datetime) -> Period | None:
    """The days that a forecast looks back at and that lie before the period before, if any."""
    start = day_of(now) - HISTORY
    return Period(start, before.start) if start < before.start else None


def forecast_note(seen: Forecast, period: Period, now: datetime) -> str:
    """What the forecast of a period that is not over rests on."""
    first = max(day_of(now) - DAY, period.start)
    young = " Less than two weeks of history, so the band is an assumption." if seen.is_young else ""
    return (
        f"The forecast uses {seen.days} days of the bill, up to {first - DAY}; the bill of {first} and later "
        f"is not complete, so these days are forecast.{young}"
    )

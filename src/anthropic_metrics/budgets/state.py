"""How a budget stands: spent, left, burn rate, and the forecast of its period's end. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from anthropic_metrics.budgets.ledger import Days, DaySum
from anthropic_metrics.budgets.period import period_of, title
from anthropic_metrics.budgets.scope import reason, whose
from anthropic_metrics.config.budgets import BudgetPeriod, BudgetSettings
from anthropic_metrics.forecast.model import HISTORY, Forecast, forecast
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.settle import day_of, day_start, ended_long_enough

State = Literal["ok", "warning", "exceeded", "incomplete", "unknown"]
Basis = Literal["settled", "estimated", "mixed"]
_FULL = 100
_USUAL_WARNING = 90
_BURN_DAYS = 7
_NOTHING = DaySum()


@dataclass(frozen=True)
class BudgetState:
    """One budget in the period that holds `at`. `read_only`: a limit of the vendor's that stops traffic.

    `called` is today's name of a workspace or key that the budget names by its id. `is_counted` is False
    where the figures leave out a part of the period: its history is still being read, or begins later. Then
    `counted_from` is the first day that they have, None where they have none, and there is no forecast.
    `problem` says why nothing is known: then the figures are zero, and the forecast is None. `burn` is the
    mean of the last seven whole days, fewer where there are fewer; `runs_out` the day on which the forecast
    goes above the budget, today at the earliest, None where it does not within the period. `read_to` is up to
    when the figures were read, None where that is not known: the forecast begins there.
    """

    budget: BudgetSettings
    time_range: Range
    at: datetime
    settled: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    burn: Decimal | None = None
    forecast: Forecast | None = None
    runs_out: date | None = None
    read_only: bool = False
    problem: str = ""
    called: str = ""
    counted_from: date | None = None
    is_counted: bool = True
    read_to: datetime | None = None

    @property
    def name(self) -> str:
        return self.budget.name

    @property
    def whose(self) -> str:
        return whose(self.budget, self.called)

    @property
    def unit(self) -> Literal["usd", "tokens"]:
        return "tokens" if self.budget.usd is None else "usd"

    @property
    def label(self) -> str:
        """The period's name."""
        return title(self.time_range, self.budget.period)

    @property
    def limit(self) -> Decimal:
        return self.budget.amount

    @property
    def spent(self) -> Decimal:
        """What is settled and the estimates of what is not."""
        return self.settled + self.estimated

    @property
    def left(self) -> Decimal:
        """Below nothing where the budget is exceeded."""
        return self.limit - self.spent

    @property
    def used(self) -> float:
        """The share of the budget that is spent."""
        return float(self.spent / self.limit) if self.limit else float("inf")

    @property
    def state(self) -> State:
        """As `state_of`; `incomplete` instead of `ok` while a part of the period is missing."""
        if self.problem:
            return "unknown"
        state = state_of(self.budget, self.spent)
        return "incomplete" if state == "ok" and not self.is_counted else state

    @property
    def reason(self) -> str:
        """`problem` in a few words, as they stand beside the state; empty where there is none."""
        return reason(self.budget, self.problem)

    @property
    def runs_out_words(self) -> str:
        """Why there is no day on which the budget runs out; empty where there is one."""
        if self.runs_out is not None:
            return ""
        return when_none(self.state, self.budget.period) if self.forecast or self.state == "exceeded" else "-"

    @property
    def is_complete(self) -> bool:
        """Whether the figures count the period from its start."""
        return self.is_counted and not self.problem

    def partly(self, counted_from: date | None) -> BudgetState:
        """The same, known to have the figures of only a part of its period: they forecast nothing."""
        return replace(self, is_counted=False, counted_from=counted_from, forecast=None, runs_out=None)

    @property
    def basis(self) -> Basis:
        """What the spent figure rests on."""
        if not self.estimated:
            return "settled"
        return "mixed" if self.settled else "estimated"


def state_of(budget: BudgetSettings, spent: Decimal) -> Literal["ok", "warning", "exceeded"]:
    """`warning` from the highest level below 100 % on (else 90 %), `exceeded` from 100 % on."""
    if spent >= budget.amount:
        return "exceeded"
    warning = max((level for level in budget.levels if level < _FULL), default=_USUAL_WARNING)
    return "warning" if spent * _FULL >= budget.amount * warning else "ok"


def when_none(state: str, period: BudgetPeriod) -> str:
    """In the place of a day on which a budget runs out: `exceeded`, or `not this month`."""
    if state == "exceeded":
        return state
    return {"monthly": "not this month", "weekly": "not this week", "daily": "not today"}[period]


def history_of(budget: BudgetSettings, now: datetime) -> Range:
    """The whole UTC days that `budget_state` needs."""
    time_range = period_of(now, budget.period)
    today = day_start(day_of(now))
    return Range(min(time_range.start, today - HISTORY), today + DAY)


def budget_state(
    budget: BudgetSettings,
    days: Days,
    now: datetime,
    *,
    running: bool,
    settle_after: timedelta,
    read_only: bool = False,
    read_to: datetime | None = None,
) -> BudgetState:
    """The state of a budget with these days, which were read up to `read_to` (None: up to `now`).

    `running`: the days come from the spend stream, which has today's hours. Else they are the bill's, whose
    last two days are partial: those count as not settled, and the forecast begins with them. What has passed
    and was not read is forecast, too: it is unknown, not zero.
    """
    time_range, read = period_of(now, budget.period), min(read_to or now, now)
    begin, today = day_of(time_range.start), day_of(read)
    if not running:
        days = {day: _unsettled(day, sums, now, settle_after) for day, sums in days.items()}
    inside = [sums for day, sums in days.items() if time_range.start <= day_start(day) < time_range.end]
    settled = sum((sums.settled for sums in inside), Decimal(0))
    estimated = sum((sums.estimated for sums in inside), Decimal(0))
    end = day_of(time_range.end)
    amounts = {day: sums.total for day, sums in days.items()}
    if running:
        seen = forecast(amounts, settled + estimated, today, end, (read - day_start(today)) / DAY, begin)
    else:
        first = max(today - DAY, min(begin, today))
        complete = (amount for day, amount in amounts.items() if begin <= day < first)
        seen = forecast(amounts, sum(complete, Decimal(0)), first, end, begin=begin)
    passes = None if settled + estimated > budget.amount else seen.passes(budget.amount)
    return BudgetState(
        budget,
        time_range,
        now,
        settled,
        estimated,
        _burn(days, today if running else today - DAY),
        seen.at_least(settled + estimated) if any(day < today for day in days) else None,
        passes and max(passes, day_of(now)),
        read_only,
        read_to=read_to and read,
    )


def unknown_state(budget: BudgetSettings, now: datetime, problem: str) -> BudgetState:
    """A budget that nothing counts for."""
    return BudgetState(budget, period_of(now, budget.period), now, problem=problem)


def _unsettled(day: date, day_sum: DaySum, now: datetime, settle_after: timedelta) -> DaySum:
    """A day of the bill, as an estimate while it may still be revised."""
    amount = day_sum.total
    return DaySum(amount) if ended_long_enough(day, now, settle_after) else DaySum(Decimal(0), amount)


def _burn(days: Days, before: date) -> Decimal | None:
    """A day's mean over the last whole days; None before the first of them has ended."""
    earlier = [day for day in days if day < before]
    if not earlier:
        return None
    count = min(_BURN_DAYS, (before - min(earlier)).days)
    total = sum((days.get(before - n * DAY, _NOTHING).total for n in range(1, count + 1)), Decimal(0))
    return (total / count).quantize(Decimal("0.000001"))

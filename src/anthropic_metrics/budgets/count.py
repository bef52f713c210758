"""The states of all budgets of an organization: those of the configuration, then its spend limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from anthropic_metrics.admin_api.replies import SpendLimit
from anthropic_metrics.budgets.ledger import Ledger, collects_spend, needs_spend
from anthropic_metrics.budgets.limits import budgets_of
from anthropic_metrics.budgets.scope import not_split, target
from anthropic_metrics.budgets.state import BudgetState, budget_state, history_of, unknown_state
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.settle import day_start


@dataclass(frozen=True)
class Counter:
    """Counts budgets under a configuration; `names` is today's inventory."""

    config: Config
    ask: Questions
    names: Names

    def states(self, now: datetime, limits: Iterable[SpendLimit] = ()) -> list[BudgetState]:
        """Every budget as of `now`. Raises what the questions raise."""
        ledger = self._ledger()
        ledger.refresh()
        own = [self._state(budget, ledger, now, read_only=False) for budget in self.config.budgets]
        return own + [
            self._state(budget, ledger, now, read_only=True) for budget in budgets_of(limits, self.names)
        ]

    def begins(self, states: Iterable[BudgetState], now: datetime) -> date | None:
        """The first day that the stream has of these periods, where they began before it; else None.

        A backfill that is not done yet leaves out what was spent before that day.
        """
        since = min((state.time_range.start for state in states if not state.problem), default=now)
        first = min(self._ledger().days({}, Range(since, now)), default=None)
        return first if first is not None and day_start(first) > since else None

    def _ledger(self) -> Ledger:
        return Ledger(
            self.ask, self.config.namespace, self.names.organization_id, collects_spend(self.config)
        )

    def problems(self) -> Iterator[str]:
        """A sentence for each budget of the configuration that counts nothing."""
        for budget in self.config.budgets:
            if problem := self._problem(budget):
                yield problem

    def _problem(self, budget: BudgetSettings) -> str:
        return (
            needs_spend(budget, self.config)
            or not_split(budget, self.config)
            or target(budget, self.names).problem
        )

    def _state(
        self, budget: BudgetSettings, ledger: Ledger, now: datetime, *, read_only: bool
    ) -> BudgetState:
        if problem := self._problem(budget):
            return unknown_state(budget, now, problem)
        terms = target(budget, self.names).terms
        days = ledger.days(terms, history_of(budget, now), tokens=budget.usd is None)
        return budget_state(
            budget,
            days,
            now,
            running=ledger.from_spend,
            settle_after=self.config.spend.settle_after,
            read_only=read_only,
        )

"""The states of all budgets of an organization: those of the configuration, then its spend limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from anthropic_metrics.admin_api.replies import SpendLimit
from anthropic_metrics.budgets.ledger import Ledger, collects_spend, needs_spend
from anthropic_metrics.budgets.limits import budgets_of
from anthropic_metrics.budgets.scope import called, not_split, target
from anthropic_metrics.budgets.state import BudgetState, budget_state, history_of, unknown_state
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.questions import Questions


@dataclass(frozen=True)
class Counter:
    """Counts budgets under a configuration; `names` is today's inventory."""

    config: Config
    ask: Questions
    names: Names

    def states(self, now: datetime, limits: Iterable[SpendLimit] = ()) -> list[BudgetState]:
        """Every budget as of `now`. Raises what the questions raise."""
        ledger = Ledger(
            self.ask, self.config.namespace, self.names.organization_id, collects_spend(self.config)
        )
        ledger.refresh()
        read_to = ledger.read_to(now)
        budgets = [(budget, False) for budget in self.config.budgets]
        budgets += [(budget, True) for budget in budgets_of(limits, self.names)]
        states = [
            self._state(budget, ledger, now, read_to, read_only=read_only) for budget, read_only in budgets
        ]
        since = min((state.time_range.start for state in states if not state.problem), default=None)
        if since is None:
            return states
        coverage = ledger.coverage(since, now)
        return [
            state
            if state.problem or coverage.is_whole(state.time_range.start, now)
            else state.partly(coverage.first)
            for state in states
        ]

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
        self,
        budget: BudgetSettings,
        ledger: Ledger,
        now: datetime,
        read_to: datetime | None,
        *,
        read_only: bool,
    ) -> BudgetState:
        if problem := self._problem(budget):
            return unknown_state(budget, now, problem)
        terms = target(budget, self.names).terms
        days = ledger.days(terms, history_of(budget, now), tokens=budget.usd is None)
        state = budget_state(
            budget,
            days,
            now,
            running=ledger.from_spend,
            settle_after=self.config.spend.settle_after,
            read_only=read_only,
            read_to=read_to,
        )
        return replace(state, called=called(budget, self.names))

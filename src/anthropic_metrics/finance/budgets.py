"""The monthly budgets of the configuration against a month's bill. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from anthropic_metrics.budgets.limits import PREFIX
from anthropic_metrics.budgets.scope import Target, called, reason, target, unknown_to_teams, whose
from anthropic_metrics.budgets.state import State, state_of
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.grouping import By
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.outlook import Outlook
from anthropic_metrics.finance.report import BudgetLine
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.teams import UNASSIGNED
from anthropic_metrics.spend.money import Usd, total


def of_month(budgets: Iterable[BudgetSettings]) -> list[BudgetSettings]:
    """Those whose period is a calendar month; others do not fit a month's report."""
    return [budget for budget in budgets if budget.period == "monthly"]


def need_usage(budgets: Iterable[BudgetSettings], names: Names) -> bool:
    """Whether any of them counts tokens or keys, which the bill does not know."""
    return any(_needs_usage(budget, names) for budget in budgets)


def _needs_usage(budget: BudgetSettings, names: Names) -> bool:
    by_team = budget.team is not None and By(("team",)).needs_keys(names)
    return budget.tokens is not None or budget.api_key is not None or by_team


def budget_lines(
    budgets: Sequence[BudgetSettings], ledger: Ledger, names: Names, outlook: Outlook | None = None
) -> Iterator[BudgetLine]:
    """One line for each budget, without figures where its name fits nothing. The ledger has shares where
    `need_usage` says so. With an outlook, of a month that is not over, each has its forecast."""
    for budget in budgets:
        by_key = _needs_usage(budget, names)
        counted = target(budget, names)

        def own(charges: Iterable[Charge], counted: Target = counted) -> list[Charge]:
            return [
                charge for charge in charges if not counted.problem and _counts(counted.terms, charge, names)
            ]

        now = own(ledger.charges(by_key=by_key))
        forecast, runs_out = None, None
        if outlook is not None and not counted.problem:
            earlier = outlook.earlier_shares if by_key else outlook.earlier
            forecast, runs_out = outlook.of(budget, [*now, *own(earlier)])
        known, in_dollars = not counted.problem, budget.usd is not None
        spent = total(charge.amount for charge in now) if known and in_dollars else None
        used = sum(charge.tokens for charge in now) if known and not in_dollars else None
        subject = whose(budget, called(budget, names))
        yield BudgetLine(
            budget.name if budget.name.startswith(PREFIX) else f"{budget.name} ({subject})",
            None if budget.usd is None else Usd(budget.usd),
            spent,
            budget.tokens,
            used,
            forecast,
            runs_out,
            _state(budget, counted, Decimal(used or 0) if spent is None else spent, ledger),
            budget.name,
            counted.problem,
            reason(budget, counted.problem),
        )


def _state(budget: BudgetSettings, counted: Target, spent: Decimal, ledger: Ledger) -> State:
    if counted.problem:
        return "unknown"
    state = state_of(budget, spent)
    return "incomplete" if state == "ok" and ledger.problems.total else state


def unfitting(budgets: Sequence[BudgetSettings], config: Config, names: Names) -> Iterator[str]:
    """A sentence for each budget whose name fits nothing, and for what its team lists in vain."""
    yield from filter(None, (target(budget, names).problem for budget in budgets))
    yield from unknown_to_teams(config, names, {budget.team for budget in budgets if budget.team})


def _counts(terms: Terms, charge: Charge, names: Names) -> bool:
    team = names.team_of(charge.dimensions) or {}
    values = {
        "anthropic.workspace.id": charge.workspace_id,
        "anthropic.api_key.id": charge.api_key_id,
        "anthropic.team.name": team.get("name", UNASSIGNED),
    }
    return all(values[name] in wanted for name, wanted in terms.items())

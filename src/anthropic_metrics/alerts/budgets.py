"""One rule for each budget of the configuration; each level that is reached is an alert of its own.

The figure is the running one: settled days and estimates of the others, from the spend stream; where that is
not kept, the bill.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from anthropic_metrics.alerts.integration import DAY, GRACE, MONTH, MONTH_AND_GRACE
from anthropic_metrics.alerts.rule import (
    HOURLY,
    QUARTERLY,
    Definition,
    Rule,
    field,
    no_mustache,
    number,
    text,
)
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.budgets.scope import whose
from anthropic_metrics.config import BudgetSettings, Config
from anthropic_metrics.config.budgets import BudgetPeriod
from anthropic_metrics.kernel.datasets import COST, SPEND

PREFIX = "budget "
# After its end a period is still judged for GRACE. The unit of DATE_TRUNC (weeks begin on Monday), the
# period's name, and the window that holds a period and the grace.
_PERIODS: dict[BudgetPeriod, tuple[str, str, timedelta]] = {
    "monthly": ("1 month", MONTH, MONTH_AND_GRACE),
    "weekly": (
        "1 week",
        'DATE_FORMAT("yyyy-MM-dd", DATE_TRUNC(1 week, @timestamp))',
        timedelta(days=11),
    ),
    "daily": ("1 day", DAY, timedelta(days=5)),
}
_SHORT: dict[BudgetPeriod, str] = {"monthly": "a month", "weekly": "a week", "daily": "a day"}


def budget_rules(config: Config) -> Iterator[Rule]:
    """A rule for each budget, in the order of the configuration."""
    for budget in config.budgets:
        yield _rule(config, budget)


def _condition(budget: BudgetSettings) -> str:
    literal = text(budget.whose)
    match budget.scope:
        case "workspace":
            return f"anthropic.workspace.name == {literal} OR anthropic.workspace.id == {literal}"
        case "api_key":
            return f"anthropic.api_key.name == {literal} OR anthropic.api_key.id == {literal}"
        case "team":
            return f"anthropic.team.name == {literal}"
        case "tag":
            key, _, value = budget.whose.partition("=")
            return f"{field(f'anthropic.workspace.tags.{key}')} == {text(value)}"
        case "organization":
            return "true"


def _rule(config: Config, budget: BudgetSettings) -> Rule:
    running = collects_spend(config) or budget.usd is None or budget.scope == "api_key"
    unit, name, window = _PERIODS[budget.period]
    figure, what = ("spent_tokens", "tokens") if budget.usd is None else ("cost_usd", "USD")
    summed = (
        f"anthropic.{'spend' if running else 'cost'}.{'total_tokens' if budget.usd is None else 'amount_usd'}"
    )
    values = {
        "name": no_mustache(budget.name),
        "whose": no_mustache(whose(budget)),
        "condition": _condition(budget),
        "budget": number(budget.amount),
        "levels": ", ".join(number(level) for level in budget.levels),
        "short": _SHORT[budget.period],
        "what": what,
    }
    return Definition(
        key=f"{PREFIX}{budget.name}",
        title="Budget of $whose" if budget.name.endswith(budget.whose or "organization") else "Budget $name",
        threshold="$levels % of $budget $what $short",
        reads=(SPEND if running else COST,),
        fill=lambda _: values,
        query=(
            f"WHERE @timestamp >= DATE_TRUNC({unit}, $now - {GRACE})",
            "WHERE $condition",
            f"EVAL period = {name}",
            f"STATS {figure} = SUM({summed}) BY period",
            f"EVAL budget = $budget, used = 100.0 * {figure} / $budget, level_percent = [$levels]",
            "MV_EXPAND level_percent",
            "WHERE used >= level_percent",
            f"STATS {figure} = ROUND(MAX({figure}), 2), used_percent = ROUND(MAX(used), 1), "
            "budget = MAX(budget) BY period, level_percent",
        ),
        identity=("period", "level_percent"),
        subject="$whose: {{period}} has used {{used_percent}} % of $budget $what (level {{level_percent}} %)",
        window=window,
        schedule=QUARTERLY if running else HOURLY,
    ).rule(config)

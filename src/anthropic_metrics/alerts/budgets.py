"""One rule for each budget of the configuration; each level that is reached is an alert of its own."""

from __future__ import annotations

from collections.abc import Iterator

from anthropic_metrics.alerts.announced import HOURLY, MONTH, MONTH_AND_GRACE, THIS_MONTH
from anthropic_metrics.alerts.rule import Definition, Rule, field, number, text
from anthropic_metrics.config import Config
from anthropic_metrics.kernel.datasets import COST


def budget_rules(config: Config) -> Iterator[Rule]:
    """Budgets of the organization, of workspaces by name or id, and of workspace tags (`team=research`)."""
    budgets = config.budgets
    if budgets.organization_usd is not None:
        yield _rule(config, "organization", "the organization", "true", budgets.organization_usd)
    for name, usd in budgets.workspaces.items():
        literal = text(name)
        condition = f"anthropic.workspace.name == {literal} OR anthropic.workspace.id == {literal}"
        yield _rule(config, f"workspace {name}", f"workspace {name}", condition, usd)
    for tag, usd in budgets.tags.items():
        key, _, value = tag.partition("=")
        condition = f"{field(f'anthropic.workspace.tags.{key}')} == {text(value)}"
        yield _rule(config, f"tag {tag}", f"workspaces tagged {tag}", condition, usd)


def _rule(config: Config, key: str, whose: str, condition: str, usd: float) -> Rule:
    values = {
        "whose": whose.replace("{{", "{ {"),  # a name is no Mustache
        "condition": condition,
        "budget": number(usd),
        "levels": ", ".join(number(level) for level in sorted(config.budgets.levels)),
    }
    return Definition(
        key=f"budget {key}",
        title="Budget of $whose",
        meaning="What $whose cost in the calendar month (UTC) has reached a level of the budget.",
        threshold="$levels % of $budget USD a month",
        reads=(COST,),
        fill=lambda _: values,
        query=(
            THIS_MONTH,
            "WHERE $condition",
            f"EVAL month = {MONTH}",
            "STATS cost_usd = SUM(anthropic.cost.amount_usd) BY month",
            "EVAL budget_usd = $budget, used_percent = ROUND(100.0 * cost_usd / $budget, 1), "
            "level_percent = [$levels]",
            "MV_EXPAND level_percent",
            "WHERE used_percent >= level_percent",
            "STATS cost_usd = ROUND(MAX(cost_usd), 2), used_percent = MAX(used_percent), "
            "budget_usd = MAX(budget_usd) BY month, level_percent",
            "SORT month, level_percent",
        ),
        identity=("month", "level_percent"),
        subject="$whose: {{month}} has used {{used_percent}} % of $budget USD (level {{level_percent}} %)",
        window=MONTH_AND_GRACE,
        schedule=HOURLY,
    ).rule(config)

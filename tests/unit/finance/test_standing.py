"""What the terminal says of a report's forecast and budgets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from anthropic_metrics.budgets.state import State
from anthropic_metrics.finance.grouping import Group
from anthropic_metrics.finance.report import BudgetLine, Kind, Report
from anthropic_metrics.finance.standing import standing
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.spend.money import usd
from tests.harness.finance_samples import NOW, OCTOBER

REPORT = Report(
    Kind.showback, OCTOBER, "Acme", "id", NOW, Group((), usd("12"), before=usd("1")), frozenset(), (), (), ()
)


def line(name: str, state: State) -> BudgetLine:
    return BudgetLine(f"{name} (the organization)", usd("5"), usd("6"), state=state, short=name)


def test_the_worst_budgets_come_first_and_all_that_are_not_ok_are_named() -> None:
    budgets = (
        line("fine", "ok"),
        line("ghost", "unknown"),
        line("all", "exceeded"),
        line("near", "warning"),
        line("partial", "incomplete"),
        line("staging", "exceeded"),
    )
    seen = Forecast(float(Decimal("81474.45")), 79423.758, 83525.15, 60)
    assert standing(replace(REPORT, forecast=seen, budgets=budgets)) == (
        "Expected $81,474.45 ($79,423.76 to $83,525.15). Budgets: 2 exceeded (all, staging), "
        "1 unknown (ghost), 1 warning (near), 1 incomplete (partial), 1 ok."
    )


def test_a_month_that_is_over_has_no_forecast_and_a_report_without_budgets_says_nothing() -> None:
    assert standing(REPORT) == ""
    assert standing(replace(REPORT, budgets=(line("all", "ok"),))) == "Budgets: 1 ok."

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


def line(name: str, state: State, seen: Forecast | None = None) -> BudgetLine:
    return BudgetLine(
        f"{name} (the organization)", usd("5"), usd("6.5"), forecast=seen, state=state, short=name
    )


def test_the_worst_budgets_come_first_and_those_that_are_not_ok_have_their_amounts() -> None:
    seen = Forecast(float(Decimal("81474.45")), 79423.758, 83525.15, 60)
    budgets = (
        line("fine", "ok"),
        BudgetLine("ghost", usd("5"), None, state="unknown", short="ghost"),
        BudgetLine(
            "night", None, None, 1_000, 1_200, replace(seen, expected=2000.4), None, "exceeded", "night"
        ),
        line("near", "warning"),
        line("partial", "incomplete"),
        line("staging", "exceeded", replace(seen, expected=8.126)),
    )
    assert standing(replace(REPORT, forecast=seen, budgets=budgets)) == (
        "Expected $81,474.45 ($79,423.76 to $83,525.15). Budgets: 2 exceeded (night 1,200 of 1,000 tokens, "
        "ends at 2,000; staging 6.50 of 5.00, ends at 8.13), 1 unknown (ghost), 1 warning (near 6.50 of "
        "5.00), 1 incomplete (partial 6.50 of 5.00), 1 ok."
    )


def test_of_many_budgets_that_are_not_ok_the_worst_five_are_named() -> None:
    budgets = [line(f"{state}{number}", state) for state in ("warning", "exceeded") for number in range(4)]
    said = standing(replace(REPORT, budgets=tuple(budgets)))
    assert "4 exceeded (exceeded0 6.50 of 5.00; " in said
    assert said.endswith("4 warning (warning0 6.50 of 5.00 and 3 more).")
    assert standing(replace(REPORT, budgets=(*budgets[4:], *budgets[4:]))).endswith(
        "; exceeded0 6.50 of 5.00 and 3 more)."
    )


def test_a_month_that_is_over_has_no_forecast_and_a_report_without_budgets_says_nothing() -> None:
    assert standing(REPORT) == ""
    assert standing(replace(REPORT, budgets=(line("all", "ok"),))) == "Budgets: 1 ok."

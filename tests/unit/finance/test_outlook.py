"""The forecast of a month's report: the bill's last days are partial, tokens know the day that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.finance.budgets import budget_lines
from anthropic_metrics.finance.charges import Charge, of_bill
from anthropic_metrics.finance.outlook import Outlook, days_before, forecast_note
from anthropic_metrics.finance.period import Period, month_of
from anthropic_metrics.forecast.model import Forecast
from tests.harness.finance_samples import charge, ledger, line, names

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOVEMBER = month_of(NOW.date())
YESTERDAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def bill(first: date, end: date, workspace: str = "wrkspc_a") -> Iterator[Charge]:
    """Ten dollars a day; one of yesterday and nothing of today have arrived."""
    days = ((first + n * DAY) for n in range((end - first).days))
    return of_bill(line("1" if day == YESTERDAY else "10", day, workspace=workspace) for day in days)


OUTLOOK = Outlook(NOW, timedelta(hours=48), tuple(bill(date(2026, 9, 1), NOVEMBER.start)))


def test_an_even_month_ends_at_its_even_sum_though_the_bill_of_its_last_days_is_partial() -> None:
    seen = OUTLOOK.of_all(bill(NOVEMBER.start, NOW.date()))

    assert seen is not None
    assert seen.expected == pytest.approx(300)
    assert seen.low <= 300 <= seen.high


def test_the_reader_is_told_which_days_a_forecast_uses_and_which_it_forecasts() -> None:
    said = forecast_note(Forecast(1, 1, 1, 90), NOVEMBER, datetime(2026, 11, 26, 3, tzinfo=UTC))

    assert said == (
        "The forecast uses 90 days of the bill, up to 2026-11-24; the bill of 2026-11-25 and later is not "
        "complete, so these days are forecast."
    )
    first_day = forecast_note(Forecast(1, 1, 1, 5), NOVEMBER, datetime(2026, 11, 1, 3, tzinfo=UTC))
    assert "5 days of the bill, up to 2026-10-31; the bill of 2026-11-01 and later" in first_day


def test_without_a_complete_day_there_is_no_forecast() -> None:
    assert replace(OUTLOOK, earlier=()).of_all([]) is None


def test_each_budget_is_forecast_from_its_own_charges_and_names_the_day_on_which_it_runs_out() -> None:
    lab = tuple(bill(date(2026, 9, 1), NOVEMBER.start, "wrkspc_c"))
    outlook = replace(OUTLOOK, earlier=(*OUTLOOK.earlier, *lab))
    days = [NOVEMBER.start + n * DAY for n in range(20)]
    lines = [
        line("1" if day == YESTERDAY else "10", day, workspace=space)
        for day in days
        for space in ("wrkspc_a", "wrkspc_c")
    ]
    budgets = [
        BudgetSettings.model_validate({"name": "lab", "workspace": "Lab", "usd": 275}),
        BudgetSettings.model_validate({"name": "all", "usd": 601}),
        BudgetSettings.model_validate({"name": "gone", "workspace": "Nowhere", "usd": 5}),
    ]

    found = {
        each.name.split()[0]: each
        for each in budget_lines(budgets, replace(ledger(*lines), period=NOVEMBER), names(), outlook)
    }

    assert found["lab"].forecast is not None
    assert found["lab"].forecast.expected == pytest.approx(300)
    assert found["lab"].forecast.days == 80  # from September on, less the partial ones
    assert found["lab"].runs_out == date(2026, 11, 28)
    assert found["all"].forecast is not None
    assert found["all"].forecast.expected == pytest.approx(600)
    assert found["all"].runs_out is None
    gone = found["gone"]
    assert (gone.spent, gone.left, gone.share, gone.forecast) == (None, None, None, None)
    assert gone.reason == "there is no workspace Nowhere"
    assert [found[name].state for name in ("all", "gone")] == ["ok", "unknown"]


def test_tokens_are_forecast_from_usage_which_knows_the_day_that_runs() -> None:
    def used(first: date, end: date) -> list[Charge]:
        days = ((first + n * DAY) for n in range((end - first).days))
        return [
            charge("0.5", key="apikey_2", day=day, quantity=500 if day == NOW.date() else 1000)
            for day in days
        ]

    outlook = replace(OUTLOOK, earlier_shares=tuple(used(date(2026, 10, 1), NOVEMBER.start)))
    month = replace(ledger(), period=NOVEMBER, shares=tuple(used(NOVEMBER.start, NOW.date() + DAY)))
    budget = BudgetSettings.model_validate({"name": "night", "api_key": "nightly", "tokens": 24_900})

    (found,) = budget_lines([budget], month, names(), outlook)

    assert found.used_tokens == 20_500
    assert found.forecast is not None
    assert found.forecast.expected == pytest.approx(30_000)
    assert found.forecast.days == 51
    assert found.runs_out == date(2026, 11, 25)


def test_a_forecast_looks_back_as_far_as_budgets_do() -> None:
    assert days_before(NOVEMBER.before, NOW) == Period(date(2026, 8, 22), date(2026, 10, 1))
    assert days_before(Period(date(2026, 6, 1), date(2026, 7, 1)), NOW) is None

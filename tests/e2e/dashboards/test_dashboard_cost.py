"""The cost figures are the bill to the cent, under choices too."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from tests.harness.dashboard_truth import (
    DAY,
    USAGE_KINDS,
    Truth,
    by,
    day_of,
    instant,
    month_after,
    month_of,
    total,
)
from tests.harness.dashboard_world import (
    NOW,
    asked,
    assert_equal,
    billed_cells,
    dollars,
    each_choice,
    expected,
    said,
)
from tests.harness.world import World


@each_choice
def test_spend_is_the_bill_of_the_range(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "cost: Spend, USD", chosen)
    found = said(filled, "cost: Spend, USD", chosen)
    usd = total(row["usd"] for row in t.costs)
    dollars(found["usd"], usd)
    dollars(found["a_day"], usd / len({row["time"] for row in t.costs}))
    assert said(filled, "cost: Line items in other currencies", chosen) == {"items": 0}


@each_choice
def test_what_the_cache_saves_follows_from_the_bill(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "cost: Saved by the cache, USD", chosen)
    cells = billed_cells(t, ("model", "tier", "region"))
    saved = Decimal(0)
    for usd, tokens, _ in cells.values():
        if tokens[0]:
            price = usd[0] / tokens[0]
            saved += sum(tokens[1:4]) * price - sum(usd[1:4])
    assert saved > 0
    dollars(said(filled, "cost: Saved by the cache, USD", chosen)["saved"], saved)


@each_choice
@pytest.mark.parametrize(
    ("name", "column", "shown"),
    [
        ("overview: Spend a day by model, USD", "anthropic.model", "shown_model"),
        ("cost: Spend a day by workspace, USD", "anthropic.workspace.name", "workspace"),
    ],
)
def test_a_day_s_spend_is_its_bill(
    filled: World, name: str, column: str, shown: str, chosen: dict[str, list[str]]
) -> None:
    records = asked(filled, name, chosen).records()
    found = {(instant(record["day"]), record[column]): record["usd"] for record in records}
    assert_equal(found, by(expected(filled, name, chosen).costs, ["time", shown], "usd"))


def marked(t: Truth, month: datetime) -> str:
    """The month with the days that have costs, unless its first and its last have."""
    days = [row["time"] for row in t.costs if month_of(row["time"]) == month]
    complete = min(days) == month and max(days) + DAY == month_after(month)
    return f"{month:%Y-%m}" if complete else f"{month:%Y-%m} (days {min(days).day} to {max(days).day})"


@each_choice
def test_a_month_is_a_row_that_says_what_it_covers(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "cost: Spend by UTC month, USD"
    t = expected(filled, name, chosen)
    months = sorted({month_of(row["time"]) for row in t.costs}, reverse=True)
    records = asked(filled, name, chosen).records()
    assert [r["month"] for r in records] == [f"{month:%Y-%m}" for month in months]
    for record, month in zip(records, months, strict=True):
        dollars(record["usd"], t.days(month, month_after(month)))
        covered = marked(t, month).partition(" (")[2].removesuffix(")") or "complete"
        assert record["held"] == covered
        assert record["days"] == len({row["time"] for row in t.costs if month_of(row["time"]) == month})


@each_choice
def test_cumulative_spend_runs_through_each_month(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "cost: Cumulative spend of each month, USD"
    t = expected(filled, name, chosen)
    days = sorted({row["time"] for row in t.costs})
    wanted: dict[tuple[str, int], Decimal] = {}
    day = days[0]
    while day < day_of(NOW):
        wanted[marked(t, month_of(day)), day.day] = t.days(month_of(day), day + DAY)
        day += DAY
    found = {(row["month"], row["day"]): row["usd"] for row in asked(filled, name, chosen).records()}
    assert_equal(found, {key: value for key, value in wanted.items() if value})


@each_choice
def test_the_invoice_table_is_the_bill_line_by_line(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "cost: Invoice reconciliation by UTC month and line item, USD"
    costs = expected(filled, name, chosen)
    names = {month: marked(costs, month) for month in {month_of(row["time"]) for row in costs.costs}}
    t = [row | {"month": names[month_of(row["time"])]} for row in costs.costs]
    records = asked(filled, name, chosen).records()
    found = {
        (r["month"], r["anthropic.workspace.name"], r["anthropic.cost.description"]): r["usd"]
        for r in records
    }
    assert_equal(found, by(t, ["month", "workspace", "item"], "usd"))


@each_choice
def test_the_price_seen_is_the_bill_by_the_tokens_it_is_for(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "cost: Price seen on the bill, USD per million tokens"
    t = expected(filled, name, chosen)
    cells = billed_cells(t, ("model", "tier"))
    records = asked(filled, name, chosen).records()
    assert {(r["anthropic.model"], r["tier"]) for r in records} == cells.keys()
    for record in records:
        usd, tokens, billed = cells[record["anthropic.model"], record["tier"]]
        dollars(record["usd"], billed)
        for place, kind in enumerate(USAGE_KINDS[:5]):
            wanted = usd[place] / tokens[place] * 1_000_000 if tokens[place] else None
            assert record[kind] == (None if wanted is None else pytest.approx(float(wanted)))
    if not chosen:
        seen = {(r["anthropic.model"], r["tier"]): r for r in records}
        assert seen["claude-haiku-4-5-20251001", "standard"]["uncached"] == pytest.approx(1.0, rel=0.001)

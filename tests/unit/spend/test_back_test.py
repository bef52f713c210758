"""How far early figures are off, and how exact late ones are, over a quarter whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import mean

import pytest

from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.check import EstimateCheck, estimate_checks, known_before
from anthropic_metrics.spend.estimate import Prices, estimate
from anthropic_metrics.spend.learn import day_prices, newest
from anthropic_metrics.spend.money import ZERO
from anthropic_metrics.spend.settle import SETTLE_AFTER
from anthropic_metrics.spend.table import PriceTable, list_prices
from tests.harness.quarter import (
    CHANGED_FROM,
    CHANGED_MODEL,
    DISCOUNT_FROM,
    FIRST,
    GROUP_BY,
    NEW_MODEL,
    NEW_MODEL_FROM,
    Quarter,
    TrueDay,
)

CENT = Decimal("0.01")
DRIFT = 0.03


@dataclass(frozen=True)
class Day:
    true: TrueDay
    allocation: Allocation
    checks: list[EstimateCheck]
    early_by_key: dict[str, Decimal]
    late_by_key: dict[str, Decimal]

    @property
    def error(self) -> float:
        """Of the day's total, as a share."""
        early = sum(check.estimated for check in self.checks)
        billed = sum(check.billed for check in self.checks)
        return abs(float((early - billed) / billed))


@pytest.fixture(scope="module")
def days() -> list[Day]:
    quarter = Quarter().days
    learned = [
        (each.day, day_prices(each.day, each.bill, each.usage, GROUP_BY).learned()) for each in quarter
    ]
    found = []
    for each in quarter:
        allocation = allocate(each.bill, each.usage, each.day)
        before = known_before(each.day, SETTLE_AFTER)
        prices = Prices(each.day, GROUP_BY, newest(learned, before), PriceTable(()), list_prices())
        early: dict[str, Decimal] = defaultdict(Decimal)
        late: dict[str, Decimal] = defaultdict(Decimal)
        for share in allocation.shares:
            key = share.used.dimensions["api_key_id"] or ""
            early[key] += estimate(share.used, prices).amount or ZERO
            late[key] += share.amount or ZERO
        found.append(Day(each, allocation, estimate_checks(allocation, prices), early, late))
    return found


def test_todays_total_is_estimated_to_within_one_per_cent_in_the_mean(days: list[Day]) -> None:
    assert mean(day.error for day in days) < 0.01


def test_todays_figure_of_a_key_above_one_dollar_is_within_three_per_cent_in_the_mean(
    days: list[Day],
) -> None:
    errors = [
        float(abs(day.early_by_key[key] - true) / true)
        for day in days
        for key, true in day.true.by_key.items()
        if true > 1
    ]

    assert len(errors) > 500
    assert mean(errors) < 0.03


def test_the_day_of_a_price_change_is_the_first_that_drifts_and_its_cell_is_named(days: list[Day]) -> None:
    drifting = {
        day.true.day: check
        for day in days[CHANGED_FROM - 10 : CHANGED_FROM + 10]
        for check in day.checks
        if check.share is not None and abs(check.share) > DRIFT and check.billed > 1
    }

    assert min(drifting) == FIRST + timedelta(days=CHANGED_FROM)
    assert max(drifting) <= FIRST + timedelta(days=CHANGED_FROM + 2)
    causes = {check.cause.label for check in drifting.values() if check.cause is not None}
    assert causes == {f"{CHANGED_MODEL} standard global cache_read"}


def test_a_discount_drifts_until_the_first_discounted_day_is_settled_and_no_longer(days: list[Day]) -> None:
    errors = [day.error for day in days[DISCOUNT_FROM - 1 : DISCOUNT_FROM + 4]]

    assert [error > DRIFT for error in errors] == [False, True, True, True, False]


def test_a_new_model_has_its_list_price_from_its_first_hour(days: list[Day]) -> None:
    day = days[NEW_MODEL_FROM]
    rows = [share for share in day.allocation.shares if share.used.dimensions["model"] == NEW_MODEL]
    prices = Prices(day.true.day, GROUP_BY, {}, PriceTable(()), list_prices())

    assert rows
    for share in rows:
        found = estimate(share.used, prices)
        assert found.source == "list"
        assert abs((found.amount or ZERO) - (share.amount or ZERO)) < CENT


def test_a_settled_day_gives_each_key_what_it_really_cost_to_the_cent(days: list[Day]) -> None:
    """The quarter's blended cells mix the requests of one key each, so that they hold too."""
    for day in days:
        for key, true in day.true.by_key.items():
            assert abs(day.late_by_key[key] - true) < CENT, (day.true.day, key)


def test_the_shares_of_each_day_add_up_to_its_bill(days: list[Day]) -> None:
    for day in days:
        assert day.allocation.amount == sum(line.amount for line in day.true.bill)
        assert day.allocation.day == day.true.day >= date(2026, 7, 1)

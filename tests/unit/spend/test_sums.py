"""What the command `spend` adds up: exact, by identity, and early where any of it is an estimate."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.sums import NO_NAME, By, sums


def source(
    amount: str | None,
    basis: str = "allocated",
    hour: str = "2026-11-20T09:00:00Z",
    **shared: Any,
) -> dict[str, Any]:
    spend: dict[str, Any] = {"basis": basis, "total_tokens": 100}
    spend |= {"unpriced_tokens": 100} if amount is None else {"amount_exact": amount}
    return {"@timestamp": hour, "anthropic": {**shared, "spend": spend}}


WORKSPACE = {"workspace": {"id": "w1", "name": "Prod"}, "model": "opus"}
ONE: dict[str, Any] = {"api_key": {"id": "k1", "name": "assistant"}, **WORKSPACE}
TWO: dict[str, Any] = {"api_key": {"id": "k2", "name": "assistant"}, **WORKSPACE}


def test_keys_of_one_name_are_told_apart_by_their_ids_and_the_dearest_comes_first() -> None:
    rows = [source("0.1", **ONE), source("0.2", **ONE), source("7", **TWO), source("1", api_key={"id": "k3"})]
    assert [(each.name, each.usd) for each in sums(rows, By.key)] == [
        ("assistant (k2)", usd("7")),
        ("k3", usd("1")),
        ("assistant (k1)", usd("0.3")),
    ]


def test_of_rows_without_a_price_the_one_with_most_tokens_comes_first() -> None:
    rows = [source(None, **ONE), source(None, **TWO), source(None, **TWO)]
    assert [each.tokens for each in sums(rows, By.key)] == [200, 100]


def test_what_is_estimated_is_counted_beside_the_whole() -> None:
    (found,) = sums(
        [source("1", **ONE), source("2", "estimated", **ONE), source("4", "billed", **ONE)], By.model
    )
    assert (found.usd, found.early, found.tokens) == (usd("7"), usd("2"), 300)
    assert found.unpriced_tokens == 0


def test_a_row_without_a_price_has_tokens_and_no_dollars() -> None:
    (found,) = sums([source(None, "estimated", **ONE)], By.workspace)
    assert (found.usd, found.unpriced_tokens) == (usd("0"), 100)


def test_a_part_of_the_bill_without_a_key_says_what_it_is() -> None:
    row = source("1", api_key={"id": "Unattributed", "name": "Unattributed"})
    row["anthropic"]["spend"]["cost_type"] = "code_execution"
    (found,) = sums([row], By.key)
    assert (found.name, found.cost_types) == ("Unattributed", {"code_execution"})


def test_hours_come_newest_first_whatever_they_cost() -> None:
    rows = [source("9", hour="2026-11-20T08:00:00Z"), source("1", hour="2026-11-20T10:00:00Z")]
    assert [each.name for each in sums(rows, By.hour)] == ["2026-11-20 10:00", "2026-11-20 08:00"]


@pytest.mark.parametrize("by", [By.key, By.workspace, By.model, By.team])
def test_what_has_no_name_is_shown_as_that(by: By) -> None:
    (found,) = sums([source("1")], by)
    assert found.name == NO_NAME


def test_any_grouping_has_the_same_total() -> None:
    rows = [source("0.1", **ONE), source("0.7", **TWO, team={"name": "night"}), source("12.34")]
    for by in By:
        assert sum(each.usd for each in sums(rows, by)) == usd("13.14"), by

"""Charges of the bill and of its shares: hours summed, searches apart from tokens, the rest without a key."""

from __future__ import annotations

from datetime import UTC, datetime

from anthropic_metrics.finance.charges import UNATTRIBUTED, Charge, amount_of, of_allocation, of_bill
from anthropic_metrics.spend.allocate import allocate
from anthropic_metrics.spend.money import ZERO, usd
from anthropic_metrics.spend.rows import Billed, Counts, Used
from tests.harness.finance_samples import DAY, charge

TOKENS = ("tokens", "claude-opus-5-5", "output_tokens", "standard", None, "global")


def used(hour: int, key: str, counts: Counts, tier: str = "standard") -> Used:
    dimensions = {"model": "claude-opus-5-5", "workspace_id": "w", "service_tier": tier}
    dimensions |= {"inference_geo": "global", "api_key_id": key}
    return Used(datetime(2026, 10, 5, hour, tzinfo=UTC), dimensions, counts, f"{hour} {key} {tier}")


def of(lines: list[Billed], rows: list[Used]) -> dict[tuple[str | None, str], Charge]:
    charges = list(of_allocation(allocate(lines, rows, DAY)))
    found = {(each.api_key_id, each.meter): each for each in charges}
    assert len(found) == len(charges)
    assert amount_of(charges) == amount_of(of_bill(lines))
    return found


def test_the_hours_of_a_key_are_one_charge_for_each_kind_of_use() -> None:
    rows = [
        used(9, "k1", Counts(output=100)),
        used(10, "k1", Counts(output=200)),
        used(10, "k2", Counts(output=300, web_search=4)),
    ]
    searches = Billed(DAY, "w", usd("0.04"), "web_search", description="Web Search Usage")
    found = of([Billed(DAY, "w", usd("6"), *TOKENS), searches], rows)
    summed = {place: (each.amount, each.quantity, each.cost_type) for place, each in found.items()}
    assert summed == {
        ("k1", "output"): (usd("3"), 300, "tokens"),
        ("k2", "output"): (usd("3"), 300, "tokens"),
        ("k2", "web_search"): (usd("0.04"), 4, "web_search"),
    }
    assert {place: each.tokens for place, each in found.items()} == {
        ("k1", "output"): 300,
        ("k2", "output"): 300,
        ("k2", "web_search"): 0,
    }


def test_tokens_that_a_commitment_pays_for_are_a_charge_of_nothing() -> None:
    found = of([], [used(9, "k1", Counts(output=100), "priority")])
    (committed,) = found.values()
    assert (committed.amount, committed.tokens, committed.is_committed) == (ZERO, 100, True)
    assert not charge("1").is_committed


def test_what_no_key_can_carry_is_unattributed_with_its_cost_type() -> None:
    code = Billed(DAY, "w", usd("0.5"), "code_execution", description="Code Execution Usage")
    (rest,) = of([code], []).values()
    assert (rest.api_key_id, rest.meter, rest.cost_type) == (UNATTRIBUTED, "other", "code_execution")
    assert (rest.tokens, rest.workspace_id) == (0, "w")


def test_a_line_of_the_bill_is_one_charge_with_its_description_and_no_key() -> None:
    (one,) = of_bill([Billed(DAY, "w", usd("6"), *TOKENS, description="Opus Output")])
    assert (one.amount, one.meter, one.description, one.api_key_id) == (
        usd("6"),
        "output",
        "Opus Output",
        None,
    )
    assert (one.model, one.workspace_id, one.tokens) == ("claude-opus-5-5", "w", 0)

"""The bill: usage times price, exact; revised for two days, then final."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from anthropic_metrics.simulator import SettableClock, Simulation

DAY = datetime(2026, 11, 18, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
BOTH = ("workspace_id", "description")
Row = dict[str, Any]


def made(revisions: str = "none", days: int = 8) -> Simulation:
    return Simulation(SettableClock(DAY + timedelta(days=4)), days=days, revisions=revisions)


def amounts(rows: list[Row]) -> dict[tuple[Any, ...], Decimal]:
    found = {(row["starting_at"], *(row[name] for name in BOTH)): Decimal(row["amount"]) for row in rows}
    assert len(found) == len(rows), "a line is there once"
    return found


# Dollars per million tokens, written down a second time on purpose.
SONNET = {"uncached": "2", "read": "0.10", "5m": "2.5", "1h": "4", "output": "10"}


def test_a_row_costs_its_tokens_times_the_price_to_the_last_digit() -> None:
    simulation = made()
    production = simulation.organization().named("Production").id
    filters: dict[str, list[str | None]] = {
        "workspace_id": [production],
        "model": ["claude-sonnet-5-5"],
        "service_tier": ["standard"],
        "context_window": ["0-200k"],
    }
    for geo, factor in (("global", Decimal(1)), ("us", Decimal("1.1"))):
        (used,) = simulation.usage_rows(DAY, NEXT, "1d", filters={**filters, "inference_geo": [geo]})
        tokens = {
            "uncached_input_tokens": (used["uncached_input_tokens"], "uncached"),
            "cache_read_input_tokens": (used["cache_read_input_tokens"], "read"),
            "cache_creation.ephemeral_5m_input_tokens": (
                used["cache_creation"]["ephemeral_5m_input_tokens"],
                "5m",
            ),
            "cache_creation.ephemeral_1h_input_tokens": (
                used["cache_creation"]["ephemeral_1h_input_tokens"],
                "1h",
            ),
            "output_tokens": (used["output_tokens"], "output"),
        }
        wanted = {
            token_type: count * Decimal(SONNET[price]) / 10_000 * factor
            for token_type, (count, price) in tokens.items()
        }
        got = {
            row["token_type"]: Decimal(row["amount"])
            for row in simulation.cost_rows(DAY, NEXT, BOTH)
            if row["workspace_id"] == production
            and row["model"] == "claude-sonnet-5-5"
            and row["service_tier"] == "standard"
            and row["context_window"] == "0-200k"
            and row["inference_geo"] == geo
        }
        assert got == wanted


def test_batch_is_half_price_and_priority_is_not_billed_here() -> None:
    simulation = made()
    key = [simulation.organization().key("nightly-batch").id]
    filters = {"api_key_id": key, "model": ["claude-opus-5-5"]}
    (used,) = simulation.usage_rows(DAY, NEXT, "1d", filters=filters)
    rows = simulation.cost_rows(DAY, NEXT, BOTH)
    science = simulation.organization().named("Data Science").id
    (line,) = [
        row
        for row in rows
        if row["workspace_id"] == science
        and row["description"] == "Claude Opus 5.5 Usage - Output Tokens, Batch"
    ]
    assert Decimal(line["amount"]) == used["output_tokens"] * Decimal(20) / 10_000 / 2
    assert simulation.usage_rows(DAY, NEXT, "1d", filters={"service_tier": ["priority"]})
    assert {row["service_tier"] for row in rows} == {"standard", "batch", None}


def test_web_searches_cost_one_cent_each_and_have_no_model() -> None:
    simulation = made()
    searches: dict[str | None, int] = defaultdict(int)
    tiers: dict[str, list[str | None]] = {"service_tier": ["standard", "batch"]}
    for row in simulation.usage_rows(DAY, NEXT, "1d", ("workspace_id",), filters=tiers):
        searches[row["workspace_id"]] += row["server_tool_use"]["web_search_requests"]
    rows = [row for row in simulation.cost_rows(DAY, NEXT, BOTH) if row["cost_type"] == "web_search"]
    assert {row["workspace_id"]: Decimal(row["amount"]) for row in rows} == {
        workspace: Decimal(count) for workspace, count in searches.items() if count
    }
    assert {(row["model"], row["token_type"], row["service_tier"]) for row in rows} == {(None, None, None)}


@pytest.mark.parametrize("group_by", [(), ("workspace_id",), ("description",)])
def test_coarser_cost_rows_sum_the_finer_and_say_only_what_was_asked(group_by: tuple[str, ...]) -> None:
    simulation = made("usual")
    at = NEXT + timedelta(hours=5)
    coarse = simulation.cost_rows(DAY, NEXT, group_by, at=at)
    sums: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for row in simulation.cost_rows(DAY, NEXT, BOTH, at=at):
        sums[tuple(row[name] for name in group_by)] += Decimal(row["amount"])
    assert {tuple(row[name] for name in group_by): Decimal(row["amount"]) for row in coarse} == sums
    if "description" not in group_by:
        parsed = ("description", "cost_type", "model", "token_type", "service_tier", "inference_geo")
        assert {row[name] for row in coarse for name in parsed} == {None}


def test_amounts_are_plain_decimal_text() -> None:
    for row in made().cost_rows(DAY, NEXT, BOTH):
        assert row["currency"] == "USD"
        assert set(row["amount"]) <= set("0123456789.")
        assert not row["amount"].endswith(".")


def test_revisions_make_lines_grow_shrink_appear_and_vanish_until_two_days_have_passed() -> None:
    simulation = made("heavy")
    final = amounts(simulation.cost_rows(DAY, NEXT, BOTH))
    early = amounts(simulation.cost_rows(DAY, NEXT, BOTH, at=NEXT + timedelta(hours=1)))
    both = final.keys() & early.keys()
    assert any(early[key] < final[key] for key in both), "a line that grows"
    assert any(early[key] > final[key] for key in both), "a line that shrinks"
    assert final.keys() - early.keys(), "a line that comes later"
    assert early.keys() - final.keys(), "a line that vanishes"
    on_the_way = amounts(simulation.cost_rows(DAY, NEXT, BOTH, at=NEXT + timedelta(hours=24)))
    assert early != on_the_way != final
    settled = simulation.cost_rows(DAY, NEXT, BOTH, at=NEXT + timedelta(hours=48))
    assert amounts(settled) == final == amounts(made("none").cost_rows(DAY, NEXT, BOTH))


def test_the_day_that_is_not_over_costs_what_was_used_so_far() -> None:
    simulation = made()
    assert simulation.cost_rows(DAY, NEXT, BOTH, at=DAY) == []
    morning = amounts(simulation.cost_rows(DAY, NEXT, BOTH, at=DAY + timedelta(hours=9)))
    evening = amounts(simulation.cost_rows(DAY, NEXT, BOTH, at=DAY + timedelta(hours=20)))
    assert (
        sum(morning.values())
        < sum(evening.values())
        < sum(amounts(simulation.cost_rows(DAY, NEXT, BOTH)).values())
    )

"""Allocation by hand: who gets which part of a billed cell, and what stays without a key."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.money import EXACT, usd, usd_from_cents, usd_text
from anthropic_metrics.spend.rows import Billed, Counts, Used, billed, used
from anthropic_metrics.spend.settle import settled

DAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, tzinfo=UTC)
GROUP_BY = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")


def row(key: str, counts: Counts, hour: int = 9, **changed: str | None) -> Used:
    dimensions: dict[str, str | None] = {
        "model": "claude-opus-5-5",
        "workspace_id": "wrkspc_a",
        "service_tier": "standard",
        "inference_geo": "global",
        "api_key_id": key,
    }
    return Used(START + timedelta(hours=hour), dimensions | changed, counts, f"{key} {hour} {changed}")


def line(amount: str, token_type: str | None = "output_tokens", **changed: str | None) -> Billed:
    values: dict[str, str | None] = {
        "cost_type": "tokens",
        "model": "claude-opus-5-5",
        "token_type": token_type,
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": "global",
        "description": "Claude Opus 5.5 Usage - Output Tokens",
    }
    return Billed(DAY, "wrkspc_a", usd(amount), **(values | changed))


def amounts(found: Allocation) -> dict[str, str | None]:
    return {
        share.used.id.split()[0]: None if share.amount is None else usd_text(share.amount)
        for share in found.shares
    }


def test_a_cell_goes_to_its_rows_by_their_tokens_and_the_last_digit_to_the_largest_remainder() -> None:
    rows = [row("a", Counts(output=1)), row("b", Counts(output=1)), row("c", Counts(output=1))]

    found = allocate([line("1")], rows, DAY)

    assert amounts(found) == {"a": "0.3333333334", "b": "0.3333333333", "c": "0.3333333333"}
    assert found.amount == 1


def test_the_worked_example_of_the_documentation_holds() -> None:
    rows = [
        row("assistant", Counts(output=100_000), hour=9),
        row("assistant", Counts(output=200_000), hour=10),
        row("nightly", Counts(output=300_000), hour=10),
    ]

    shares = allocate([line("1.00")], rows, DAY).shares

    found = [usd_text(share.amount) for share in shares if share.amount is not None]
    assert found == ["0.1666666667", "0.3333333333", "0.5"]


def test_an_amount_finer_than_the_smallest_share_keeps_all_its_digits() -> None:
    found = allocate(
        [line("0.00000000000000000007")], [row("a", Counts(output=3)), row("b", Counts(output=4))], DAY
    )

    assert amounts(found) == {"a": "0.00000000000000000003", "b": "0.00000000000000000004"}


def test_a_token_type_is_paid_by_its_own_tokens_only() -> None:
    rows = [row("a", Counts(uncached_input=10, output=10)), row("b", Counts(uncached_input=90))]

    found = allocate([line("5"), line("10", "uncached_input_tokens")], rows, DAY)

    assert amounts(found) == {"a": "6", "b": "9"}


def test_web_searches_are_shared_by_their_count_across_models() -> None:
    rows = [
        row("a", Counts(web_search=1)),
        row("b", Counts(output=7, web_search=3), model="claude-haiku-5-5"),
    ]
    searches = line("0.04", None, cost_type="web_search", model=None, service_tier=None, inference_geo=None)

    found = allocate([searches], rows, DAY)

    assert amounts(found) == {"a": "0.01", "b": "0.03"}
    assert [usd_text(share.parts[5]) for share in found.shares] == ["0.01", "0.03"]


def test_what_usage_cannot_carry_stays_without_a_key_and_keeps_its_cost_type() -> None:
    nothing = {"model": None, "service_tier": None, "inference_geo": None, "context_window": None}
    lines = [
        line("0.25", None, cost_type="code_execution", **nothing),
        line("3", None, cost_type="session_usage", **nothing),
        line("2", model="claude-unused"),
        line("1", "uncached_input_tokens", model="claude-unused"),
    ]

    found = allocate(lines, [row("a", Counts(output=5))], DAY)

    rest = {(each.cost_type, each.dimensions["model"]): usd_text(each.amount) for each in found.unattributed}
    assert rest == {
        ("code_execution", None): "0.25",
        ("session_usage", None): "3",
        ("tokens", "claude-unused"): "3",
    }
    assert amounts(found) == {"a": "0"}


def test_a_cell_that_mixes_context_windows_is_blended_and_one_with_a_single_line_is_not() -> None:
    rows = [
        row("a", Counts(output=1)),
        row("b", Counts(output=1), model="claude-haiku-5-5"),
    ]
    lines = [
        line("1"),
        line(
            "3", context_window="200k-1M", description="Claude Opus 5.5 Usage - Output Tokens, Long Context"
        ),
        line("1", model="claude-haiku-5-5"),
    ]

    found = allocate(lines, rows, DAY)

    assert {share.used.id.split()[0]: share.blended for share in found.shares} == {"a": True, "b": False}


def test_a_priority_row_has_tokens_and_no_amount_and_is_not_unpriced() -> None:
    rows = [
        row("a", Counts(output=1), service_tier="priority"),
        row("b", Counts(output=2), service_tier="flex"),
        row("c", Counts(output=4)),
    ]

    a, b, c = sorted(allocate([line("1")], rows, DAY).shares, key=lambda share: share.used.id)

    assert (a.amount, a.priority_tokens, a.unpriced_tokens) == (None, 1, 0)
    assert (b.amount, b.priority_tokens, b.unpriced_tokens) == (None, 0, 2)
    assert (c.amount, c.priority_tokens, c.unpriced_tokens) == (usd("1"), 0, 0)


def test_an_unknown_geo_is_the_same_in_both_reports_however_it_is_spelled() -> None:
    found = allocate(
        [line("1", inference_geo=None)], [row("a", Counts(output=1), inference_geo="not_available")], DAY
    )

    assert amounts(found) == {"a": "1"}


def test_a_credit_is_shared_out_too() -> None:
    found = allocate([line("-1")], [row("a", Counts(output=1)), row("b", Counts(output=2))], DAY)

    assert amounts(found) == {"a": "-0.3333333333", "b": "-0.6666666667"}


def test_rows_of_another_day_are_refused() -> None:
    with pytest.raises(ValueError, match="2026-11-20 was to be shared out over rows of 2026-11-21"):
        allocate([], [row("a", Counts(output=1), hour=24)], DAY)


def test_replies_become_rows_and_lines_in_exact_dollars() -> None:
    reply = CostRow.model_validate(
        {"amount": "123.78912", "currency": "USD", "cost_type": "web_search", "workspace_id": None}
    )
    found = billed(reply, START)
    assert found is not None
    assert (found.amount, found.workspace_id, found.day) == (Decimal("1.2378912"), "Default", DAY)
    assert billed(reply.model_copy(update={"currency": "EUR"}), START) is None
    assert billed(reply.model_copy(update={"currency": "usd"}), START) is not None
    usage = UsageRow.model_validate(
        {
            "uncached_input_tokens": 1,
            "cache_read_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            "output_tokens": 5,
            "server_tool_use": {"web_search_requests": 6},
        }
    )
    shown = used(usage, START, ("workspace_id", "api_key_id", "model"))
    assert shown.counts == (1, 2, 3, 4, 5, 6)
    assert shown.dimensions == {"workspace_id": "Default", "api_key_id": "Console", "model": None}


def test_exact_money_refuses_to_lose_a_digit() -> None:
    with pytest.raises(ArithmeticError):
        EXACT.divide(Decimal(1), Decimal(3))
    assert usd_from_cents(Decimal("0." + "1" * 30)) == Decimal("0.00" + "1" * 30)


@pytest.mark.parametrize(
    ("hours_after_end", "has_bill", "expected"),
    [(47.9, True, False), (48, True, True), (48, False, False)],
)
def test_a_day_is_settled_when_it_has_a_bill_and_ended_two_days_ago(
    hours_after_end: float, has_bill: bool, expected: bool
) -> None:
    now = START + timedelta(days=1, hours=hours_after_end)

    assert settled(DAY, now, {DAY} if has_bill else set()) is expected


def test_the_rest_of_a_bill_stands_under_the_part_that_it_pays_for() -> None:
    lines = [
        line("1", None, cost_type="web_search", model=None),
        line("2", None, cost_type="code_execution", model=None),
        line("3", "uncached_input_tokens", model="claude-unused"),
        line("4", "output_tokens", model="claude-unused"),
        line("5", "tokens_of_a_new_type", model="claude-unused"),
        line("6", "output_tokens", cost_type="session_usage"),
    ]

    found = allocate(lines, [], DAY)

    parts = {rest.cost_type: [usd_text(part) for part in rest.parts] for rest in found.unattributed}
    assert parts == {
        "web_search": ["0", "0", "0", "0", "0", "1", "0"],
        "code_execution": ["0", "0", "0", "0", "0", "0", "2"],
        "tokens": ["3", "0", "0", "0", "4", "0", "5"],
        "session_usage": ["0", "0", "0", "0", "0", "0", "6"],
    }

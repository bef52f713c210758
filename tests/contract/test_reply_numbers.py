"""Counts and amounts of the Admin API: exact, or a bad row, and never a zero instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from anthropic_metrics.admin_api.replies import CostRow, RateLimitGroup, UsageRow
from tests.harness import reply_examples as examples
from tests.harness.reply_parsing import one, parsed


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


TOKENS = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "cache_creation",
    "server_tool_use",
)


@pytest.mark.parametrize("name", TOKENS)
def test_a_missing_or_null_count_is_a_bad_row_and_never_a_zero(name: str) -> None:
    replies, problems = parsed(
        UsageRow, without(examples.USAGE_OLDER, name), examples.USAGE_OLDER | {name: None}
    )
    assert (replies, problems.total) == ([], 2)
    assert all(reason.startswith(name) for _, reason in problems.bad_rows)


@pytest.mark.parametrize("value", [-1, 1.5, "12", True, 2**60 + 1, [], {}])
def test_a_count_is_a_whole_number_that_elasticsearch_can_hold(value: object) -> None:
    assert parsed(UsageRow, examples.USAGE_OLDER | {"output_tokens": value})[1].total == 1
    assert (
        parsed(RateLimitGroup, examples.LIMITS_OLDER | {"limits": [{"type": "x", "value": value}]})[1].total
        == 1
    )


def test_the_largest_count_is_taken() -> None:
    assert one(UsageRow, examples.USAGE_OLDER | {"output_tokens": 2**45}).output_tokens == 2**45


@pytest.mark.parametrize(
    ("received", "text", "cents"),
    [
        pytest.param("123.78912", "123.78912", "123.78912", id="a decimal"),
        pytest.param("123.78912000", "123.78912000", "123.78912", id="with zeros, kept as received"),
        pytest.param("0", "0", "0", id="zero"),
        pytest.param("-12.5", "-12.5", "-12.5", id="a credit"),
        pytest.param("0.000000000000000001", "0.000000000000000001", "1E-18", id="finer than a double"),
        pytest.param(7, "7", "7", id="a JSON integer"),
        pytest.param(1e-07, "0.0000001", "1E-7", id="a JSON number"),
    ],
)
def test_an_amount_is_exact_and_keeps_its_text(received: object, text: str, cents: str) -> None:
    row = one(CostRow, examples.COST_NEWER | {"amount": received})
    assert (row.amount_text, row.amount) == (text, Decimal(cents))


@pytest.mark.parametrize(
    "amount", [None, "", "abc", "NaN", "Infinity", "1e5", "1_000", " 1", "1,5", "١٢", True, "9" * 400, []]
)
def test_an_amount_that_is_none_is_a_bad_row_and_never_a_zero(amount: object) -> None:
    replies, problems = parsed(CostRow, examples.COST_NEWER | {"amount": amount})
    assert (replies, problems.total) == ([], 1)

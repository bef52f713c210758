"""Exact dollars: rounding in one step, shares that add up, and what is no amount."""

from __future__ import annotations

from decimal import Decimal

import pytest

from anthropic_metrics.spend.money import Usd, share_count, share_out, times, usd, usd_text


@pytest.mark.parametrize(
    ("amount", "numerator", "denominator", "expected"),
    [
        ("1", 1, 3, "0.3333333333"),
        ("2", 1, 3, "0.6666666667"),
        ("-1", 1, 3, "-0.3333333333"),
        ("-2", 1, 3, "-0.6666666667"),
        ("0.0000000001", 1, 2, "0.0000000001"),
        ("-0.0000000001", 1, 2, "-0.0000000001"),
        ("0.0000000001", 49, 100, "0"),
        # Finer than the smallest amount: one rounding, so that 1.495 units are one and not first 1.50.
        ("0.000000000150", 1, 1, "0.0000000002"),
        ("-0.000000000150", 1, 1, "-0.0000000002"),
        ("0.000000000149", 1, 1, "0.0000000001"),
        ("0.000000000299", 1, 2, "0.0000000001"),
        ("18", 123_456_789, 1_000_000, "2222.222202"),
        ("0", 5, 7, "0"),
    ],
)
def test_a_price_times_tokens_is_rounded_once_half_up_to_the_smallest_amount(
    amount: str, numerator: int, denominator: int, expected: str
) -> None:
    assert usd_text(times(usd(amount), numerator, denominator)) == expected


@pytest.mark.parametrize("weights", [(), (0,), (0, 0)])
def test_an_amount_is_not_shared_out_without_weights(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="without weights"):
        share_out(usd("1"), weights)
    with pytest.raises(ValueError, match="without weights"):
        share_count(1, weights)


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_what_is_no_number_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of money"):
        share_out(Usd(Decimal(text)), [1])
    with pytest.raises(ValueError, match="is not an amount of money"):
        times(Usd(Decimal(text)), 1, 1)


def test_nothing_and_a_credit_are_shared_out_like_any_amount() -> None:
    assert share_out(usd("0"), [1, 2]) == [0, 0]
    assert share_out(usd("-1"), [1, 2]) == [Decimal("-0.3333333333"), Decimal("-0.6666666667")]

"""Amounts as tables show them: cents, half to even, and never nothing where there is something."""

from __future__ import annotations

from decimal import Decimal

import pytest

from anthropic_metrics.cli.cells import percent as whole_percent
from anthropic_metrics.finance.shown import BELOW, ROUNDED, footnotes, percent
from anthropic_metrics.spend.money import dollars


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("37856.5627643835", "37,856.56"),
        ("0.125", "0.12"),
        ("0.135", "0.14"),
        ("-1234.5", "-1,234.50"),
        ("0.004", "<0.01"),
        ("0.005", "<0.01"),
        ("-0.0001", ">-0.01"),
        ("0", "0.00"),
        ("-0", "0.00"),
        ("1e12", "1,000,000,000,000.00"),
    ],
)
def test_an_amount_is_rounded_half_to_even_and_a_fraction_of_a_cent_is_not_nothing(
    amount: str, text: str
) -> None:
    assert dollars(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.123, "12.3 %"),
        (-0.2, "-20.0 %"),
        (0.0, "0.0 %"),
        (-0.0, "0.0 %"),
        (0.0004, "<0.1 %"),
        (-0.0004, ">-0.1 %"),
        (0.0006, "0.1 %"),
    ],
)
def test_a_share_that_rounds_to_nothing_is_not_nothing_and_keeps_its_sign(share: float, text: str) -> None:
    assert percent(share) == text
    if abs(share) < 0.1 and share:
        assert whole_percent(share) == text.replace(" ", "")


def test_rounding_is_said_only_where_an_amount_has_further_digits() -> None:
    assert footnotes([["a", Decimal("1.50"), None, 3], ["b", Decimal(7), 0.123, 4]]) == []
    assert footnotes([["a", Decimal("1.501")]]) == [ROUNDED]
    assert footnotes([["a", Decimal("-0.0006")]]) == [ROUNDED, BELOW]

"""What the gap between an invoice and the bill can be, each cause with what fits."""

from __future__ import annotations

from datetime import date

import pytest

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.grouping import Labels
from anthropic_metrics.finance.invoice import Step, explain, invoice_amount
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.spend.money import usd
from tests.harness.finance_samples import ledger, line, names

BILL = ledger(line("60.004", description="A"), line("40.004", date(2026, 10, 6), "B"))


def explained(invoice: str, bill: Ledger = BILL) -> dict[str, Step]:
    return {step.item: step for step in explain(usd(invoice), bill, Labels(names()))}


def test_an_invoice_that_is_the_bill_to_a_cent_has_no_gap() -> None:
    found = explained("100.01")

    assert list(found) == ["Invoice", "Bill of the Admin API", "Rounding of the bill to a cent", "Gap"]
    assert found["Bill of the Admin API"].amount == usd("100.008")
    assert found["Rounding of the bill to a cent"].amount == usd("0.002")
    assert found["Gap"].fits


def test_lines_rounded_one_by_one_are_named_where_they_are_the_gap() -> None:
    step = explained("100.00")["Rounding line by line"]

    assert (step.amount, step.fits) == (usd("-0.01"), True)


def test_a_gap_that_is_a_rate_of_the_bill_is_tax() -> None:
    step = explained("119.01")["Tax"]

    assert step.fits
    assert "a rate of 19 % would be this" in step.note
    assert not explained("117.77")["Tax"].fits


def test_a_line_that_the_invoice_lacks_is_found() -> None:
    found = explained("60.01")

    assert found["Line B"].fits
    assert found["Day 2026-10-06"].fits
    assert found["Credits"].fits is None


def test_days_that_are_not_settled_fit_a_gap_up_to_their_amount() -> None:
    bill = ledger(line("60"), line("40", date(2026, 10, 31)), open_days=frozenset({date(2026, 10, 31)}))

    assert explained("110", bill)["Days that are not settled"].fits
    assert not explained("190", bill)["Days that are not settled"].fits


@pytest.mark.parametrize("text", ["0", "-5", "0.00", "nan", "12,50", "1.2.3", "", "1e400", "inf"])
def test_an_invoice_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--invoice: must be "):
        invoice_amount(text)


@pytest.mark.parametrize(("text", "amount"), [("1234.56", "1234.56"), ("$1,234.56", "1234.56"), (" 7 ", "7")])
def test_an_invoice_is_taken_as_people_type_it(text: str, amount: str) -> None:
    assert invoice_amount(text) == usd(amount)

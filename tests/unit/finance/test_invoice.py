"""What the gap between an invoice and the bill can be, each cause with what fits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.grouping import Labels
from anthropic_metrics.finance.invoice import POSSIBLE, Step, explain, invoice_amount, verdict
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.spend.money import usd
from tests.harness.finance_samples import ledger, line, names

BILL = ledger(line("60.004", description="A"), line("40.004", date(2026, 10, 6), "B"))


def explained(invoice: str, bill: Ledger = BILL) -> dict[str, Step]:
    return {step.item: step for step in explain(usd(invoice), bill, Labels(names()))}


def test_an_invoice_that_is_the_bill_to_a_cent_has_no_gap() -> None:
    found = explained("100.01")

    assert list(found) == ["Invoice", "Bill of the Admin API", "Gap", "Rounding of the bill to a cent"]
    assert found["Bill of the Admin API"].amount == usd("100.008")
    assert found["Rounding of the bill to a cent"].amount == usd("0.002")
    assert found["Gap"].fits is None


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
    assert found["Credits"].fits is POSSIBLE


def test_days_that_are_not_settled_fit_a_gap_up_to_their_amount() -> None:
    bill = ledger(line("60"), line("40", date(2026, 10, 31)), open_days=frozenset({date(2026, 10, 31)}))

    assert explained("110", bill)["Days that are not settled"].fits
    assert not explained("190", bill)["Days that are not settled"].fits


@pytest.mark.parametrize(
    ("invoice", "said"),
    [
        ("100.01", "Matches: the invoice is the bill, rounded to a cent."),
        (
            "100.00",
            "Matches except for rounding: 0.01 less than the bill, because an invoice rounds line by line.",
        ),
        ("119.01", "Does not match: 19.00 more than the bill; this would explain it: Tax."),
        (
            "60.01",
            "Does not match: 40.00 less than the bill; this would explain it: Line B, Day 2026-10-06.",
        ),
        (
            "98.78",
            "Does not match: 1.23 less than the bill; nothing that the Admin API reports explains it; "
            "days cut at another hour or credits could (see the Console).",
        ),
        (
            "101.24",
            "Does not match: 1.23 more than the bill; nothing that the Admin API reports explains it; "
            "days cut at another hour or a Priority Tier commitment could (see the Console).",
        ),
    ],
)
def test_the_verdict_is_one_sentence_with_what_is_or_could_be_the_gap(invoice: str, said: str) -> None:
    assert verdict(explain(usd(invoice), BILL, Labels(names()))) == said


def test_the_verdict_names_each_cause_once_that_the_api_cannot_tell() -> None:
    bill = ledger(line("60", date(2026, 10, 1)), line("40", date(2026, 10, 31)))
    steps = explain(usd("98.77"), replace(bill, foreign=Counter(EUR=3)), Labels(names()))

    assert "; days cut at another hour or credits or lines in EUR could (see" in verdict(steps)


@pytest.mark.parametrize("text", ["0", "-5", "0.00", "nan", "12,50", "1.2.3", "", "1e400", "inf"])
def test_an_invoice_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--invoice: must be "):
        invoice_amount(text)


@pytest.mark.parametrize(("text", "amount"), [("1234.56", "1234.56"), ("$1,234.56", "1234.56"), (" 7 ", "7")])
def test_an_invoice_is_taken_as_people_type_it(text: str, amount: str) -> None:
    assert invoice_amount(text) == usd(amount)


def test_a_tax_is_a_rate_above_nothing_and_up_to_30_per_cent() -> None:
    even = ledger(line("100"))
    for invoice, fits in (("130", True), ("100.1", True), ("130.01", None), ("99", None), ("100.02", False)):
        step = explained(invoice, even).get("Tax")
        assert (step and step.fits) is fits, invoice
    assert explained("119", even)["Tax"].amount == usd("19")
    assert explained("119.01", even)["Tax"].fits, "an invoice rounds its tax line by line"
    assert explained("117.77", even)["Tax"].amount is None


def test_the_first_and_the_last_day_are_named_where_the_gap_may_lie_in_them() -> None:
    bill = ledger(line("60", date(2026, 10, 1)), line("40", date(2026, 10, 30)))
    assert explained("145", bill).keys() >= {"First day, 2026-10-01"}
    assert "Last day, 2026-10-30" not in explained("145", bill)
    assert explained("140", bill)["Last day, 2026-10-30"].amount == usd("40")
    assert "First day, 2026-10-01" not in explained("161", bill)


def test_what_no_report_has_is_named_by_the_side_of_the_gap() -> None:
    above, below = explained("150"), explained("50")
    assert ("Priority Tier" in above, "Credits" in above) == (True, False)
    assert ("Priority Tier" in below, "Credits" in below) == (False, True)
    assert "tokens" not in above["Priority Tier"].note
    counted = replace(BILL, shares=(), priority_tokens=1_234_567)
    assert "1,234,567 tokens of it in this period" in explained("150", counted)["Priority Tier"].note


def test_open_days_fit_a_gap_of_exactly_their_amount_and_settled_ones_are_not_named() -> None:
    day = date(2026, 10, 31)
    bill = ledger(line("60"), line("40", day), open_days=frozenset({day, date(2026, 11, 1)}))
    step = explained("140", bill)["Days that are not settled"]
    assert step.fits
    assert step.note.startswith("2026-10-31 and later may still be revised")
    assert "Days that are not settled" not in explained("140")


def test_the_gap_is_shown_as_a_share_of_the_bill() -> None:
    even = ledger(line("100"))
    assert [explained(text, even)["Gap"].note for text in ("119", "100", "90")] == [
        "+19.00 % of the bill",
        "",
        "-10.00 % of the bill",
    ]
    assert explained("5", ledger())["Gap"].note == ""
    million = ledger(line("1000000"))
    assert explained("999998.77", million)["Gap"].note == ">-0.01 % of the bill"
    assert explained("1000001.23", million)["Gap"].note == "<0.01 % of the bill"
    assert explained("1000001.23", million)["Tax"].note.startswith("the gap is <0.01 %;")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0.01", "0.01"), ("123,456.78", "123456.78"), ("1,234,567", "1234567"), ("1000000000000000", "1e15")],
)
def test_amounts_from_a_cent_to_the_largest_are_taken(text: str, amount: str) -> None:
    assert invoice_amount(text) == usd(amount)


@pytest.mark.parametrize("text", ["1234,567", "1,2345", "1,23,456", ",123", "1000000000000001"])
def test_commas_that_do_not_part_thousands_and_a_larger_amount_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--invoice: must be "):
        invoice_amount(text)

"""Why an invoice and the bill of the Admin API differ: step by step, and what fits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.grouping import By, Labels, group
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.shown import cents, exact
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.spend.money import CENT, EXACT, WIDE, Usd, dollars, total, usd

_MOST_TAX = Decimal(30)  # percent; above this a gap is no sales tax
_LEAST_SHARE = Decimal("0.005")  # percent
LARGEST = Decimal(10) ** 15
POSSIBLE = Absent("possible")
GAP, BY_LINE = "Gap", "Rounding line by line"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the explanation. `fits`: whether it is the whole gap; POSSIBLE where the Admin API cannot
    tell, then `could` says what could be it; None where it is no cause."""

    item: str
    amount: Usd | None
    fits: bool | Absent | None = None
    note: str = ""
    could: str = ""


def invoice_amount(text: str) -> Usd:
    """The amount as typed, `1234.56`, with or without a dollar sign. ConfigError unless it is above zero."""
    plain = text.strip().removeprefix("$").strip().replace(",", "") if _grouped(text) else text.strip()
    try:
        amount = usd(plain.removeprefix("$").strip())
    except ArithmeticError:
        amount = None
    if amount is None or not amount.is_finite():
        raise ConfigError("--invoice: must be an amount in US dollars, such as 1234.56")
    if amount <= 0:
        raise ConfigError(
            "--invoice: must be above zero: the amount that the invoice asks for, in US dollars"
        )
    if amount > LARGEST:
        raise ConfigError(f"--invoice: must be no more than {LARGEST:,f}")
    return amount


def _grouped(text: str) -> bool:
    """Whether commas stand between groups of three digits: 1,234.56 is taken, 1234,56 is not."""
    dollars = text.strip().removeprefix("$").strip().partition(".")[0]
    first, *others = dollars.split(",")
    return bool(others) and 1 <= len(first) <= 3 and all(len(part) == 3 for part in others)


def _on_an_invoice(amount: Usd) -> Usd:
    """One line as invoices round it: half up."""
    return Usd(amount.quantize(CENT, ROUND_HALF_UP, WIDE))


def explain(invoice: Usd, ledger: Ledger, labels: Labels) -> list[Step]:
    """The invoice, the bill, the gap between them, and each thing that the gap can be."""
    bill = ledger.amount
    rounded = cents(bill)
    gap = _minus(invoice, rounded)
    steps = [
        Step("Invoice", invoice),
        Step("Bill of the Admin API", bill, None, f"{len(ledger.lines):,} lines, exactly {exact(bill)}"),
        Step(GAP, gap, None, _share(gap, bill)),
        Step("Rounding of the bill to a cent", _minus(rounded, bill)),
    ]
    if not gap:
        return steps
    return [*steps, *_causes(gap, ledger, labels)]


def verdict(steps: Sequence[Step]) -> str:
    """The answer of `explain` in one sentence: the invoice matches, or what is or could be the gap."""
    gap = next(step.amount for step in steps if step.item == GAP)
    if not gap:
        return "Matches: the invoice is the bill, rounded to a cent."
    differs = f"{dollars(abs(gap))} {'less' if gap < 0 else 'more'} than the bill"
    fitting = [step.item for step in steps if step.fits is True]
    if fitting == [BY_LINE]:
        return f"Matches except for rounding: {differs}, because an invoice rounds line by line."
    if fitting:
        return f"Does not match: {differs}; this would explain it: {', '.join(fitting)}."
    could = " or ".join(dict.fromkeys(step.could for step in steps if step.fits is POSSIBLE))
    return (
        f"Does not match: {differs}; nothing that the Admin API reports explains it; {could} could (see the "
        "Console)."
    )


def _causes(gap: Usd, ledger: Ledger, labels: Labels) -> Iterator[Step]:
    yield from _rounding(gap, ledger, labels)
    yield from _tax(gap, ledger.amount)
    yield from _unsettled(gap, ledger)
    yield from _equal_parts(gap, ledger, labels)
    yield from _edges(gap, ledger)
    yield from _not_in_the_bill(gap, ledger)


def _rounding(gap: Usd, ledger: Ledger, labels: Labels) -> Iterator[Step]:
    """An invoice adds up lines that are rounded one by one."""
    lines = group(ledger.charges(by_key=False), By(("line",)), labels)
    by_line = _minus(total(_on_an_invoice(line.amount) for line in lines), cents(ledger.amount))
    note = f"the {len(lines)} lines of the month, each rounded to a cent"
    yield Step(BY_LINE, by_line, by_line == gap, note)


def _tax(gap: Usd, bill: Usd) -> Iterator[Step]:
    rate = _percent(gap, bill)
    if rate is None or not 0 < rate <= _MOST_TAX:
        return
    nearest = rate.quantize(Decimal("0.1"), ROUND_HALF_UP)
    tax = cents(Usd(EXACT.multiply(bill, nearest.scaleb(-2))))
    fits = abs(tax - gap) <= CENT and nearest > 0
    note = (
        f"a rate of {nearest.normalize():f} % would be this"
        if fits
        else f"the gap is {_rate(rate).removeprefix('+')}"
    )
    yield Step("Tax", tax if fits else None, fits, f"{note}; tax is not in the Admin API")


def _unsettled(gap: Usd, ledger: Ledger) -> Iterator[Step]:
    days = sorted(ledger.open_days & frozenset(ledger.period.days()))
    if days:
        note = f"{days[0]} and later may still be revised: compare again when they are settled"
        yield Step("Days that are not settled", ledger.open_amount, abs(gap) <= ledger.open_amount, note)


def _equal_parts(gap: Usd, ledger: Ledger, labels: Labels) -> Iterator[Step]:
    """A line, workspace, model or day that is exactly what the invoice lacks."""
    if gap > 0:
        return
    charges = ledger.charges(by_key=False)
    for way in ("line", "workspace", "model", "day"):
        for part in group(charges, By((way,)), labels):
            if _on_an_invoice(part.amount) == -gap:
                note = "costs exactly what the invoice lacks"
                yield Step(f"{way.capitalize()} {part.labels[0]}", part.amount, True, note)


def _edges(gap: Usd, ledger: Ledger) -> Iterator[Step]:
    """An invoice that is cut by another time zone takes hours of the neighbouring days."""
    amounts: dict[str, list[Usd]] = {}
    for line in ledger.lines:
        amounts.setdefault(line.day.isoformat(), []).append(line.amount)
    first, last = ledger.period.start.isoformat(), max(amounts, default="")
    for name, day in (("First day", first), ("Last day", last)):
        own = total(amounts.get(day, ()))
        if own and abs(gap) <= own:
            note = "days are UTC; an invoice may be cut at another hour"
            yield Step(f"{name}, {day}", own, POSSIBLE, note, "days cut at another hour")


def _not_in_the_bill(gap: Usd, ledger: Ledger) -> Iterator[Step]:
    if gap < 0:
        note = "not in the Admin API: prepaid or promotional credit lowers an invoice"
        yield Step("Credits", None, POSSIBLE, note, "credits")
    else:
        tokens = (
            f"{ledger.priority_tokens:,} tokens of it in this period" if ledger.shares is not None else ""
        )
        note = "; ".join(filter(None, ("paid by commitment, not in the Admin API's costs", tokens)))
        yield Step("Priority Tier", None, POSSIBLE, note, "a Priority Tier commitment")
    for currency, count in sorted(ledger.foreign.items()):
        item, note = f"Lines in {currency}", f"{count} lines are in no figure here"
        yield Step(item, None, POSSIBLE, note, item.replace("Lines", "lines"))


def _minus(one: Usd, other: Usd) -> Usd:
    return Usd(total((one, Usd(-other))))


def _percent(part: Usd, of: Usd) -> Decimal | None:
    return WIDE.divide(part * 100, of) if of else None


def _share(gap: Usd, bill: Usd) -> str:
    rate = _percent(gap, bill)
    return f"{_rate(rate)} of the bill" if rate is not None and gap else ""


def _rate(percent: Decimal) -> str:
    """Signed, to a hundredth of a percent, and never nothing."""
    if abs(percent) >= _LEAST_SHARE:
        return f"{percent:+.2f} %"
    return "<0.01 %" if percent > 0 else ">-0.01 %"

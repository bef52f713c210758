"""Exact dollars: from the API's text to the document's text without a float and without rounding.

`Usd` is a type of its own, so that mypy refuses a float, and cents where dollars belong. Arithmetic runs in a
context that raises where digits would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import NewType

Usd = NewType("Usd", Decimal)
"""An exact amount in US dollars."""

EXACT = Context(prec=200, traps=[DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow])
WIDE = EXACT.copy()
"""The same for steps that round."""
WIDE.clear_traps()
ZERO = Usd(Decimal(0))
CENT = Decimal("0.01")
# The smallest amount that a share is rounded to: 10^-10 dollars, finer where the shared amount is.
_SMALLEST = -10


def usd(text: str) -> Usd:
    """Dollars from decimal text."""
    return Usd(EXACT.create_decimal(text))


def usd_from_cents(cents: Decimal) -> Usd:
    """Dollars from exact cents."""
    return Usd(cents.scaleb(-2, EXACT))


def usd_text(amount: Usd) -> str:
    """All digits, no exponent, no trailing zeros: equal amounts have equal texts."""
    text = format(amount, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def dollars(amount: Decimal) -> str:
    """As tables and pages for people show it: to a cent, half to even, `1,234.57`; `<0.01` and `>-0.01` for
    an amount that is not nothing and rounds to it."""
    text = format(amount.quantize(CENT, ROUND_HALF_EVEN, WIDE), ",f")
    if text.strip("-") != "0.00":
        return text
    return "0.00" if not amount else "<0.01" if amount > 0 else ">-0.01"


def total(amounts: Iterable[Usd]) -> Usd:
    """The exact sum."""
    result: Decimal = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return Usd(result)


def times(amount: Usd, numerator: int, denominator: int) -> Usd:
    """`amount` * `numerator` / `denominator`, rounded half up to 10^-10 dollars, away from zero."""
    units, exponent = _units(amount)
    product, divisor = units * numerator, denominator * 10 ** (_SMALLEST - exponent)
    quotient = (2 * abs(product) + divisor) // (2 * divisor)
    return Usd(Decimal(quotient if product >= 0 else -quotient).scaleb(_SMALLEST, EXACT))


def share_out(amount: Usd, weights: Sequence[int]) -> list[Usd]:
    """`amount` in proportion to `weights`; the shares add up to it digit for digit.

    Largest remainder: each share is rounded down to 10^-10 dollars, or to the amount's last digit where that
    is finer, and what is left goes to the largest remainders, the first of equal ones first. A share of
    weight 0 is 0. Raises ValueError if there is no weight.
    """
    units, exponent = _units(amount)
    sign, units = (-1, -units) if units < 0 else (1, units)
    shares = share_count(units, weights)
    return [Usd(Decimal(sign * share).scaleb(exponent, EXACT)) for share in shares]


def share_count(count: int, weights: Sequence[int]) -> list[int]:
    """A whole number in proportion to `weights`, by largest remainder; the shares add up to it.

    Raises ValueError if there is no weight.
    """
    total_weight = sum(weights)
    if total_weight <= 0:
        raise ValueError("an amount cannot be shared out without weights")
    shares, remainders = [], []
    for weight in weights:
        quotient, remainder = divmod(count * weight, total_weight)
        shares.append(quotient)
        remainders.append(remainder)
    left = count - sum(shares)
    if left:
        # sorted() is stable: of equal remainders the first in order wins.
        for place in sorted(range(len(weights)), key=lambda place: -remainders[place])[:left]:
            shares[place] += 1
    return shares


def _units(amount: Usd) -> tuple[int, int]:
    """The amount as a whole number of 10^exponent dollars."""
    own = amount.as_tuple().exponent
    if not isinstance(own, int):
        raise ValueError(f"{amount} is not an amount of money")
    exponent = min(own, _SMALLEST)
    return int(amount.scaleb(-exponent, EXACT)), exponent

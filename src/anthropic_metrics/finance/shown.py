"""Amounts and texts as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from anthropic_metrics.kernel.shares import tenths
from anthropic_metrics.spend.money import CENT, WIDE, Usd, dollars, usd_text

ROUNDED = (
    "Amounts are rounded to a cent, and totals only once, from exact sums; the formats csv and json have "
    "every digit."
)

BELOW = "`>-0.01` is an amount of less than a cent below zero."


class Reasoned(str):
    """A text, and the reason that people read beside it."""

    reason = ""

    @classmethod
    def of(cls, text: str, reason: str) -> Reasoned:
        made = cls(text)
        made.reason = reason
        return made

    @property
    def shown(self) -> str:
        return f"{self}: {self.reason}" if self.reason else str(self)


def exact(amount: Usd) -> str:
    """All digits, at least cents, thousands apart: `1,234.5678`, `-0.10`."""
    sign, text = ("-", usd_text(Usd(-amount))) if amount < 0 else ("", usd_text(amount))
    dollars, _, fraction = text.partition(".")
    return f"{sign}{int(dollars):,}.{fraction:0<2}"


def footnotes(rows: Iterable[Iterable[object]]) -> list[str]:
    """`ROUNDED` below tables with these rows, if an amount has further digits than `dollars` shows."""
    amounts = (value for row in rows for value in row if isinstance(value, Decimal))
    further = [amount for amount in amounts if amount != amount.quantize(CENT, context=WIDE)]
    tiny = [BELOW] if any(dollars(amount) == ">-0.01" for amount in further) else []
    return [ROUNDED, *tiny] if further else []


def cents(amount: Usd) -> Usd:
    """Rounded to a cent as `dollars` shows it."""
    return Usd(amount.quantize(CENT, ROUND_HALF_EVEN, WIDE))


def percent(share: float) -> str:
    """`12.3 %`; `<0.1 %` and `>-0.1 %` for a share that is not nothing and rounds to it."""
    return tenths(share).replace("%", " %")


def plain(amount: Usd) -> Decimal:
    """The same amount without zeros at its end."""
    return Decimal(usd_text(amount))

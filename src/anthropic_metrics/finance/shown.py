"""Amounts as people read them. Pure."""

from __future__ import annotations

from decimal import Decimal

from anthropic_metrics.spend.money import Usd, usd_text


def exact(amount: Usd) -> str:
    """All digits, at least cents, thousands apart: `1,234.5678`, `-0.10`."""
    sign, text = ("-", usd_text(Usd(-amount))) if amount < 0 else ("", usd_text(amount))
    dollars, _, fraction = text.partition(".")
    return f"{sign}{int(dollars):,}.{fraction:0<2}"


def rounded(amount: Usd) -> str:
    """To a cent: `1,234.57`."""
    text = f"{amount:,.2f}"
    return "0.00" if text == "-0.00" else text


def percent(share: float) -> str:
    """`12.3 %`."""
    return f"{share:.1%}".replace("%", " %")


def plain(amount: Usd) -> Decimal:
    """The same amount without zeros at its end."""
    return Decimal(usd_text(amount))

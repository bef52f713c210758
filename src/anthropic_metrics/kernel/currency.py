"""Which amounts are in US dollars, the only ones that figures, budgets and rules count. Pure."""

from __future__ import annotations

from itertools import product

USD = "USD"
USD_SPELLINGS = tuple(map("".join, product(*zip(USD, USD.lower(), strict=True))))
"""The code in any case, for queries that compare exact values."""


def is_usd(currency: str) -> bool:
    """Whether an amount in this currency is in US dollars; servers write the code in any case."""
    return currency in USD_SPELLINGS

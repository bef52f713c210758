"""Shares as people read them. Pure."""

from __future__ import annotations


def tenths(share: float) -> str:
    """To a tenth of a percent, `12.3%`; `<0.1%` and `>-0.1%` for one that is not nothing and rounds to it."""
    text = f"{share:,.1%}"
    if text.strip("-") != "0.0%":
        return text
    return "0.0%" if not share else "<0.1%" if share > 0 else ">-0.1%"

"""What a report says of the end of its month and of its budgets, in the words of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from anthropic_metrics.budgets.state import State
from anthropic_metrics.finance.report import Report
from anthropic_metrics.spend.money import dollars

# The worst first.
_ORDER: tuple[State, ...] = ("exceeded", "unknown", "warning", "incomplete", "ok")


def standing(report: Report) -> str:
    """Where the month is expected to end, and how many budgets are in each state; empty where the report has
    neither. Budgets that are not `ok` are named."""
    return " ".join((*_expected(report), *_states(report)))


def _expected(report: Report) -> Iterator[str]:
    if (seen := report.forecast) is not None:
        middle, low, high = (f"${dollars(Decimal(each))}" for each in (seen.expected, seen.low, seen.high))
        yield f"Expected {middle} ({low} to {high})."


def _states(report: Report) -> Iterator[str]:
    named: dict[State, list[str]] = {state: [] for state in _ORDER}
    for line in report.budgets:
        named[line.state].append(line.short)
    parts = [
        f"{len(names)} {state}" + (f" ({', '.join(names)})" if state != "ok" else "")
        for state, names in named.items()
        if names
    ]
    if parts:
        yield f"Budgets: {', '.join(parts)}."

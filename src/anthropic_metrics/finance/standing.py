"""What a report says of the end of its month and of its budgets, in the words of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from anthropic_metrics.budgets.state import State
from anthropic_metrics.finance.report import BudgetLine, Report
from anthropic_metrics.spend.money import dollars

# The worst first.
_ORDER: tuple[State, ...] = ("exceeded", "unknown", "warning", "incomplete", "ok")
_MOST = 5  # budgets that are named: a line of a terminal


def standing(report: Report) -> str:
    """Where the month is expected to end, and how many budgets are in each state; empty where the report has
    neither. Of those that are not `ok` the worst five are named, with their amounts."""
    return " ".join((*_expected(report), *_states(report)))


def _expected(report: Report) -> Iterator[str]:
    if (seen := report.forecast) is not None:
        middle, low, high = (f"${dollars(Decimal(each))}" for each in (seen.expected, seen.low, seen.high))
        yield f"Expected {middle} ({low} to {high})."


def _states(report: Report) -> Iterator[str]:
    by_state: dict[State, list[BudgetLine]] = {state: [] for state in _ORDER}
    for line in report.budgets:
        by_state[line.state].append(line)
    parts, left = [], _MOST
    for state, lines in by_state.items():
        named = lines[:left] if state != "ok" else []
        left -= len(named)
        more = f" and {len(lines) - len(named)} more" if len(lines) > len(named) else ""
        if lines:
            shown = f" ({'; '.join(map(_named, named))}{more})" if named else ""
            parts.append(f"{len(lines)} {state}{shown}")
    if parts:
        yield f"Budgets: {', '.join(parts)}."


def _named(line: BudgetLine) -> str:
    """`staging 958.64 of 500.00, ends at 1,127.13`."""
    seen = line.forecast
    if line.allowed is not None and line.spent is not None:
        end = f", ends at {dollars(Decimal(seen.expected))}" if seen else ""
        return f"{line.short} {dollars(line.spent)} of {dollars(line.allowed)}{end}"
    if line.allowed_tokens is not None and line.used_tokens is not None:
        end = f", ends at {seen.expected:,.0f}" if seen else ""
        return f"{line.short} {line.used_tokens:,} of {line.allowed_tokens:,} tokens{end}"
    return line.short

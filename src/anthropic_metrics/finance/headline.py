"""The figures above a report's tables: what the month cost, and what it is compared with. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from anthropic_metrics.finance.report import Report
from anthropic_metrics.kernel.ranges import DAY


@dataclass(frozen=True, slots=True)
class Fact:
    """A named figure, in dollars or as a share of 1; None: the days before cost nothing."""

    name: str
    kind: Literal["usd", "share"]
    value: Decimal | None


def headline(report: Report) -> Iterator[Fact]:
    """The total beside the same days of the month before; while the month is not over also its expected end
    beside the whole month before."""
    total, seen = report.total, report.forecast
    yield Fact("Total" if seen is None else "Total so far", "usd", total.amount)
    yield Fact(f"Before ({report.before_label})", "usd", total.before)
    yield Fact("Change", "share", _change(total.amount, total.before))
    if seen is not None:
        end, before = report.period.end - DAY, report.period.before
        whole = total.before if report.whole_before is None else report.whole_before
        expected = Decimal(seen.expected)
        yield Fact(f"Expected by {end}", "usd", expected)
        if report.like != before:
            yield Fact(f"Whole {before.label}", "usd", whole)
        yield Fact(f"Change expected by {end}", "share", _change(expected, whole))


def _change(amount: Decimal, before: Decimal) -> Decimal | None:
    return amount / before - 1 if before else None

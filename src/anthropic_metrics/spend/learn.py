"""Prices learned from the bill: what a million tokens of a cell cost on the newest settled day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from anthropic_metrics.spend.money import Usd, total
from anthropic_metrics.spend.rows import (
    BILLED_DIMENSIONS,
    SEARCHES,
    TOKEN_TYPES,
    TOKENS,
    UNKNOWN_GEO,
    WEB_SEARCH,
    Billed,
    Used,
)

# What a workspace has no price of its own in: all of its dimensions but itself.
PRICED_DIMENSIONS = tuple(name for name in BILLED_DIMENSIONS if name != "workspace_id")
# How far back a price is looked for, in whole days before the day that needs it.
LOOK_BACK = timedelta(days=31)
# Below these one blocked request, which usage counts and the bill does not, would bend the price.
LEAST_TOKENS = 10_000
LEAST_SEARCHES = 10

Cell = tuple[tuple[str, str | None], ...]
"""The priced dimensions that usage is grouped by, with their values; empty for web searches."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a cell cost: `amount` for `count` tokens (or web searches) of one kind on `day`."""

    amount: Usd
    count: int
    day: date


@dataclass
class DayPrices:
    """One UTC day: dollars and tokens by cell and kind, over all workspaces."""

    day: date
    amounts: dict[tuple[Cell, int], list[Usd]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[tuple[Cell, int], int] = field(default_factory=lambda: defaultdict(int))

    def use(self, cell: Cell, part: int, count: int) -> None:
        """Count tokens of one kind; web searches count under the empty cell whatever `cell` is."""
        if count:
            self.counts[() if part == SEARCHES else cell, part] += count

    def bill(self, line: Billed, grouped: Iterable[str]) -> None:
        """Add a line of the bill, if it is one of tokens or web searches."""
        if line.cost_type == WEB_SEARCH:
            self.amounts[(), SEARCHES].append(line.amount)
        elif line.cost_type == TOKENS and line.token_type in TOKEN_TYPES:
            dimensions = {name: getattr(line, name) for name in PRICED_DIMENSIONS}
            self.amounts[cell_of(dimensions, grouped), TOKEN_TYPES.index(line.token_type)].append(line.amount)

    def learned(self) -> dict[tuple[Cell, int], Learned]:
        """The cells of which the day has enough to tell their price."""
        found = {}
        for key, amounts in self.amounts.items():
            count, amount = self.counts.get(key, 0), total(amounts)
            if count >= (LEAST_SEARCHES if key[1] == SEARCHES else LEAST_TOKENS) and amount > 0:
                found[key] = Learned(amount, count, self.day)
        return found


def cell_of(dimensions: Mapping[str, str | None], grouped: Iterable[str]) -> Cell:
    """The cell of a row or line; an unknown geo has one spelling."""
    return tuple(
        (name, (dimensions.get(name) or UNKNOWN_GEO) if name == "inference_geo" else dimensions.get(name))
        for name in PRICED_DIMENSIONS
        if name in grouped
    )


def day_prices(day: date, lines: Iterable[Billed], rows: Iterable[Used], grouped: Iterable[str]) -> DayPrices:
    """What a day's bill and usage say about prices."""
    grouped = tuple(grouped)
    found = DayPrices(day)
    for line in lines:
        found.bill(line, grouped)
    for row in rows:
        cell = cell_of(row.dimensions, grouped)
        for part, count in enumerate(row.counts):
            found.use(cell, part, count)
    return found


def newest(days: Iterable[DayPrices], before: date) -> dict[tuple[Cell, int], Learned]:
    """Of each cell the price on the newest of these settled days before `before`."""
    prices: dict[tuple[Cell, int], Learned] = {}
    for day in sorted(days, key=lambda each: each.day):
        if before - LOOK_BACK <= day.day < before:
            prices |= day.learned()
    return prices

"""Prices learned from the bill: what a million tokens of a cell cost on the newest settled day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from anthropic_metrics.spend.allocate import priced_apart
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
Key = tuple[str | None, Cell, int]
"""A workspace, None for all of them; a cell; and the kind of tokens, a place in `Counts`."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a cell cost: `amount` for `count` tokens (or web searches) of one kind on `day`.

    `mixed`: several lines of the bill fell into it, so that it may be a mean of several prices.
    """

    amount: Usd
    count: int
    day: date
    mixed: bool = False


@dataclass
class DayPrices:
    """One UTC day: dollars and tokens by workspace, cell and kind."""

    day: date
    amounts: dict[Key, list[Usd]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    lines: dict[tuple[Cell, int], set[tuple[str | None, ...]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def use(self, workspace: str | None, cell: Cell, part: int, count: int) -> None:
        """Count tokens of one kind; web searches count under the empty cell whatever `cell` is."""
        if count:
            self.counts[workspace, () if part == SEARCHES else cell, part] += count

    def bill(self, line: Billed, grouped: Iterable[str]) -> None:
        """Add a line of the bill, if it is one of tokens or web searches."""
        if line.cost_type == WEB_SEARCH:
            self.amounts[line.workspace_id, (), SEARCHES].append(line.amount)
        elif line.cost_type == TOKENS and line.token_type in TOKEN_TYPES:
            dimensions = {name: getattr(line, name) for name in PRICED_DIMENSIONS}
            cell, part = cell_of(dimensions, grouped), TOKEN_TYPES.index(line.token_type)
            self.amounts[line.workspace_id, cell, part].append(line.amount)
            self.lines[cell, part].add(priced_apart(line))

    def learned(self) -> dict[Key, Learned]:
        """The cells of which the day has enough to tell their price, over all workspaces.

        A workspace has no prices of its own; only where a cell mixes prices is its own mix added.
        """
        amounts: dict[tuple[Cell, int], list[Usd]] = defaultdict(list)
        counts: dict[tuple[Cell, int], int] = defaultdict(int)
        for (_workspace, cell, part), own in self.amounts.items():
            amounts[cell, part] += own
        for (_workspace, cell, part), count in self.counts.items():
            counts[cell, part] += count
        prices: dict[Key, Learned] = {}
        for (cell, part), all_of_it in amounts.items():
            mixed = len(self.lines.get((cell, part), ())) > 1
            self._learn(prices, (None, cell, part), all_of_it, counts.get((cell, part), 0), mixed)
        for key, own in self.amounts.items():
            of_all = prices.get((None, *key[1:]))
            if of_all is not None and of_all.mixed:
                self._learn(prices, key, own, self.counts.get(key, 0), mixed=True)
        return prices

    def _learn(
        self, prices: dict[Key, Learned], key: Key, amounts: list[Usd], count: int, mixed: bool
    ) -> None:
        amount = total(amounts)
        if count >= (LEAST_SEARCHES if key[2] == SEARCHES else LEAST_TOKENS) and amount > 0:
            prices[key] = Learned(amount, count, self.day, mixed)


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
    prices = DayPrices(day)
    for line in lines:
        prices.bill(line, grouped)
    for row in rows:
        cell = cell_of(row.dimensions, grouped)
        for part, count in enumerate(row.counts):
            prices.use(row.dimensions.get("workspace_id"), cell, part, count)
    return prices


def newest(days: Iterable[tuple[date, Mapping[Key, Learned]]], before: date) -> dict[Key, Learned]:
    """Of each cell the price on the newest of these settled days before `before`; see `DayPrices.learned`."""
    prices: dict[Key, Learned] = {}
    for day, learned in sorted(days, key=lambda entry: entry[0]):
        if before - LOOK_BACK <= day < before:
            prices |= learned
    return prices


def learned_price(
    prices: Mapping[Key, Learned], workspace: str | None, cell: Cell, part: int
) -> Learned | None:
    """A cell's price; where it mixes prices, as the workspace mixed them last."""
    of_all = prices.get((None, cell, part))
    return prices.get((workspace, cell, part), of_all) if of_all is not None and of_all.mixed else of_all

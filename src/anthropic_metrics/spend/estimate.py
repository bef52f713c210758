"""What a row of usage will cost, before there is a bill: learned, configured or list price. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from anthropic_metrics.spend.allocate import Parts
from anthropic_metrics.spend.learn import Key, Learned, cell_of, learned_price
from anthropic_metrics.spend.money import ZERO, Usd, times, total
from anthropic_metrics.spend.rows import BILLED_TIERS, PART_NAMES, PRIORITY_TIERS, SEARCHES, Used
from anthropic_metrics.spend.table import MILLION, PriceTable

PriceSource = Literal["learned", "configured", "list", "none"]
# The last of those that a row needed is the row's.
SOURCES: tuple[PriceSource, ...] = ("learned", "configured", "list", "none")


@dataclass(frozen=True, slots=True)
class Price:
    """`amount` dollars for `count` tokens or web searches."""

    amount: Usd
    count: int
    source: PriceSource

    def of(self, count: int) -> Usd:
        """What `count` of them cost, to 10^-10 dollars."""
        return times(self.amount, count, self.count)


@dataclass(frozen=True)
class Prices:
    """The prices that hold on one day, the bill's own first."""

    day: date
    grouped: Collection[str]
    learned: Mapping[Key, Learned]
    configured: PriceTable
    listed: PriceTable

    def price(self, dimensions: Mapping[str, str | None], part: int) -> Price | None:
        """The price of one kind of tokens in a row with these dimensions; None if nobody knows it."""
        cell = () if part == SEARCHES else cell_of(dimensions, self.grouped)
        learned = learned_price(self.learned, dimensions.get("workspace_id"), cell, part)
        if learned is not None:
            return Price(learned.amount, learned.count, "learned")
        if (price := self.configured.per_million(dimensions, part, self.day)) is not None:
            return Price(price, MILLION, "configured")
        return self.list_price(dimensions, part)

    def list_price(self, dimensions: Mapping[str, str | None], part: int) -> Price | None:
        """The list price, without any discount."""
        price = self.listed.per_million(dimensions, part, self.day)
        return None if price is None else Price(price, MILLION, "list")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one row will cost as far as prices are known; `amount` is None where none of it is known.

    `priority_tokens` are paid by a commitment; `unpriced_tokens` have no price.
    """

    used: Used
    amount: Usd | None
    parts: Parts
    source: PriceSource | None
    unpriced_tokens: int = 0
    priority_tokens: int = 0


def estimate(row: Used, prices: Prices) -> Estimate:
    """Price a row, token type by token type."""
    tier = row.tier
    parts, unpriced, needed = [ZERO] * len(PART_NAMES), 0, set[PriceSource]()
    by_the_token = tier is None or tier in BILLED_TIERS
    for part, count in enumerate(row.counts):
        if not count:
            continue
        if not by_the_token and part != SEARCHES:
            unpriced += count
        elif (price := prices.price(row.dimensions, part)) is not None:
            parts[part] = price.of(count)
            needed.add(price.source)
        elif part != SEARCHES:
            unpriced += count
    source: PriceSource | None = max(needed, key=SOURCES.index) if needed else None
    if tier in PRIORITY_TIERS:
        return Estimate(row, total(parts) if needed else None, tuple(parts), source, 0, unpriced)
    if unpriced and not needed:
        return Estimate(row, None, tuple(parts), "none", unpriced)
    return Estimate(row, total(parts), tuple(parts), source, unpriced)


def at_list_price(row: Used, prices: Prices) -> Usd | None:
    """What the row costs by the list; None unless every kind of its tokens is in it."""
    amounts = []
    for part, count in enumerate(row.counts):
        if count:
            price = prices.list_price(row.dimensions, part)
            if price is None:
                return None
            amounts.append(price.of(count))
    return total(amounts)


def saved_by_cache(row: Used, parts: Parts, prices: Prices) -> Usd | None:
    """Cached tokens at the price of uncached input, less what reads and writes cost; negative where the cache
    cost more than it saved. None if the row has no cached tokens or their price is not known."""
    counts = row.counts
    cached = counts.cache_read + counts.cache_write_5m + counts.cache_write_1h
    price = prices.price(row.dimensions, 0) if cached else None
    if price is None:
        return None
    paid = total(parts[1:4])
    return Usd(total((price.of(cached), Usd(-paid))))

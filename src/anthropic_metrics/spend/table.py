"""A table of list prices: the one in `prices.toml`, or one of the configuration's own prices. Pure.

A model that is in no entry has no price: never zero, and never the price of a model with a similar name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from anthropic_metrics.spend.money import EXACT, Usd
from anthropic_metrics.spend.rows import SEARCHES, TOKEN_TYPES, UNKNOWN_GEO, Counts

if TYPE_CHECKING:
    from anthropic_metrics.config.money import PriceSettings

MILLION = 1_000_000
TOKEN_NAMES = Counts._fields[: len(TOKEN_TYPES)]
LONG_WINDOW = "200k-1M"
# A model's id in the reports may carry the date of its snapshot.
_SNAPSHOT = re.compile(r"-\d{8}$")
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Entry:
    """The prices of some models from a day on, dollars per million tokens by name of the token type.

    A factor that is None is not known; `us` is 1 where a model costs the same everywhere.
    """

    models: frozenset[str]
    prices: Mapping[str, Decimal]
    valid_from: date | None = None
    long: Mapping[str, Decimal] | None = None
    batch: Decimal | None = None
    us: Decimal | None = _ONE
    fast: Decimal | None = None
    above_tokens: int | None = None
    source: str = ""
    seen: date | None = None

    def has(self, names: Iterable[str]) -> bool:
        """Whether it is for a model with one of these names."""
        return not self.models.isdisjoint(names)

    def holds(self, day: date) -> bool:
        return self.valid_from is None or self.valid_from <= day


@lru_cache(maxsize=1024)
def _without_snapshot(model: str) -> str:
    """Asked for each price of a row: a day has thousands of rows, and a few models."""
    return _SNAPSHOT.sub("", model)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model, token type, tier, geo and context window, as they stand on a day."""

    entries: Sequence[Entry]
    web_search: Usd | None = None

    def entry(self, model: str | None, day: date) -> Entry | None:
        """The model's newest entry that is valid on `day`; None for an unknown model."""
        if model is None:
            return None
        names = model, _without_snapshot(model)
        valid = [entry for entry in self.entries if entry.has(names) and entry.holds(day)]
        return max(valid, key=lambda entry: entry.valid_from or date.min, default=None)

    def per_million(self, dimensions: Mapping[str, str | None], part: int, day: date) -> Usd | None:
        """Dollars for a million tokens of `part` (a place in `Counts`) in a row with these dimensions; for
        web searches for a million of them. None where the price or one of its factors is not known."""
        if part == SEARCHES:
            return None if self.web_search is None else Usd(EXACT.multiply(self.web_search, Decimal(MILLION)))
        entry = self.entry(dimensions.get("model"), day)
        if entry is None:
            return None
        long = entry.long if dimensions.get("context_window") == LONG_WINDOW else None
        price = (long or entry.prices).get(TOKEN_NAMES[part])
        for factor in (
            _tier_factor(entry, dimensions),
            _geo_factor(entry, dimensions),
            _fast(entry, dimensions),
        ):
            price = None if price is None or factor is None else EXACT.multiply(price, factor)
        return None if price is None else Usd(price)

    def tiered(self, model: str | None, day: date) -> bool:
        """Whether the model's price depends on something that usage cannot be split by."""
        entry = self.entry(model, day)
        return entry is not None and entry.above_tokens is not None


def _tier_factor(entry: Entry, dimensions: Mapping[str, str | None]) -> Decimal | None:
    match dimensions.get("service_tier"):
        case None | "standard":
            return _ONE
        case "batch":
            return entry.batch
    return None


def _geo_factor(entry: Entry, dimensions: Mapping[str, str | None]) -> Decimal | None:
    match dimensions.get("inference_geo"):
        case None | "global":
            return _ONE
        case "us":
            return entry.us
        case geo if geo == UNKNOWN_GEO:
            return _ONE
    return None


def _fast(entry: Entry, dimensions: Mapping[str, str | None]) -> Decimal | None:
    return entry.fast if dimensions.get("speed") == "fast" else _ONE


@lru_cache(maxsize=1)
def list_prices() -> PriceTable:
    """The table of this package, `prices.toml`."""
    text = resources.files("anthropic_metrics.spend").joinpath("prices.toml").read_text("utf-8")
    return read_table(tomllib.loads(text, parse_float=Decimal))


def configured_prices(settings: Iterable[PriceSettings]) -> PriceTable:
    """The configuration's own prices; factors that it leaves out are those of the list."""
    listed = list_prices()
    entries = []
    for own in settings:
        known = listed.entry(own.model, own.valid_from or date.max)
        prices = {name: price for name in TOKEN_NAMES if (price := getattr(own, name)) is not None}
        entries.append(
            Entry(
                frozenset({own.model}),
                prices,
                own.valid_from,
                batch=known.batch if own.batch is None and known else own.batch,
                us=known.us if own.us is None and known else own.us,
                fast=known.fast if own.fast is None and known else own.fast,
                source="configuration",
            )
        )
    return PriceTable(tuple(entries))


def read_table(data: Mapping[str, Any]) -> PriceTable:
    """A table from its parsed TOML, numbers as Decimal or int. KeyError for a missing price."""
    search = Decimal(data["web_search"]["usd"])
    return PriceTable(tuple(_entries(data["price"])), Usd(search))


def _entries(rows: Iterable[Mapping[str, Any]]) -> Iterable[Entry]:
    for row in rows:
        yield Entry(
            frozenset(row["models"]),
            _by_name(row),
            row.get("valid_from"),
            _by_name(row["long"]) if "long" in row else None,
            Decimal(row["batch"]),
            Decimal(row.get("us", 1)),
            Decimal(row["fast"]) if "fast" in row else None,
            row.get("above", {}).get("tokens"),
            row["source"],
            row["seen"],
        )


def _by_name(row: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(row[name]) for name in TOKEN_NAMES}

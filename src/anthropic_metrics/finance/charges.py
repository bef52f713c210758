"""A charge: what one kind of use cost on a UTC day. From the bill alone, or shared out over keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from anthropic_metrics.finance.period import Period
from anthropic_metrics.spend.allocate import Allocation, part_of
from anthropic_metrics.spend.money import Usd, total
from anthropic_metrics.spend.rows import (
    BILLED_DIMENSIONS,
    PART_NAMES,
    PRIORITY_TIERS,
    SEARCHES,
    TOKENS,
    WEB_SEARCH,
    Billed,
)

UNATTRIBUTED = "Unattributed"
OTHER_METER = PART_NAMES[-1]


@dataclass(frozen=True, slots=True)
class Charge:
    """`amount` for `quantity` tokens or web searches (`meter` says which) of one day.

    `dimensions` are those of usage: workspace, model, tier, and the key where the bill was shared out.
    `description` is the line of the bill, which shares have not.
    """

    day: date
    amount: Usd
    meter: str
    dimensions: Mapping[str, str | None] = field(default_factory=dict)
    cost_type: str | None = None
    description: str | None = None
    quantity: int = 0

    @property
    def workspace_id(self) -> str | None:
        return self.dimensions.get("workspace_id")

    @property
    def api_key_id(self) -> str | None:
        return self.dimensions.get("api_key_id")

    @property
    def model(self) -> str | None:
        return self.dimensions.get("model")

    @property
    def tokens(self) -> int:
        """Tokens; web searches are none."""
        return self.quantity if self.meter in PART_NAMES[:SEARCHES] else 0

    @property
    def is_committed(self) -> bool:
        """Whether a Priority Tier commitment pays for it: then the bill has no amount for it."""
        return self.dimensions.get("service_tier") in PRIORITY_TIERS


def of_bill(lines: Iterable[Billed]) -> Iterator[Charge]:
    """One charge for each line."""
    for line in lines:
        yield Charge(
            line.day,
            line.amount,
            PART_NAMES[part_of(line)],
            {name: getattr(line, name) for name in BILLED_DIMENSIONS},
            line.cost_type,
            line.description,
        )


def of_allocation(allocation: Allocation) -> Iterator[Charge]:
    """One charge per kind of use, key and further dimension of the day; the hours are added up.

    Their sum is that of the day's bill. What no key can carry has the key `Unattributed`.
    """
    sums: dict[tuple[tuple[tuple[str, str | None], ...], int], list[Usd]] = {}
    counts: dict[tuple[tuple[tuple[str, str | None], ...], int], int] = {}
    for share in allocation.shares:
        dimensions = tuple(share.used.dimensions.items())
        for part, amount in enumerate(share.parts):
            count = share.used.counts[part] if part <= SEARCHES else 0
            if amount or count:
                sums.setdefault((dimensions, part), []).append(amount)
                counts[dimensions, part] = counts.get((dimensions, part), 0) + count
    for (dimensions, part), amounts in sums.items():
        kind = WEB_SEARCH if part == SEARCHES else TOKENS
        quantity = counts[dimensions, part]
        yield Charge(allocation.day, total(amounts), PART_NAMES[part], dict(dimensions), kind, None, quantity)
    for rest in allocation.unattributed:
        own = {**rest.dimensions, "api_key_id": UNATTRIBUTED}
        for part, amount in enumerate(rest.parts):
            if amount:
                yield Charge(allocation.day, amount, PART_NAMES[part], own, rest.cost_type)


def amount_of(charges: Iterable[Charge]) -> Usd:
    """The exact sum."""
    return total(charge.amount for charge in charges)


def within(charges: Iterable[Charge], period: Period) -> list[Charge]:
    """Those of the days of `period`."""
    return [charge for charge in charges if period.start <= charge.day < period.end]

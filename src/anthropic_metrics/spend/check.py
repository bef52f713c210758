"""How far a day's early figures were off, once its bill is there; and which price was the cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from anthropic_metrics.spend.allocate import Allocation
from anthropic_metrics.spend.estimate import Estimate, Prices, estimate
from anthropic_metrics.spend.learn import Cell, cell_of
from anthropic_metrics.spend.money import ZERO, Usd, total
from anthropic_metrics.spend.rows import PART_NAMES, SEARCHES
from anthropic_metrics.spend.settle import day_of, day_start


@dataclass(frozen=True, slots=True)
class Cause:
    """The cell whose price was most off: what it was estimated at and what it was billed."""

    cell: Cell
    part: int
    estimated: Usd
    billed: Usd

    @property
    def difference(self) -> Usd:
        return Usd(total((self.estimated, Usd(-self.billed))))

    @property
    def label(self) -> str:
        """Such as `claude-opus-5-5 standard global output`."""
        return " ".join((*(value for _name, value in self.cell if value), PART_NAMES[self.part]))


@dataclass(frozen=True, slots=True)
class EstimateCheck:
    """One workspace on one UTC day; `workspace` is None where usage is not grouped by it.

    `billed` is the bill of what usage carries, so that it can be held against `estimated`; `unattributed` is
    the rest of the bill, which no estimate could know.
    """

    day: date
    workspace: str | None
    estimated: Usd
    billed: Usd
    unattributed: Usd
    unpriced_tokens: int
    cause: Cause | None

    @property
    def difference(self) -> Usd:
        """Estimated minus billed."""
        return Usd(total((self.estimated, Usd(-self.billed))))

    @property
    def share(self) -> float | None:
        """The difference as a share of what was billed, for people; None where nothing was."""
        return float(self.difference / self.billed) if self.billed else None


def known_before(day: date, settle_after: timedelta) -> date:
    """Bills of days before this one were settled when `day` began: its early figures were made of them."""
    return day_of(day_start(day) - settle_after)


def estimate_checks(allocation: Allocation, prices: Prices) -> list[EstimateCheck]:
    """A check per workspace of a settled day; `prices` are those that were known while it ran."""
    estimates = [estimate(share.used, prices) for share in allocation.shares]
    places: dict[str | None, list[int]] = {}
    for place, share in enumerate(allocation.shares):
        places.setdefault(share.used.dimensions.get("workspace_id"), []).append(place)
    grouped = (
        any("workspace_id" in share.used.dimensions for share in allocation.shares) or not allocation.shares
    )
    unattributed: dict[str | None, list[Usd]] = {}
    for line in allocation.unattributed:
        unattributed.setdefault(line.dimensions["workspace_id"] if grouped else None, []).append(line.amount)
    checks = []
    for workspace in sorted({*places, *unattributed}, key=lambda name: name or ""):
        own = places.get(workspace, [])
        checks.append(
            EstimateCheck(
                allocation.day,
                workspace,
                _amount(estimates[place].amount for place in own),
                _amount(allocation.shares[place].amount for place in own),
                total(unattributed.get(workspace, ())),
                sum(estimates[place].unpriced_tokens for place in own),
                _cause(allocation, estimates, own, prices),
            )
        )
    return checks


def _amount(amounts: Iterable[Usd | None]) -> Usd:
    return total(amount for amount in amounts if amount is not None)


def _cause(
    allocation: Allocation, estimates: Sequence[Estimate], own: Iterable[int], prices: Prices
) -> Cause | None:
    """Of these rows the cell with the largest difference; None if there is none."""
    sums: dict[tuple[Cell, int], tuple[list[Usd], list[Usd]]] = {}
    for place in own:
        cell = cell_of(allocation.shares[place].used.dimensions, prices.grouped)
        pairs = zip(estimates[place].parts, allocation.shares[place].parts, strict=True)
        for part, (early, late) in enumerate(pairs):
            if early or late:
                pair = sums.setdefault((() if part == SEARCHES else cell, part), ([], []))
                pair[0].append(early)
                pair[1].append(late)
    causes = [Cause(cell, part, total(early), total(late)) for (cell, part), (early, late) in sums.items()]
    worst = max(causes, key=lambda cause: abs(cause.difference), default=None)
    return worst if worst is not None and worst.difference != ZERO else None

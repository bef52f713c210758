"""What a digest says, from sums of spend: figures, movers and opportunities. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.kernel.ranges import Range

MOST = 5
# An opportunity below it is not worth a line.
_LEAST_USD = 1.0
# Of a key that reads less than so much from a cache, half is assumed to repeat; a read costs a tenth.
_POORLY_CACHED, _REPEATS, _READ_SAVES = 0.3, 0.5, 0.9
# A batch costs half.
_BATCH_SAVES = 0.5

Sums = Mapping[str, float]


@dataclass(frozen=True)
class Mover:
    """What costs more or less than in the period before."""

    name: str
    usd: float
    before: float

    @property
    def change(self) -> float:
        return self.usd - self.before


@dataclass(frozen=True)
class Opportunity:
    """What a key could have saved, `usd` in the period; `kind` is `cache` or `batch`."""

    kind: str
    key: str
    usd: float


@dataclass(frozen=True)
class UnusedKey:
    """An active key without use in 30 days; `last_used` None: our streams have never seen it used."""

    name: str
    last_used: datetime | None = None


@dataclass(frozen=True)
class Digest:
    """One period of one organization. `begins` is the first day of the streams, where it leaves out a part of
    the period or of the one before; `ends` is up to when usage was read, where a part of the period was not;
    `is_month_whole` is False where the month is not counted from its start, and then has no forecast.
    `estimated_usd` is the part of `usd` that is not billed yet; `drift` is estimated less billed, as a share
    of billed, where known. `limits_trouble` says why spend limits of the Console are missing from `budgets`
    or old."""

    organization: str
    time_range: Range
    usd: float
    before: float
    movers: Sequence[Mover]
    budgets: Sequence[BudgetState]
    forecast: Forecast | None
    cache_saved_usd: float
    opportunities: Sequence[Opportunity]
    unused_keys: Sequence[UnusedKey]
    drift: float | None
    estimated_usd: float = 0.0
    begins: date | None = None
    ends: datetime | None = None
    is_month_whole: bool = True
    limits_trouble: str = ""


def movers(now: Sums, before: Sums) -> list[Mover]:
    """The largest changes in either direction, the largest first."""
    moved = [Mover(name, now.get(name, 0.0), before.get(name, 0.0)) for name in {*now, *before}]
    moved = [mover for mover in moved if abs(mover.change) >= _LEAST_USD]
    return sorted(moved, key=lambda mover: (-abs(mover.change), mover.name))[:MOST]


def opportunities(uncached: Sums, read: Sums, standard: Sums) -> list[Opportunity]:
    """By key, from the cost of uncached input, of cache reads, and of the standard tier.

    `cache`: a key that reads less than 30 % of its input from a cache (at a tenth of the price), if half of
    what it sends repeats. `batch`: at most half of what a key costs in the standard tier, were all of it
    batches. Dollars of the period.
    """
    ranked_ = []
    for key, usd in uncached.items():
        tokens_read = read.get(key, 0.0) / (1 - _READ_SAVES)
        if usd > 0 and tokens_read / (tokens_read + usd) < _POORLY_CACHED:
            ranked_.append(Opportunity("cache", key, usd * _REPEATS * _READ_SAVES))
    ranked_ += [Opportunity("batch", key, usd * _BATCH_SAVES) for key, usd in standard.items()]
    ranked_ = [one for one in ranked_ if one.usd >= _LEAST_USD]
    ranked = sorted(ranked_, key=lambda one: (-one.usd, one.kind, one.key))
    return [one for kind in ("cache", "batch") for one in [x for x in ranked if x.kind == kind][:MOST]]


def drift(estimated: float, billed: float) -> float | None:
    """Estimated less billed, as a share of billed; None where nothing was billed."""
    return (estimated - billed) / billed if billed else None

"""What each day of a budget had, from our own streams: spend where it is collected, else the bill.

Sums of dollars are rounded to six digits: Elasticsearch adds binary numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings, Scope
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, USAGE, stream_name
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, HOUR, Range, ceil
from anthropic_metrics.spend.settle import day_of, day_start

_DIGITS = Decimal("0.000001")
_ESTIMATED = "estimated"
# A stream that has nothing older than today is being read, or the organization is new.
_LOOK_BACK = timedelta(days=31)
# The bill knows neither keys nor tokens.
_ON_THE_BILL: frozenset[Scope] = frozenset({"organization", "workspace", "tag", "team"})


@dataclass(frozen=True, slots=True)
class DaySum:
    """One UTC day of a budget, in dollars or tokens: what is settled, and what is an estimate."""

    settled: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Both together."""
        return self.settled + self.estimated


Days = Mapping[date, DaySum]


def counted_every(config: Config) -> timedelta:
    """How often budgets are counted: after each poll of what they are counted from."""
    return config.usage.interval if collects_spend(config) else config.cost.interval


def collects_spend(config: Config) -> bool:
    """Whether the spend stream is kept: budgets count it, today's hours included."""
    return config.spend.enabled and config.usage.enabled and "1h" in config.usage.granularities


def needs_spend(budget: BudgetSettings, config: Config) -> str:
    """Why this budget cannot be counted without the spend stream; empty if it can, or if it is there."""
    if collects_spend(config) or (budget.usd is not None and budget.scope in _ON_THE_BILL):
        return ""
    what = "tokens" if budget.usd is None else "API keys"
    return (
        f"budgets: {budget.name}: the bill has no {what}; the budget needs spend and hourly usage "
        "(1h), so it counts nothing."
    )


@dataclass(frozen=True)
class Ledger:
    """The days of one organization's streams in a namespace."""

    ask: Questions
    namespace: str
    organization_id: str
    from_spend: bool

    @property
    def stream(self) -> str:
        """Where the figures come from."""
        return stream_name(SPEND if self.from_spend else COST, self.namespace)

    @property
    def _source(self) -> str:
        """The stream that polls of the Admin API keep, and that the figures follow."""
        return stream_name(USAGE if self.from_spend else COST, self.namespace)

    def refresh(self) -> None:
        """Make all that was acknowledged visible to `days` and `read_to`."""
        self.ask.refresh(self.stream, stream_name(AGENT, self.namespace))

    def read_to(self, now: datetime) -> datetime | None:
        """Up to when polls have read what the figures come from, not later than `now`; None where no poll is
        known. Raises what the questions raise.

        Later hours come from polls that failed in part: nobody knows how far they read, so it is `now`.
        """
        read_to = self.ask.read_to(stream_name(AGENT, self.namespace), self.organization_id, self._source)
        if read_to is None or (after := ceil(read_to, HOUR)) >= now:
            return read_to and min(read_to, now)
        later = self.ask.windows(self._source, self.organization_id, Range(after, now), HOUR)
        return now if later else read_to

    def days(self, terms: Terms, time_range: Range, *, tokens: bool = False) -> Days:
        """Per UTC day of `time_range` that has documents what those with `terms` add up to."""
        if self.from_spend:
            field = f"anthropic.spend.{'total_tokens' if tokens else 'amount_usd'}"
            by = "anthropic.spend.basis"
        else:
            # One value in every document: all of them count as settled or not by their day.
            field, by = "anthropic.cost.amount_usd", "organization.id"
        amounts = self.ask.amounts(self.stream, self.organization_id, time_range, DAY, by, field, terms=terms)
        return {day_of(start): _sum(parts) for start, parts in amounts.items()}

    def coverage(self, since: datetime, now: datetime) -> Coverage:
        """What the stream has of the last month or of the time since. Raises what the questions raise."""
        time_range = Range(min(since, now - _LOOK_BACK), now)
        first = min(self.days({}, time_range), default=None)
        begun = Coverage(first, None)
        if begun.is_whole(since, now):
            return begun  # what polls have read need not be asked then
        source = self._source
        read_from = self.ask.read_from(stream_name(AGENT, self.namespace), self.organization_id, source)
        if self.from_spend and read_from is not None:
            # Spend is computed newest day first: it has followed usage when it reaches as far back.
            used = min(self.ask.windows(source, self.organization_id, time_range, DAY), default=None)
            if used is not None and (first is None or first > day_of(used)):
                read_from = None
        return Coverage(first, read_from)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far back figures reach. `first` is the first day that has any, None where none has; `read_from` the
    start of what was read to its end, and is in the figures, None where that is not known."""

    first: date | None
    read_from: datetime | None

    def is_whole(self, start: datetime, now: datetime) -> bool:
        """Whether a period from `start` is counted from its start: a history is read newest days first, so a
        stream that begins later is complete only where nothing was used before.

        A stream that begins today may lack the day's first hours.
        """
        if self.read_from is not None and self.read_from <= start:
            return True
        return self.first is not None and day_start(self.first) <= start and self.first != day_of(now)


def _sum(parts: Mapping[str, float]) -> DaySum:
    estimated = Decimal(repr(parts.get(_ESTIMATED, 0.0)))
    settled = sum(
        (Decimal(repr(amount)) for basis, amount in parts.items() if basis != _ESTIMATED), Decimal(0)
    )
    return DaySum(settled.quantize(_DIGITS), estimated.quantize(_DIGITS))

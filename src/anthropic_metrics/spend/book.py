"""The prices of every day, as the bills of settled days taught them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from anthropic_metrics.derived.runs import unbroken_days
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.estimate import Prices
from anthropic_metrics.spend.inputs import Inputs
from anthropic_metrics.spend.learn import LOOK_BACK, Key, Learned, newest
from anthropic_metrics.spend.plan import Known, SpendSources
from anthropic_metrics.spend.settle import day_start
from anthropic_metrics.spend.table import PriceTable, list_prices


@dataclass(frozen=True)
class _Settled:
    """What a settled day says about prices, and the states of the inputs that it was read from."""

    states: tuple[State | None, ...]
    learned: Mapping[Key, Learned]


class PriceBook:
    """The prices of every day, those of the bill read once for each settled day. A cache."""

    def __init__(self, group_by: tuple[str, ...], configured: PriceTable) -> None:
        self._group_by = group_by
        self._configured = configured
        self._days: dict[date, _Settled] = {}
        self._left_out: date | None = None

    def read(self, inputs: Inputs, sources: SpendSources, time_range: Range) -> None:
        """Read the settled days of the sources whose usage or bill is new; forget what is no longer settled.

        `sources` begins `LOOK_BACK` before `time_range`, so that each of its days has all that it can learn
        from.
        """
        self._left_out = sources.begins_within
        new = [day for day in sources.settled if self._states(day) != sources.states(day)]
        for days in unbroken_days(sorted(new), lambda day: sources.cost[day].documents):
            for day, prices in inputs.day_prices(days).items():
                self._days[day] = _Settled(sources.states(day), prices.learned())
        oldest = time_range.start - LOOK_BACK
        for day in [day for day in self._days if day_start(day) < time_range.end]:
            if day_start(day) < oldest or day not in sources.settled:
                del self._days[day]

    def known(self, before: date) -> Known:
        """Of each cell the price on the newest settled day before `before` that has its usage whole."""
        days = ((day, prices.learned) for day, prices in self._days.items() if day != self._left_out)
        return newest(days, before)

    def prices(self, day: date, known: Known) -> Prices:
        """The prices for `day`, with `known` as those of the bill."""
        return Prices(day, self._group_by, known, self._configured, list_prices())

    def _states(self, day: date) -> tuple[State | None, ...] | None:
        prices = self._days.get(day)
        return None if prices is None else prices.states

"""The forecast of a period's end: weekday profile times level and trend, what today shows, and an 80 % band.

Days are whole UTC days; amounts are dollars or tokens, exact where they come in. A forecast itself is a
statistic: what it expects is a float, and no exact figure is made of it. The future of a period is the sum of
its days that are left, each of them level times the share that its weekday has of a usual day. The band comes
from how far the same forecast was off at earlier days of the same history, so that a series with bursts has a
wide one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt

from anthropic_metrics.forecast.series import LONGEST_JUDGED, Day, Level, go_on, levelled, weekday_shares

HISTORY = timedelta(days=91)
"""How far back days count."""
FEW_DAYS = 14
"""Complete days below which a band rests on assumptions."""
_DAY = timedelta(days=1)
# 80 of 100 values of a normal distribution lie within so many standard deviations.
_Z80 = 1.2816
# A miss over more days grows faster than by their root, since the level itself moves.
_GROWTH = 0.8
# The ways are chosen by the same days that the miss is measured at, which flatters it.
_WIDER = 1.1
# What a day and a level are assumed to be off by where the history does not tell, as shares of the level.
_ASSUMED_NOISE, _ASSUMED_DRIFT = 0.35, 0.25


@dataclass(frozen=True, slots=True)
class Forecast:
    """A period's end: the figure in the middle, and the band that holds it in 80 of 100 cases.

    `days` is the number of complete days it rests on; below FEW_DAYS the band is an assumption. `coming` is
    what each day that is left is expected to add, the first one that is not complete first.
    """

    expected: float
    low: float
    high: float
    days: int
    coming: tuple[tuple[date, float], ...] = ()

    def passes(self, limit: Decimal) -> date | None:
        """The day on which the expected figure goes above `limit`; None where it does not by the end."""
        total = self.expected - sum(amount for _, amount in self.coming)
        for day, amount in self.coming:
            total += amount
            if total > limit:
                return day
        return None

    def at_least(self, spent: Decimal) -> Forecast:
        """The same, nowhere below what is spent already."""
        least = float(spent)
        return replace(
            self,
            expected=max(self.expected, least),
            low=max(self.low, least),
            high=max(self.high, least),
        )

    @property
    def is_young(self) -> bool:
        """Whether the band rests on assumptions more than on the history."""
        return self.days < FEW_DAYS


def forecast(
    history: Mapping[date, Decimal],
    spent: Decimal,
    first: date,
    end: date,
    passed: float = 0.0,
    begin: date | None = None,
) -> Forecast:
    """The figure at `end` (exclusive) of a period that has `spent` so far, what `first` has included.

    `history` has complete days; those missing between its first and `first` count as nothing. `first` is the
    first day that is not complete, and `passed` is how much of it is known (0 to 1). The period starts at
    `begin`, where that is later than `first`: the days between them add nothing to it.
    """
    days = _consecutive(history, first)
    until = max((end - first).days, 0)
    before = 0 if begin is None else max((begin - first).days, 0)
    left, so_far = until - before, float(spent)
    if left <= 0:
        return Forecast(so_far, so_far, so_far, len(days))
    passed = 0.0 if before else min(max(passed, 0.0), 1.0)
    shares = weekday_shares(days)
    series = [Level(amount / shares[day.weekday()], shares[day.weekday()]) for day, amount in days]
    to_come = [first + n * _DAY for n in range(before, until)]
    coming = [shares[day.weekday()] for day in to_come]
    coming[0] *= 1.0 - passed
    levels, miss = go_on(levelled(series), until)
    added = [level * share for level, share in zip(levels[before:], coming, strict=True)]
    middle = sum(added)
    spread = middle * _width(len(days), left, miss) * sqrt((left - passed) / left)
    return Forecast(
        so_far + middle,
        so_far + max(0.0, middle - spread),
        so_far + middle + spread,
        len(days),
        tuple(zip(to_come, added, strict=True)),
    )


def _consecutive(history: Mapping[date, Decimal], first: date) -> list[Day]:
    """The days before `first`, from the earliest known on, no more than count."""
    known = [day for day in history if first - HISTORY <= day < first]
    if not known:
        return []
    begin = min(known)
    days = (begin + n * _DAY for n in range((first - begin).days))
    return [(day, float(history.get(day, 0))) for day in days]


def _width(days: int, left: int, miss: float | None) -> float:
    """Half the width of the band as a share: measured at earlier days, mixed with assumptions."""
    assumed = sqrt(_ASSUMED_NOISE**2 / left + _ASSUMED_DRIFT**2)
    measured = assumed if miss is None else miss * (left / min(left, LONGEST_JUDGED)) ** (_GROWTH - 0.5)
    trust = min(1.0, max(0, days - FEW_DAYS) / FEW_DAYS)
    return _Z80 * _WIDER * (trust * measured + (1 - trust) * max(assumed, measured))

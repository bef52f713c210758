"""Simulated years of daily amounts in four shapes, and how far a forecast of each month's end is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import exp
from random import Random

from anthropic_metrics.forecast.model import forecast

DAY = timedelta(days=1)
START = date(2025, 1, 1)
YEAR = 365
SHAPES = ("steady", "ramp", "step", "bursts")
_WEEK = (1.15, 1.2, 1.2, 1.15, 1.05, 0.6, 0.65)
_LEVELS = (1.0, 1.8, 0.9, 2.2)  # of the quarters of a year in steps
_NOISE = 0.12
_FIRST_MONTH = 2  # the first that has a month before it

# Forecast, same rate, last seven days: off by these shares; and whether the band held the truth.
Miss = tuple[float, float, float, bool]


@dataclass(frozen=True)
class Score:
    """The mean error of the forecast and the two baselines, as shares of the month, and the band's cover."""

    forecast: float
    same_rate: float
    last_seven: float
    covered: float


def year(shape: str, seed: int) -> dict[date, float]:
    """Daily amounts: a weekly rhythm and noise around a level that is steady, rises to four times, changes
    at once every quarter, or has bursts of one to three days at two to four times the usual."""
    random, burst, found = Random(f"{shape} {seed}"), 0, {}
    for n in range(YEAR):
        day = START + n * DAY
        level = 100.0
        if shape == "ramp":
            level *= 1 + 3 * n / YEAR
        if shape == "step":
            level *= _LEVELS[min(3, n // (YEAR // 4 + 1))]
        amount = level * _WEEK[day.weekday()] * exp(random.gauss(0, _NOISE))
        if shape == "bursts":
            if not burst and random.random() < 0.06:
                burst = random.randint(1, 3)
            if burst:
                amount *= random.uniform(2, 4)
                burst -= 1
        found[day] = amount
    return found


def score(shape: str, seeds: int, every: int = 1) -> Score:
    """Over `seeds` years, at every day (or each `every`-th) from February on, at a time of that day."""
    misses = [miss for seed in range(seeds) for miss in _misses(year(shape, seed), Random(seed), every)]
    count = len(misses)
    errors = [sum(abs(miss[place]) for miss in misses) / count for place in range(3)]
    return Score(errors[0], errors[1], errors[2], sum(miss[3] for miss in misses) / count)


def _misses(
    amounts: Mapping[date, float], random: Random, every: int
) -> Iterator[tuple[float, float, float, bool]]:
    for day in list(amounts)[::every]:
        if day.month < _FIRST_MONTH:
            continue
        first = day.replace(day=1)
        end = (first + 31 * DAY).replace(day=1)
        days = (end - first).days
        total = sum(amounts[first + n * DAY] for n in range(days))
        passed = random.random()
        spent = sum(amounts[first + n * DAY] for n in range((day - first).days)) + amounts[day] * passed
        elapsed = (day - first).days + passed
        history = {earlier: Decimal(amount) for earlier, amount in amounts.items() if earlier < day}
        said = forecast(history, Decimal(spent), day, end, passed)
        rate = spent / elapsed * days
        seven = spent + sum(amounts[day - n * DAY] for n in range(1, 8)) / 7 * (days - elapsed)
        yield (
            (said.expected - total) / total,
            (rate - total) / total,
            (seven - total) / total,
            said.low <= total <= said.high,
        )

"""A series of days as levels: what a day is without its weekday, and how such levels go on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from math import sqrt
from typing import NamedTuple

_WEEK = 7
# A weekday's share is drawn towards 1 as if this many usual weeks had been seen too.
_PRIOR_WEEKS = 1.5
# A share of nothing would make a level infinite.
_LEAST_SHARE = 0.02
# Ways to continue a series: the mean of a recent stretch, by the days in which a day's weight halves, and a
# straight line through so many days. Each counts by how well it did lately.
_HALF_LIVES = (2.5, 7.0, 30.0)
_LINES = (28, 70)
_SHARPNESS = 3.0
# Days of the past at which the ways are judged, and the longest stretch that they are judged by.
_ORIGINS = 49
LONGEST_JUDGED = 14
# A sudden change of level is looked for in so many days, and believed after so many.
_STEP_WITHIN, _SETTLED = 49, 4
_CLEARLY, _BETTER = 2.5, 0.7
# Of the worst way's miss: less counts as no miss at all.
_NEGLIGIBLE = 1e-9

Day = tuple[date, float]


class Level(NamedTuple):
    """A day's amount divided by the share of its weekday, and that share, which is also its weight."""

    value: float
    share: float


Series = Sequence[Level]
Way = Callable[[Series, int], list[float]]


def weekday_shares(days: Sequence[Day]) -> tuple[float, ...]:
    """Each weekday against the mean of the seven days around it, drawn towards 1 while weeks are few."""
    ratios: list[list[float]] = [[] for _ in range(_WEEK)]
    amounts = [amount for _, amount in days]
    for place in range(3, len(days) - 3):
        around = sum(amounts[place - 3 : place + 4]) / _WEEK
        if around > 0:
            ratios[days[place][0].weekday()].append(amounts[place] / around)
    raw = [
        (_middle(shares_) * len(shares_) + _PRIOR_WEEKS) / (len(shares_) + _PRIOR_WEEKS) for shares_ in ratios
    ]
    mean = sum(raw) / _WEEK
    return tuple(max(share / mean, _LEAST_SHARE) for share in raw)


def _middle(values: Sequence[float]) -> float:
    """The mean without the extremes."""
    if not values:
        return 1.0
    cut = len(values) // 5
    middle = sorted(values)[cut : len(values) - cut]
    return sum(middle) / len(middle)


def levelled(series: Series) -> list[Level]:
    """The series as if its latest sudden change of level had always been: the days before are scaled.

    A change is sudden where two levels explain the last weeks far better than a straight line does, and it is
    believed after _SETTLED days, so that a burst is none.
    """
    last = [level.value for level in series[-_STEP_WITHIN:]]
    if len(last) < 2 * _SETTLED:
        return list(series)
    splits = range(_SETTLED, len(last) - _SETTLED + 1)
    split = min(splits, key=lambda place: _square(last[:place]) + _square(last[place:]))
    before, after = last[:split], last[split:]
    near = before[-_WEEK:]
    mean_before, mean_after = sum(near) / len(near), sum(after) / len(after)
    stepped = _square(before) + _square(after)
    is_clear = abs(mean_after - mean_before) >= _CLEARLY * sqrt(stepped / len(last))
    is_sudden = stepped <= _BETTER * _line_square(last)
    if mean_before <= 0 or mean_after <= 0 or not is_clear or not is_sudden:
        return list(series)
    ratio = mean_after / mean_before
    count = len(series) - len(after)
    scaled = [Level(level.value * ratio, level.share) for level in series[:count]]
    return scaled + list(series[count:])


def _square(values: Sequence[float]) -> float:
    """The squares of the distances from the mean, summed up."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def _line_square(values: Sequence[float]) -> float:
    """The squares of the distances from the straight line that fits best."""
    middle = (len(values) - 1) / 2
    places = [place - middle for place in range(len(values))]
    slope = sum(x * y for x, y in zip(places, values, strict=True)) / sum(x * x for x in places)
    mean = sum(values) / len(values)
    return sum((y - mean - slope * x) ** 2 for x, y in zip(places, values, strict=True))


def go_on(series: Series, count: int) -> tuple[list[float], float | None]:
    """The levels of the `count` days to come, and by how much such a forecast was off lately.

    The miss is the root of the mean square, as a share of what was said, over at most LONGEST_JUDGED days;
    None where nothing can be judged.
    """
    if not series:
        return [0.0] * count, None
    ways: list[Way] = [partial(_fading, half_life) for half_life in _HALF_LIVES]
    ways += [partial(_line, length) for length in _LINES if len(series) >= length // 2]
    said, true = _earlier(series, ways, min(count, LONGEST_JUDGED))
    misses = [
        sum((row[n] - value) ** 2 for row, value in zip(said, true, strict=True)) for n in range(len(ways))
    ]
    weights = _weights(misses)
    mixture = [0.0] * count
    for way, weight in zip(ways, weights, strict=True):
        mixture = [a + weight * b for a, b in zip(mixture, way(series, count), strict=True)]
    mixed = [sum(w * value for w, value in zip(weights, row, strict=True)) for row in said]
    shares = [(value / mix - 1) ** 2 for value, mix in zip(true, mixed, strict=True) if mix > 0]
    return mixture, sqrt(sum(shares) / len(shares)) if shares else None


def _earlier(series: Series, ways: Sequence[Way], count: int) -> tuple[list[list[float]], list[float]]:
    """At earlier days: what each way would have said of the `count` days that followed, and what they had."""
    said, true = [], []
    for origin in range(max(_WEEK, len(series) - count - _ORIGINS), len(series) - count + 1):
        follow = series[origin : origin + count]
        said.append(
            [
                sum(value * day.share for value, day in zip(way(series[:origin], count), follow, strict=True))
                for way in ways
            ]
        )
        true.append(sum(day.value * day.share for day in follow))
    return said, true


def _weights(misses: Sequence[float]) -> list[float]:
    """The better a way did, the more it counts; all of them count alike where none was off."""
    negligible = max(misses) * _NEGLIGIBLE
    if not negligible:
        return [1 / len(misses)] * len(misses)
    least = min(misses) + negligible
    raw = [(least / (miss + negligible)) ** _SHARPNESS for miss in misses]
    return [weight / sum(raw) for weight in raw]


def _fading(half_life: float, series: Series, count: int) -> list[float]:
    """The mean of the past, in which a day counts half of the day `half_life` days later, goes on."""
    fade = 0.5 ** (1 / half_life)
    total = weight = 0.0
    for value, share in series:
        total, weight = total * fade + value * share, weight * fade + share
    return [total / weight] * count


def _line(length: int, series: Series, count: int) -> list[float]:
    """The straight line through the last `length` days goes on, never below nothing."""
    last = series[-length:]
    weight = sum(day.share for day in last)
    middle = sum(place * day.share for place, day in enumerate(last)) / weight
    mean = sum(day.value * day.share for day in last) / weight
    square = sum((place - middle) ** 2 * day.share for place, day in enumerate(last))
    rise = sum((place - middle) * day.value * day.share for place, day in enumerate(last))
    slope = rise / square if square else 0.0
    return [max(0.0, mean + slope * (len(last) + n - middle)) for n in range(count)]

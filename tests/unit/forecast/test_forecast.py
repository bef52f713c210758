"""The forecast on series whose continuation is known, and on histories that tell little or nothing."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from anthropic_metrics.forecast.model import FEW_DAYS, Forecast, forecast

DAY = timedelta(days=1)
MONDAY = date(2026, 8, 3)
# Three times as much on a working day.
WEEK = (30.0, 30.0, 30.0, 30.0, 30.0, 10.0, 10.0)


def weekly(count: int, first: date = MONDAY) -> dict[date, float]:
    return {first + n * DAY: WEEK[(first + n * DAY).weekday()] for n in range(count)}


def ahead(history: dict[date, float], first: date, left: int, passed: float = 0.0) -> Forecast:
    exact = {day: Decimal(amount) for day, amount in history.items()}
    return forecast(exact, Decimal(100), first, first + left * DAY, passed)


def test_a_weekly_rhythm_goes_on_by_weekday() -> None:
    history = weekly(70)
    friday = MONDAY + 74 * DAY
    seen = ahead(weekly(74), friday, 3)
    assert seen.expected == pytest.approx(100 + 50, rel=0.03)
    assert [day.weekday() for day, _ in seen.coming] == [4, 5, 6]
    assert seen.coming[0][1] > 2.2 * seen.coming[1][1]
    assert ahead(history, MONDAY + 70 * DAY, 7).expected == pytest.approx(100 + 170, rel=0.02)


def test_of_today_only_what_has_not_passed_is_added() -> None:
    first = MONDAY + 70 * DAY
    seen = ahead(weekly(70), first, 1, passed=0.75)
    assert seen.expected == pytest.approx(100 + 30 * 0.25, rel=0.05)
    ended = ahead(weekly(70), first, 1, passed=1.0)
    assert (ended.low, ended.expected, ended.high) == (100, 100, 100)


def test_a_line_goes_on_rising_and_never_falls_below_nothing() -> None:
    rising = {MONDAY + n * DAY: 100.0 + n for n in range(70)}
    assert ahead(rising, MONDAY + 70 * DAY, 10).expected == pytest.approx(100 + 1745, rel=0.02)
    falling = {MONDAY + n * DAY: max(0.0, 69.0 - n) for n in range(70)}
    seen = ahead(falling, MONDAY + 70 * DAY, 10)
    assert seen.expected >= seen.low >= 100


def test_a_sudden_new_level_counts_after_a_few_days() -> None:
    stepped = {day: amount * (4 if n >= 65 else 1) for n, (day, amount) in enumerate(weekly(70).items())}
    assert ahead(stepped, MONDAY + 70 * DAY, 7).expected == pytest.approx(100 + 4 * 170, rel=0.1)


def test_a_single_burst_is_no_new_level() -> None:
    history = weekly(70)
    history[MONDAY + 66 * DAY] *= 8
    assert ahead(history, MONDAY + 70 * DAY, 7).expected < 100 + 2 * 170


@pytest.mark.parametrize("count", [1, 3, 7, FEW_DAYS - 1])
def test_few_days_have_a_wide_band_and_say_so(count: int) -> None:
    seen = ahead({MONDAY + n * DAY: 10.0 for n in range(count)}, MONDAY + count * DAY, 20)
    assert seen.is_young
    assert seen.expected == pytest.approx(300, rel=0.05)
    assert seen.high - seen.low > 0.4 * 200


def test_no_history_expects_nothing_and_a_period_that_has_ended_is_what_it_is() -> None:
    assert ahead({}, MONDAY, 10).expected == 100
    ended = ahead(weekly(70), MONDAY + 70 * DAY, 0)
    assert (ended.low, ended.expected, ended.high, ended.coming) == (100, 100, 100, ())


def test_days_without_documents_count_as_nothing() -> None:
    history = {day: amount for day, amount in weekly(70).items() if day.weekday() < 5}
    assert ahead(history, MONDAY + 70 * DAY, 7).expected == pytest.approx(100 + 150, rel=0.05)


def test_the_day_on_which_a_limit_is_passed_is_the_first_above_it() -> None:
    seen = ahead({MONDAY + n * DAY: 10.0 for n in range(70)}, MONDAY + 70 * DAY, 10)
    assert seen.passes(Decimal(125)) == MONDAY + 72 * DAY
    assert seen.passes(Decimal(seen.expected) + 1) is None
    assert seen.passes(Decimal(50)) == MONDAY + 70 * DAY

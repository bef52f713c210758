"""Trend, the day growth reaches the limit, what-if, and which windows are asked for together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.derived.due import window_starts
from anthropic_metrics.elastic.outlook import Line
from anthropic_metrics.headroom.whatif import what_if
from anthropic_metrics.kernel.ranges import Range
from tests.harness.headroom_samples import AWARE, NINE, OUTPUT, group, limits, use

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def line(tokens: int, before: int | None) -> Line:
    return Line(None, "Opus", OUTPUT, 1000, tokens, tokens / 1000, NOW, 0.1, 0.1, 0, 0, tokens, before)


@pytest.mark.parametrize(
    ("tokens", "before", "weeks"),
    [(800, 700, 2), (950, 900, 1), (1000, 900, 0), (1200, None, 0), (800, 800, None), (700, 800, None)],
)
def test_growth_goes_on_by_as_many_tokens_every_week(
    tokens: int, before: int | None, weeks: int | None
) -> None:
    expected = None if weeks is None else NOW + timedelta(weeks=weeks)
    assert line(tokens, before).reached_at(NOW) == expected


def test_a_line_through_two_weeks_says_nothing_about_years_later() -> None:
    assert line(100, 99).reached_at(NOW) is None


def test_without_a_week_before_there_is_no_trend() -> None:
    assert line(800, None).trend is None
    assert line(800, 0).trend is None
    assert line(880, 800).trend == pytest.approx(0.1)


def test_what_if_holds_the_same_minutes_against_both_limits() -> None:
    uses = [use(minute, workspace=None, output=output) for minute, output in enumerate((90, 50, 101))]
    (case,) = what_if(uses, limits(group(**{OUTPUT: 100})), group(**{OUTPUT: 100}), {OUTPUT: 50}, 100)
    assert case.was is not None
    assert (case.was.peak_share, case.was.above_80, case.was.above_100) == (1.01, 2, 1)
    assert (case.would_be.peak_share, case.would_be.above_80, case.would_be.above_100) == (2.02, 3, 2)
    assert case.would_be.peak_minute == NINE + 120
    # 97 of 100 minutes were idle.
    assert case.would_be.p95_share == 0


def test_what_if_holds_each_workspace_against_the_new_limit_alone() -> None:
    uses = [use(output=60), use(workspace="w2", output=30), use(workspace=None, output=90)]
    found = what_if(uses, limits(group(**{OUTPUT: 100})), group(**{OUTPUT: 100}), {OUTPUT: 60}, 60)
    assert [(case.workspace, case.would_be.peak_share) for case in found] == [
        (None, 1.5),
        ("w1", 1.0),
        ("w2", 0.5),
    ]


def test_what_if_takes_a_limit_that_was_not_there() -> None:
    (case,) = what_if([use()], limits(group(**{OUTPUT: 100})), group(**{OUTPUT: 100}), {AWARE: 240}, 60)
    assert (case.was, case.would_be.peak_share) == (None, 0.5)


def test_a_range_touches_the_windows_at_both_of_its_ends() -> None:
    span = Range(NOW + timedelta(minutes=4), NOW + timedelta(minutes=10, seconds=1))
    window = timedelta(minutes=5)
    assert list(window_starts(span, window)) == [NOW, NOW + window, NOW + 2 * window]
    assert list(window_starts(Range(NOW, NOW), window)) == []

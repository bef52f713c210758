"""What is known of empty ranges, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from anthropic_metrics.elastic.empty_ranges import LIFETIME, EmptyRanges
from anthropic_metrics.kernel.ranges import Range

START = datetime(2026, 11, 20, tzinfo=UTC)


def hours(start: int, end: int) -> Range:
    return Range(START + timedelta(hours=start), START + timedelta(hours=end))


def test_what_is_about_to_be_written_is_no_longer_empty_and_the_rest_on_both_sides_is() -> None:
    vacant = EmptyRanges()
    vacant.note("a", hours(0, 10))
    vacant.take("a", hours(4, 5))
    assert [vacant.holds("a", hours(at, at + 1)) for at in range(11)] == [True] * 4 + [False] + [True] * 5 + [
        False
    ]
    assert not vacant.holds("a", hours(3, 6))
    assert not vacant.holds("b", hours(0, 1))


def test_an_empty_range_is_believed_for_a_short_time() -> None:
    now = 100.0
    vacant = EmptyRanges(lambda: now)
    vacant.note("a", hours(0, 10))
    now += LIFETIME - 1
    vacant.take("a", hours(0, 1))
    assert vacant.holds("a", hours(1, 2))
    now += 1
    assert not vacant.holds("a", hours(1, 2))


def test_a_conflict_ends_it() -> None:
    vacant = EmptyRanges()
    vacant.note("a", hours(0, 10))
    vacant.forget("a")
    assert not vacant.holds("a", hours(0, 1))

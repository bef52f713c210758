"""What `spend` says of the hours that its figures leave out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from anthropic_metrics.cli.spend import _Hours
from anthropic_metrics.kernel.ranges import Range

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def notes(hours: Iterable[datetime], *, back: timedelta, minutes_ago: int = 20) -> list[str]:
    """For a range until noon, at a time before noon, of a stream with documents in these hours."""
    seen = _Hours()
    assert len(list(seen.seen({"@timestamp": hour.isoformat()} for hour in hours))) == len(list(hours))
    return list(seen.notes(Range(NOON - back, NOON), NOON - timedelta(minutes=minutes_ago)))


def test_an_hour_that_is_not_complete_is_said_and_a_closed_one_is_not() -> None:
    hours = [NOON - HOUR, NOON - 24 * HOUR]
    assert notes(hours, back=24 * HOUR) == ["The hour from 2026-11-20 11:00 UTC is not complete yet."]
    assert notes(hours, back=24 * HOUR, minutes_ago=0) == []


def test_usage_that_ends_before_the_range_does_is_said() -> None:
    (note,) = notes([NOON - 3 * HOUR, NOON - 24 * HOUR], back=24 * HOUR)
    assert note.startswith(
        "The newest hour with usage is 2026-11-20 09:00 UTC: later use is not in the stream"
    )


def test_a_stream_that_begins_within_the_range_is_said() -> None:
    hours = [NOON - HOUR, NOON - 48 * HOUR]
    (note,) = notes(hours, back=400 * 24 * HOUR, minutes_ago=0)
    assert note == "The stream has no data of this range before 2026-11-18 12:00 UTC."


def test_nothing_is_said_of_hours_where_there_are_none() -> None:
    assert notes([], back=24 * HOUR) == []

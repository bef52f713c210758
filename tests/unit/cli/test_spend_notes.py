from datetime import UTC, datetime, timedelta

from anthropic_metrics.cli.spend import _open_hour
from anthropic_metrics.kernel.ranges import Range

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_hour_that_is_not_complete_is_said_and_a_closed_one_is_not() -> None:
    hours = Range(NOON - timedelta(hours=24), NOON)
    assert list(_open_hour(hours, NOON - timedelta(minutes=20))) == [
        "The hour from 2026-11-20 11:00 UTC is not complete yet."
    ]
    assert list(_open_hour(hours, NOON)) == []

"""Dates as commands take them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anthropic_metrics.cli.dates import moment
from anthropic_metrics.errors import ConfigError

NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01", "2026-01-01T00:00"),
        ("2026-01-01T12:00Z", "2026-01-01T12:00"),
        ("2026-01-01T12:00+02:00", "2026-01-01T10:00"),
        ("2026-01-01 12:00", "2026-01-01T12:00"),
        ("7d", "2026-11-18T15:30"),
        ("-7d", "2026-11-18T15:30"),
        ("90m", "2026-11-25T14:00"),
        ("now", "2026-11-25T15:30"),
        ("today", "2026-11-25T00:00"),
        ("Yesterday", "2026-11-24T00:00"),
        ("this-week", "2026-11-23T00:00"),
        ("last-week", "2026-11-16T00:00"),
        ("this-month", "2026-11-01T00:00"),
        ("last-month", "2026-10-01T00:00"),
        ("this-year", "2026-01-01T00:00"),
    ],
)
def test_a_date_is_a_day_a_time_a_length_or_a_word(text: str, expected: str) -> None:
    assert moment(text, "--since", NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesteday", "'yesteday' is not a date; write a day (2026-01-01)"),
        ("1 week", "'1 week' is not a date; write a day (2026-01-01), a time (2026-01-01T12:00Z), a length"),
        ("sk-ant-admin01-abcdefgh", "the value is not a date"),
        ("0001-01-01", "must lie between 2020-01-01 and 2100-01-01"),
        ("9999-12-31T23:59-23:00", "is not a date"),
        ("9999-12-31", "must lie between"),
        ("999999d", "must be at most 36500d"),
        ("36500d", "must lie between"),
        ("99999999999d", "must be a whole number with a unit"),
        ("0d", "must be longer than"),
        ("٣m", "is not a date"),
        ("", "is not a date"),
    ],
)
def test_what_is_no_date_is_one_message_that_names_the_option(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        moment(text, "--since", NOW)
    assert str(caught.value).startswith("--since: ")
    assert said in str(caught.value)

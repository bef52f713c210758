"""Which days a question about costs is about, and which questions are refused in one sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.period import Period, between, month

NOW = datetime(2026, 11, 25, 16, 30, tzinfo=UTC)


def test_a_month_has_its_days_and_the_month_before_it() -> None:
    march = month("2024-03", NOW)

    assert (march.start, march.end, march.label) == (date(2024, 3, 1), date(2024, 4, 1), "2024-03")
    assert march.before == Period(date(2024, 2, 1), date(2024, 3, 1), is_month=True)
    assert len(list(march.before.days())) == 29
    assert month("2026-01", NOW).before.label == "2025-12"


def test_the_words_mean_the_months_around_today() -> None:
    assert (month("this-month", NOW).label, month("last-month", NOW).label) == ("2026-11", "2026-10")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-12", "--month: 2026-12 has not begun; today is 2026-11-25"),
        ("2019-12", "--month: 2019-12 lies before 2020, when there was no bill"),
        ("2026-13", "--month: the value is not a month; write 2026-10, last-month or this-month"),
        ("oktober", "--month: the value is not a month; write 2026-10, last-month or this-month"),
    ],
)
def test_a_month_that_cannot_have_a_bill_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        month(text, NOW)

    assert str(caught.value) == said


def test_only_the_days_that_have_begun_are_read() -> None:
    assert month("2026-11", NOW).until(NOW).end == datetime(2026, 11, 26, tzinfo=UTC)
    assert month("2026-10", NOW).until(NOW).end == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_range_has_whole_days_and_as_many_before_it() -> None:
    found = between(NOW - timedelta(days=9), NOW - timedelta(days=2), NOW)

    assert (found.start, found.end) == (date(2026, 11, 16), date(2026, 11, 24))
    assert found.before == Period(date(2026, 11, 8), date(2026, 11, 16))
    assert found.label == "2026-11-16 to 2026-11-23"


def test_a_range_in_the_future_or_without_days_is_refused() -> None:
    with pytest.raises(ConfigError, match="--since: 2026-11-26 lies in the future"):
        between(NOW + timedelta(days=1), NOW + timedelta(days=3), NOW)
    with pytest.raises(ConfigError, match="--until: 2026-11-20 is not after --since, 2026-11-20"):
        between(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC), NOW)


def test_the_first_days_of_a_period_are_called_by_their_numbers_within_a_month() -> None:
    february = month("2026-02", NOW)
    assert february.part_label(february.first_days(25)) == "days 1 to 25 of 2026-02"
    assert february.part_label(february.first_days(1)) == "day 1 of 2026-02"
    assert february.part_label(february.first_days(30)) == "2026-02"
    days = Period(date(2026, 11, 8), date(2026, 11, 16))
    assert days.part_label(days.first_days(3)) == "2026-11-08 to 2026-11-10"

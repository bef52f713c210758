"""The days that a question about costs is about: a calendar month, or a range of whole UTC days. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.quoting import quoted
from anthropic_metrics.spend.settle import day_of, day_start

FIRST_YEAR = 2020  # before there was anything to bill
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days from `start`, inclusive, to `end`, exclusive. `is_month`: a calendar month."""

    start: date
    end: date
    is_month: bool = False

    @property
    def label(self) -> str:
        """Such as `2026-10`, or `2026-10-01 to 2026-10-15` with both days inside."""
        if self.is_month:
            return f"{self.start:%Y-%m}"
        return f"{self.start} to {self.end - DAY}"

    @property
    def before(self) -> Period:
        """The month before a month; else as many days directly before."""
        if self.is_month:
            return month_of(self.start - DAY)
        return Period(self.start - (self.end - self.start), self.start)

    def first_days(self, count: int) -> Period:
        """The first `count` days; the period itself, where it has no more."""
        end = self.start + count * DAY
        return self if end >= self.end else Period(self.start, end)

    def part_label(self, part: Period) -> str:
        """What its first days are called: `days 1 to 25 of 2026-10`; its own label where they are all."""
        if part == self or not self.is_month:
            return part.label
        last = (part.end - DAY).day
        return f"day{f's 1 to {last}' if last > 1 else ' 1'} of {self.label}"

    def days(self) -> Iterator[date]:
        """Every day."""
        yield from (self.start + timedelta(days=place) for place in range((self.end - self.start).days))

    def until(self, now: datetime) -> Range:
        """The part of the period that has begun, in whole UTC days."""
        end = min(day_start(self.end), day_start(day_of(now)) + DAY)
        return Range(day_start(self.start), max(end, day_start(self.start)))

    def is_over(self, now: datetime) -> bool:
        """Whether its last day has ended."""
        return now >= day_start(self.end)


def month_of(day: date) -> Period:
    """The calendar month that holds `day`."""
    start = day.replace(day=1)
    return Period(start, (start + timedelta(days=32)).replace(day=1), is_month=True)


def month(text: str, now: datetime) -> Period:
    """The month written `2026-10`, or `last-month` and `this-month`.

    Raises ConfigError for another text, a month that has not begun and one before 2020.
    """
    today = now.astimezone(UTC).date()
    words = {"this-month": month_of(today), "last-month": month_of(today).before}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    match = _MONTH.fullmatch(text.strip())
    if match is None or not 1 <= int(match[2]) <= 12:
        shown = quoted(text, near=words) or "the value"
        raise ConfigError(f"--month: {shown} is not a month; write 2026-10, last-month or this-month")
    if int(match[1]) < FIRST_YEAR:
        raise ConfigError(f"--month: {text.strip()} lies before {FIRST_YEAR}, when there was no bill")
    wanted = date(int(match[1]), int(match[2]), 1)
    if wanted > today:
        raise ConfigError(f"--month: {wanted:%Y-%m} has not begun; today is {today}")
    return month_of(wanted)


def between(since: datetime, until: datetime, now: datetime) -> Period:
    """The whole UTC days from that of `since` to before `until`; a started last day counts.

    Raises ConfigError for a range without days and one that begins in the future.
    """
    start, end = day_of(since), day_of(until + DAY - timedelta(microseconds=1))
    if since > now:
        raise ConfigError(f"--since: {start} lies in the future; today is {day_of(now)}")
    if start >= end:
        raise ConfigError(f"--until: {end} is not after --since, {start}")
    return Period(start, min(end, day_of(now) + DAY))

"""Dates and times as commands take them: a day, a time, a length back from now, or a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from anthropic_metrics.config.values import parse_duration
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.quoting import quoted

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)  # before there was anything to read
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
DATES = "a day (2026-01-01), a time (2026-01-01T12:00Z), a length back from now (7d, 12h), or one of {words}"


def moment(text: str, option: str, now: datetime) -> datetime:
    """What `text` means at `now`, as aware UTC: a day is its midnight, a word the start of what it names.

    Raises ConfigError that names the option and what is allowed.
    """
    words = text.strip()
    parsed = _word(words, now) or _length(words, now, option) or _instant(words)
    if parsed is None:
        shown = quoted(text, near=WORDS) or "the value"
        raise ConfigError(f"{option}: {shown} is not a date; write {DATES.format(words=', '.join(WORDS))}")
    if not EARLIEST <= parsed <= LATEST:
        raise ConfigError(f"{option}: must lie between {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}")
    return parsed


def _length(text: str, now: datetime, option: str) -> datetime | None:
    if not re.fullmatch(r"-?[0-9]+[smhd]", text, re.ASCII):
        return None
    try:
        return now - parse_duration(text.removeprefix("-"))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def _instant(text: str) -> datetime | None:
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _word(text: str, now: datetime) -> datetime | None:
    begin = WORDS.get(text.lower())
    if begin is None:
        return None
    return now if text.lower() == "now" else datetime.combine(begin(now.astimezone(UTC).date()), time(), UTC)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _last_month(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


WORDS: dict[str, Callable[[date], date]] = {
    "now": lambda day: day,
    "today": lambda day: day,
    "yesterday": lambda day: day - timedelta(days=1),
    "this-week": _monday,
    "last-week": lambda day: _monday(day) - timedelta(weeks=1),
    "this-month": lambda day: day.replace(day=1),
    "last-month": _last_month,
    "this-year": lambda day: day.replace(month=1, day=1),
}

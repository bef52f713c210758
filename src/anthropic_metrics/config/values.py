"""The kinds of value a configuration may hold, each checked once, here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, PlainSerializer, SecretStr

from anthropic_metrics.config.urls import check_url
from anthropic_metrics.config.yaml_file import parse
from anthropic_metrics.proxies import DIRECT
from anthropic_metrics.quoting import but_not, in_quotes, quoted
from anthropic_metrics.quoting import path as shown_path

DEFAULT_HOST = "127.0.0.1"
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
EARLIEST = date(2020, 1, 1)  # before there was anything to read
LONGEST = timedelta(days=36_500)  # so that no date is reckoned out of the calendar
_LONGEST_BACKFILL = timedelta(days=3650)


def parse_duration(value: object) -> timedelta:
    """`90s`, `5m`, `1h` or `30d` as a timedelta longer than 0s; ValueError says what is allowed."""
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,9})([smhd])", value.strip())):
        duration = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    else:
        example = "must be a whole number with a unit, such as 90s, 5m, 1h or 30d"
        raise ValueError(f"{example}{but_not(value)}")
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0s")
    if duration > LONGEST:
        raise ValueError(f"must be at most {format_duration(LONGEST)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back: `30d`, not `720h`."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _parse_retention(value: object) -> timedelta | None:
    # An empty value keeps documents without limit too: a slip must not delete anything.
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "none"}):
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or none to keep documents without limit") from None


def _format_retention(duration: timedelta | None) -> str:
    return "none" if duration is None else format_duration(duration)


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
Retention = Annotated[timedelta | None, BeforeValidator(_parse_retention), PlainSerializer(_format_retention)]


LAST_MONTH: Literal["last-month"] = "last-month"


@dataclass(frozen=True)
class Backfill:
    """How far back the first pass reads: a length that ends now, a day, or the first day of last month."""

    start: timedelta | date | Literal["last-month"]

    @property
    def moves(self) -> bool:
        """Whether the first day moves on with time."""
        return not isinstance(self.start, date)

    def since(self, now: datetime) -> datetime:
        """The first instant to read: midnight UTC, never later than the midnight before `now`."""
        now = now.astimezone(UTC)
        return datetime.combine(min(self._day(now), now.date()), time(), UTC)

    def _day(self, now: datetime) -> date:
        if isinstance(self.start, timedelta):
            return (now - self.start).date()
        if isinstance(self.start, date):
            return self.start
        return (now.replace(day=1) - timedelta(days=1)).date().replace(day=1)

    def __str__(self) -> str:
        if isinstance(self.start, timedelta):
            return format_duration(self.start)
        return self.start.isoformat() if isinstance(self.start, date) else self.start


def parse_backfill(value: object) -> Backfill:
    """A duration, a day (`2026-01-01`) or `last-month`; ValueError says what is allowed."""
    if isinstance(value, Backfill):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return Backfill(_past(value))
    if isinstance(value, str) and value.strip() == LAST_MONTH:
        return Backfill(LAST_MONTH)
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
            day: date | None = date.fromisoformat(value.strip())
        else:
            day, length = None, parse_duration(value)
    except ValueError:
        message = f"must be a duration such as 30d, a day such as 2026-01-01 or last-month{but_not(value)}"
        raise ValueError(message) from None
    if day is not None:
        return Backfill(_past(day))
    if length > _LONGEST_BACKFILL:
        raise ValueError(f"must be at most {format_duration(_LONGEST_BACKFILL)}; or name a day")
    return Backfill(length)


def _past(day: date) -> date:
    if day > datetime.now(UTC).date():
        raise ValueError("must not lie in the future")
    if day < EARLIEST:
        raise ValueError(f"must be {EARLIEST} or later")
    return day


BackfillValue = Annotated[Backfill, BeforeValidator(parse_backfill), PlainSerializer(str)]


def listed(value: object) -> object:
    """A list given as one text: `a, b` or `[a, b]`, as environment variables have it."""
    if not isinstance(value, str):
        return value
    if not value.strip().startswith("["):
        return [item.strip() for item in value.split(",") if item.strip()]
    try:
        return parse(value)
    except (yaml.YAMLError, ValueError):
        raise ValueError("must be a list, such as [a, b], or names with commas between") from None


def names(*, what: str, allowed: tuple[str, ...], at_least: int = 0) -> BeforeValidator:
    """A list of different names out of `allowed`."""

    def check(value: object) -> tuple[str, ...]:
        texts = _texts(value, what)
        listed = ", ".join(allowed)
        if unknown := [entry(texts, name, allowed) for name in texts if name not in allowed]:
            raise ValueError(f"{', '.join(unknown)}: no such {what}; allowed: {listed}")
        if repeated := sorted({name for name in texts if texts.count(name) > 1}):
            raise ValueError(f"names {', '.join(repeated)} more than once")
        if len(texts) < at_least:
            raise ValueError(f"needs at least {at_least} {what}; allowed: {listed}")
        return texts

    return BeforeValidator(check)


def entry(texts: Iterable[object], name: str, near: Iterable[str]) -> str:
    """A wrong item of a list as a message names it: its text if that is harmless, else its number."""
    return quoted(name, near=near).strip("'") or f"entry {list(texts).index(name) + 1}"


def _texts(value: object, what: str) -> tuple[str, ...]:
    texts = listed(value)
    if not isinstance(texts, list | tuple) or not all(isinstance(item, str) for item in texts):
        raise ValueError(f"must be a list of {what}s, such as [a, b], or names with commas between")
    return tuple(texts)


def _check_workspaces(value: object) -> tuple[str, ...]:
    ids = _texts(value, "workspace id")
    for name in ids:
        if name != "Default" and not re.fullmatch(r"wrkspc_[A-Za-z0-9_]+", name):
            where = entry(ids, name, ("Default",))
            raise ValueError(
                f"{where}: must be a workspace id (wrkspc_...) or Default, the default workspace"
            )
    return ids


WorkspaceIds = Annotated[tuple[str, ...], BeforeValidator(_check_workspaces)]


def _check_urls(value: object) -> tuple[str, ...]:
    return tuple(check_url(item) for item in _texts(value, "URL"))


Url = Annotated[str, BeforeValidator(check_url)]
Urls = Annotated[tuple[str, ...], BeforeValidator(_check_urls)]


def _check_namespace(value: object) -> str:
    # Narrower than Elastic's naming scheme for data streams: these need no quotes in any query language.
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.]{0,99}", value):
        raise ValueError(
            "must be lower case: 1 to 100 of a-z, 0-9, _ and ., and begin with a letter or a digit"
        )
    return value


Namespace = Annotated[str, BeforeValidator(_check_namespace)]


def _or_nothing(check: Callable[[str], object]) -> BeforeValidator:
    """An empty text counts as not given, so that `${NAME:-}` can be written."""

    def checked(value: object) -> object:
        if isinstance(value, SecretStr | Path) or value is None:
            return value
        if not isinstance(value, str):
            raise ValueError("must be text: put it in quotes")
        return check(value.strip()) if value.strip() else None

    return BeforeValidator(checked)


def _check_secret(value: str) -> str:
    if not value.isprintable() or not value.isascii() or " " in value:
        raise ValueError("must be one word of printable ASCII characters")
    if in_quotes(value):
        raise ValueError("has quotes around it; leave them out")
    return value


def _check_certificates(value: str) -> Path:
    path = Path(value).expanduser()
    try:
        is_file = path.is_file()
    except OSError as error:  # a folder that is closed to this user, a name that is too long
        raise ValueError(f"{shown_path(path)}: {error.strerror}") from None
    if not is_file:
        raise ValueError(f"no such file: {shown_path(path)}")
    return path


def _check_proxy(value: str) -> str:
    return DIRECT if value.lower() == DIRECT else check_url(value)


def _text(value: str) -> Any:
    return value


def _check_space(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_\-]{1,100}", value):
        raise ValueError("must be a space's identifier of a-z, 0-9, _ and -, not its title")
    return value


def _check_host(value: object) -> object:
    """Empty is the default: an empty host would listen on every address."""
    if value in (None, ""):
        return DEFAULT_HOST
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:_\-]{1,253}", value):
        raise ValueError("must be an address or a host name, such as 127.0.0.1 or 0.0.0.0")
    return value


OptionalText = Annotated[str | None, _or_nothing(_text)]
Space = Annotated[str | None, _or_nothing(_check_space)]
Host = Annotated[str, BeforeValidator(_check_host)]
Proxy = Annotated[str | None, _or_nothing(_check_proxy)]
OptionalUrl = Annotated[str | None, _or_nothing(check_url)]
ApiKey = Annotated[SecretStr | None, _or_nothing(_check_secret)]
Password = Annotated[SecretStr | None, _or_nothing(_text)]
SecretFile = Annotated[Path | None, _or_nothing(lambda value: Path(value).expanduser())]
CertificateFile = Annotated[Path | None, _or_nothing(_check_certificates)]


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value

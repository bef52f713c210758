"""Reads query parameters as strictly as can be, so that a client's mistake shows at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from .requests import Refusal, Request


def known(request: Request, single: Collection[str], many: Collection[str] = ()) -> None:
    """Refuse unknown parameters, and repeated ones unless they are lists."""
    seen: set[str] = set()
    for name, _ in request.params:
        if name not in single and name not in many:
            raise Refusal(400, f"{name}: Extra inputs are not permitted")
        if name in seen and name not in many:
            raise Refusal(400, f"{name}: given more than once")
        seen.add(name)


def instant(request: Request, name: str) -> datetime | None:
    """An RFC 3339 time with a zone."""
    text = request.get(name)
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, f"{name}: Input should be a valid datetime, got {text!r}") from None
    if value.tzinfo is None:
        raise Refusal(400, f"{name}: Input should have timezone info")
    return value


def whole_number(request: Request, name: str, default: int, largest: int) -> int:
    """A number in 1..largest."""
    text = request.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refusal(400, f"{name}: Input should be a valid integer")
    if not 1 <= int(text) <= largest:
        raise Refusal(400, f"{name}: Input should be between 1 and {largest}")
    return int(text)


def flag(request: Request, name: str, default: bool = False) -> bool:
    text = request.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise Refusal(400, f"{name}: Input should be a valid boolean")
    return text == "true"


def choice(request: Request, name: str, allowed: Collection[str]) -> str | None:
    text = request.get(name)
    if text is not None:
        one_of(name, [text], allowed)
    return text


def one_of(name: str, values: Collection[str], allowed: Collection[str]) -> None:
    for value in values:
        if value not in allowed:
            raise Refusal(400, f"{name}: Input should be one of {', '.join(sorted(allowed))}; got {value!r}")

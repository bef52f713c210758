"""A value of a result as JSON has it, and as a table shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any, Literal

from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.kernel.shares import tenths
from anthropic_metrics.redaction import clean

Kind = Literal["text", "integer", "number", "decimal", "share", "time", "duration", "boolean", "list"]


def data(value: object) -> Any:
    """The value as JSON has it: exact decimals as text, times in UTC, durations as in the configuration."""
    from anthropic_metrics.config.values import format_duration

    match value:
        case Absent():
            return None
        case None | bool() | int():
            return value
        case float():
            return value if isfinite(value) else None
        case Decimal():
            return format(value, "f")
        case datetime():
            return iso(value, "auto")
        case timedelta():
            return format_duration(value)
        case Enum():
            return data(value.value)
        case list() | tuple():
            return [data(item) for item in value]
    return clean(str(value))


def shown(value: object, kind: Kind) -> str:
    """The value as a table shows it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if kind == "share":
            return percent(value)
        case int() | Decimal():
            return f"{value:,}"
        case float():
            return f"{value:,.10g}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
        case list() | tuple():
            return ", ".join(str(data(item)) for item in value)
    return str(data(value))


def percent(share: float) -> str:
    """A share as whole per cent, with a decimal where it is small, and never nothing."""
    return f"{share:.0%}" if abs(share) >= 0.1 or not share else tenths(share)

"""Values as a reader wants them, in the formats of the definitions."""

from __future__ import annotations

from typing import Any

from anthropic_metrics.kibana.definitions import Format

NOTHING = "n/a"
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def shown(value: Any, form: Format | None) -> str:
    """The text of a cell, where there may be no value."""
    if value is None:
        return NOTHING
    if form == "time":
        return str(value)[:16].replace("T", " ")
    if form == "day":
        return str(value)[:10]
    if isinstance(value, (int, float)) and form is not None:
        return _number(value, form)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def brief(value: Any, form: Format | None) -> str:
    """The text beside a bar, where cents of large amounts only take room."""
    large = form == "usd" and isinstance(value, (int, float)) and abs(value) >= 100
    return shown(value, "count" if large else form)


def on_axis(value: float, form: Format | None) -> str:
    """The label of a round figure."""
    if form == "percent":
        return f"{100 * value:.10g} %"
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.10g} {unit}"
    return f"{value:.10g}"


def _number(value: float, form: Format) -> str:
    if form == "percent":
        return f"{100 * value:,.1f} %"
    if form == "compact":
        return _compact(value)
    decimals = {"usd": 2, "price": 3, "ratio": 2}.get(form, 0)
    return f"{value:,.{decimals}f}"


def _compact(value: float) -> str:
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f}"

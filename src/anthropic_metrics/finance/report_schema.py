"""The JSON Schema of a report's JSON: columns may be added, those that are there keep their kinds."""

from __future__ import annotations

from typing import Any, get_args

from anthropic_metrics.budgets.state import State
from anthropic_metrics.finance.report import Kind
from anthropic_metrics.finance.sheets import ColumnKind, Level

_DOLLARS = {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "Exact dollars."}
_KINDS: dict[ColumnKind, dict[str, Any]] = {
    "text": {"type": ["string", "null"]},
    "usd": _DOLLARS,
    "cents": _DOLLARS,
    "share": {"type": ["number", "null"], "description": "1 is the whole."},
    "integer": {"type": ["integer", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "time": {"type": ["string", "null"], "format": "date-time"},
}
COLUMNS: dict[str, ColumnKind] = {
    **dict.fromkeys(("team", "workspace", "key", "person", "model", "line", "budget", "what"), "text"),
    **dict.fromkeys(("cost_centre", "owner", "environment", "project", "settled"), "text"),
    **dict.fromkeys(("usd", "before_usd", "change_usd", "unsettled_usd", "so_far_usd"), "usd"),
    **dict.fromkeys(("budget_usd", "spent_usd", "left_usd", "old_usd", "new_usd"), "usd"),
    **dict.fromkeys(("forecast_usd", "forecast_low_usd", "forecast_high_usd"), "usd"),
    **dict.fromkeys(("budget_tokens", "used_tokens", "left_tokens", "tokens"), "integer"),
    **dict.fromkeys(("forecast_tokens", "forecast_low_tokens", "forecast_high_tokens"), "integer"),
    "days_of_history": "integer",
    "posted_usd": "cents",
    "share": "share",
    "state": "text",
    "day": "date",
    "runs_out": "date",
    "noticed": "time",
}
"""The columns that tables of a report have, besides those named after a tag, by their names."""


def report_schema() -> dict[str, Any]:
    """What `report --format json` writes."""
    text, dollars = {"type": "string"}, {**_DOLLARS, "type": "string"}
    row = {
        "properties": {
            **{name: _KINDS[kind] for name, kind in COLUMNS.items()},
            # The subtotal and total of a table by days say so in its first column.
            "day": {"type": ["string", "null"]},
            "state": {"enum": list(get_args(State))},
            "level": {"enum": list(get_args(Level))},
        },
        "required": ["level"],
    }
    table = _object(title=text, rows={"type": "array", "items": {"type": "object", **row}})
    last = _object(made_at=_time(), usd=dollars)
    return _object(
        kind={"enum": [str(kind) for kind in Kind]},
        period=_object(label=text, start=_date(), end=_date()),
        organization=_object(id=text, name=text),
        made_at=_time(),
        settled={"type": "boolean"},
        usd=dollars,
        before_usd=dollars,
        compared_with=_object(label=text, start=_date(), end=_date()),
        last_report={"anyOf": [{"type": "null"}, last]},
        tables={"type": "array", "items": table},
        notes={"type": "array", "items": text},
    )


def _object(**properties: Any) -> dict[str, Any]:
    """An object with all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _date() -> dict[str, Any]:
    return {"type": "string", "format": "date"}


def _time() -> dict[str, Any]:
    return {"type": "string", "format": "date-time"}

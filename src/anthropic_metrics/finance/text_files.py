"""A report as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.finance.report import Report
from anthropic_metrics.finance.sheets import Sheet, budget_sheets, forecast_sheet, grouping, sheets
from anthropic_metrics.finance.shown import plain
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.kernel.ranges import iso

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
BOM = "\ufeff"


def csv_text(report: Report, *, bom: bool = False) -> str:
    """One table of all groupings, the forecast and the budgets: `grouping` and `level` tell the rows apart,
    and each way has a column.

    RFC 4180: CRLF, quotes where needed, as many fields in each row. Amounts are exact; a text that a
    spreadsheet would take for a formula begins with an apostrophe.
    """
    tables = [(section.by.label, grouping(report, section)) for section in report.sections]
    tables += [(sheet.title.lower(), sheet) for sheet in (*forecast_sheet(report), *budget_sheets(report))]
    names = list(dict.fromkeys(column.name for _, table in tables for column in table.columns))
    ways = list(
        dict.fromkeys(way.replace(":", "_") for section in report.sections for way in section.by.ways)
    )
    names = [*ways, *(name for name in names if name not in ways)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["period", "kind", "grouping", "level", *names])
    for label, table in tables:
        for row in table.rows:
            cells = dict(zip((column.name for column in table.columns), row.cells, strict=True))
            own = [field_text(cells.get(name)) for name in names]
            writer.writerow([report.period.label, report.kind, label, row.level, *own])
    return (BOM if bom else "") + out.getvalue()


def field_text(value: object) -> str:
    """A value as one field of CSV: numbers with all digits and no exponent, times in UTC."""
    match value:
        case None | Absent():
            return ""
        case Decimal():
            return format(value, "f")
        case float():
            return format(Decimal(repr(value)), "f")
        case datetime():
            return iso(value, "seconds")
        case date() | int():
            return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(report: Report) -> str:
    """The whole report as one object; amounts are exact decimals as text."""
    body: dict[str, Any] = {
        "kind": str(report.kind),
        "period": {"label": report.period.label, "start": report.period.start, "end": report.period.end},
        "organization": {"id": report.organization_id, "name": report.organization},
        "made_at": report.made_at,
        "settled": report.is_settled,
        "usd": plain(report.total.amount),
        "before_usd": plain(report.total.before),
        "compared_with": {
            "label": report.before_label,
            "start": report.like.start,
            "end": report.like.end,
        },
        "last_report": report.last and {"made_at": report.last.made_at, "usd": plain(report.last.amount)},
        "tables": [_object(sheet) for sheet in sheets(report)],
        "notes": list(report.notes),
    }
    return json.dumps(body, indent=2, default=_plain, ensure_ascii=False) + "\n"


def _object(sheet: Sheet) -> dict[str, Any]:
    names = [column.name for column in sheet.columns]
    rows = []
    for row in sheet.rows:
        cells = [None if isinstance(cell, Absent) else cell for cell in row.cells]
        rows.append({**dict(zip(names, cells, strict=True)), "level": row.level})
    return {"title": sheet.title, "rows": rows}


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return iso(value, "seconds")
        case date():
            return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing that a report has")

"""A report as an Excel workbook: one sheet for each table, with real numbers and dates."""

from __future__ import annotations

import importlib.util
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.headline import headline
from anthropic_metrics.finance.report import Report
from anthropic_metrics.finance.sheets import Column, Sheet, sheets
from anthropic_metrics.finance.shown import Reasoned

_FORMATS = {
    "usd": "#,##0.00",
    "cents": "#,##0.00",
    "share": "0.0%",
    "integer": "#,##0",
    "date": "yyyy-mm-dd",
    "time": "yyyy-mm-dd hh:mm",
    "text": "@",
}
_WIDTHS = {"usd": 15, "cents": 13, "share": 9, "integer": 17, "date": 14, "time": 17}
_NOT_IN_A_NAME = re.compile(r"[\[\]:*?/\\']")
_LONGEST_NAME = 31
_WIDEST = 60
SUMMARY = "Summary"
_A4 = 9  # as Excel counts kinds of paper


def require_xlsxwriter() -> None:
    """ConfigError unless XlsxWriter, which is an optional dependency, is installed."""
    if importlib.util.find_spec("xlsxwriter") is None:
        raise ConfigError("--format xlsx: XlsxWriter is not installed.", cure="Run `pip install XlsxWriter`.")


def workbook(report: Report) -> bytes:
    """The file. Amounts are numbers, shown to a cent; CSV and JSON have every digit of them.

    Raises ConfigError as `require_xlsxwriter` does.
    """
    require_xlsxwriter()
    import xlsxwriter

    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": f"{report.kind} {report.period.label}", "company": report.organization})
        styles = _Styles(book)
        _summary(book.add_worksheet(SUMMARY), report, styles)
        taken = {SUMMARY.lower()}
        for sheet in sheets(report):
            _table(book.add_worksheet(_name(sheet.title, taken)), sheet, styles)
    return out.getvalue()


class _Styles:
    """Cell formats by kind of column and level of row, each made once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[str, str], Any] = {}

    def of(self, kind: str, level: str = "group") -> Any:
        if (kind, level) not in self._made:
            look: dict[str, Any] = {"num_format": _FORMATS[kind]}
            if level in {"subtotal", "total", "head"}:
                look["bold"] = True
            if level == "total":
                look["top"] = 1
            if level == "head":
                look |= {"bottom": 1, "bg_color": "#F4F6F8", "num_format": "@"}
                look["align"] = "left" if kind in {"text", "date", "time"} else "right"
            self._made[kind, level] = self._book.add_format(look)
        return self._made[kind, level]


def _summary(page: Any, report: Report, styles: _Styles) -> None:
    rows: list[tuple[str, str, Any]] = [
        ("Report", "text", str(report.kind)),
        ("Period", "text", report.period.label),
        ("Organization", "text", report.organization),
        ("Organization id", "text", report.organization_id),
        ("Made (UTC)", "time", report.made_at),
        ("Currency", "text", "US dollars"),
        *((fact.name, fact.kind, fact.value) for fact in headline(report)),
        ("Change, US dollars", "usd", report.total.change),
        ("Of it not settled", "usd", report.total.open_amount),
    ]
    if report.forecast is not None:
        rows += [
            ("80 % band from", "usd", Decimal(report.forecast.low)),
            ("80 % band to", "usd", Decimal(report.forecast.high)),
        ]
    if report.last is not None:
        rows += [
            ("Last report (UTC)", "time", report.last.made_at),
            ("Total then", "usd", report.last.amount),
        ]
    for line, (name, kind, value) in enumerate(rows):
        page.write_string(line, 0, name, styles.of("text", "head"))
        _write(page, line, 1, value, styles.of(kind))
    for line, note in enumerate(report.notes, start=len(rows) + 1):
        page.write_string(line, 0, note)
    page.set_paper(_A4)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.set_column(0, 0, 26)
    page.set_column(1, 1, 40)


def _table(page: Any, sheet: Sheet, styles: _Styles) -> None:
    for place, column in enumerate(sheet.columns):
        page.write_string(0, place, column.title, styles.of(column.kind, "head"))
        page.set_column(place, place, _width(sheet, place, column))
    for line, row in enumerate(sheet.rows, start=1):
        for place, (column, value) in enumerate(zip(sheet.columns, row.cells, strict=True)):
            _write(page, line, place, value, styles.of(column.kind, row.level))
    page.freeze_panes(1, len(sheet.ways))
    page.set_landscape()
    page.set_paper(_A4)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    if sheet.rows:
        groups = [place for place, row in enumerate(sheet.rows, start=1) if row.level != "total"]
        page.autofilter(0, 0, max(groups, default=1), len(sheet.columns) - 1)


def _write(page: Any, line: int, place: int, value: Any, style: Any) -> None:
    match value:
        case None:
            page.write_blank(line, place, None, style)
        case Decimal() | float() | int():
            page.write_number(line, place, float(value), style)
        case datetime():
            page.write_datetime(line, place, value.astimezone(UTC).replace(tzinfo=None), style)
        case date():
            page.write_datetime(line, place, value, style)
        case Reasoned():
            page.write_string(line, place, value.shown, style)
        case _:
            page.write_string(line, place, str(value), style)


def _width(sheet: Sheet, place: int, column: Column) -> int:
    longest = max((len(str(row.cells[place] or "")) for row in sheet.rows), default=0)
    head = len(column.title) + 2
    return max(_WIDTHS.get(column.kind, min(longest + 2, _WIDEST)), min(head, _WIDEST))


def _name(title: str, taken: set[str]) -> str:
    """A sheet's name as Excel takes it: short, without some characters, unlike any other."""
    plain = _NOT_IN_A_NAME.sub(" ", title).strip()[:_LONGEST_NAME]
    name, number = plain, 2
    while name.lower() in taken:
        suffix = f" {number}"
        name, number = plain[: _LONGEST_NAME - len(suffix)] + suffix, number + 1
    taken.add(name.lower())
    return name

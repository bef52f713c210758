"""Tables: every row on the page, totals of all of them, and the same as CSV."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from html import escape
from typing import Any

from anthropic_metrics.kibana.ask import DEFAULT_LIMIT, Answer
from anthropic_metrics.kibana.definitions import Column, Table
from anthropic_metrics.kibana.look.numbers import shown
from anthropic_metrics.redaction import no_formula

SHORT_TEXT, LONG_TEXT = 28, 60  # a cell with less is not wrapped, one with more is given room for it
_LIMIT = re.compile(r"\|\s*LIMIT\s+(\d+)")

Record = dict[str, Any]


def table(panel: Table, answer: Answer, name: str) -> str:
    """The table, which the page's script folds and sorts, with a link to its CSV (`name` is the file's)."""
    records = answer.records()
    head = "".join(
        f'<th class="{column.type}" scope="col"><button type="button">{escape(column.label)}</button></th>'
        for column in panel.columns.values()
    )
    body = "".join(
        "<tr>" + "".join(_cell(column, record[key]) for key, column in panel.columns.items()) + "</tr>"
        for record in records
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="rows"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{_foot(panel, records)}</table></div>"
        f'<p class="tools"><span class="count">{_count(panel, records)}</span> '
        f"{_link(panel, records, name)}</p>"
    )


def csv_text(panel: Table, records: list[Record]) -> str:
    """The rows with their labels. Text that a spreadsheet takes for a formula begins with an apostrophe."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(_field(column.label) for column in panel.columns.values())
    writer.writerows([_field(record[name]) for name in panel.columns] for record in records)
    return sink.getvalue()


def _field(value: object) -> object:
    if value is None or isinstance(value, (int, float)):
        return value
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return no_formula(text)


def _cell(column: Column, value: Any) -> str:
    text = shown(value, column.format)
    kind: str = column.type
    if kind == "string":
        kind = "long" if len(text) > LONG_TEXT else "short" if len(text) <= SHORT_TEXT else kind
    sorted_by = f' data-v="{value!r}"' if isinstance(value, (int, float)) else ""
    return f'<td class="{kind}"{sorted_by}>{escape(text)}</td>'


def _foot(panel: Table, records: list[Record]) -> str:
    """The totals: of each group where the panel has one, else of all rows."""
    if not panel.total:
        return ""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(f"Total {record[panel.total_by]}" if panel.total_by else "Total", []).append(record)
    rows = []
    for label, part in groups.items():
        cells = [
            shown(sum(record[name] or 0 for record in part), column.format) if name in panel.total else ""
            for name, column in panel.columns.items()
        ]
        cells[0] = label
        rows.append(
            "<tr>"
            + "".join(
                f'<td class="{column.type}">{escape(cell)}</td>'
                for cell, column in zip(cells, panel.columns.values(), strict=True)
            )
            + "</tr>"
        )
    return f"<tfoot>{''.join(rows)}</tfoot>"


def _count(panel: Table, records: list[Record]) -> str:
    """How many rows there are; whether the query's limit cut some off, and so the totals."""
    limits = [int(limit) for limit in _LIMIT.findall(panel.query)]
    if len(records) >= (min(limits) if limits else DEFAULT_LIMIT):
        lacking = "; there may be more, which the totals lack" if panel.total else ""
        return f"{len(records):,} rows, the most that this table lists{lacking}"
    return f"{len(records):,} row{'' if len(records) == 1 else 's'}"


def _link(panel: Table, records: list[Record], name: str) -> str:
    # The mark of the byte order tells Excel that it is UTF-8.
    data = b64encode(csv_text(panel, records).encode("utf-8-sig")).decode()
    return f'<a download="{escape(name)}.csv" href="data:text/csv;charset=utf-8;base64,{data}">CSV</a>'

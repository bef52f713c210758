"""A report as one HTML file: nothing is fetched, nothing runs, and it prints on A4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from html import escape
from importlib import resources
from math import floor, log10

from anthropic_metrics.finance.headline import Fact, headline
from anthropic_metrics.finance.report import Report
from anthropic_metrics.finance.sheets import Column, Row, Sheet, sheets
from anthropic_metrics.finance.shown import ROUNDED, Reasoned, percent
from anthropic_metrics.spend.money import Usd, dollars

_NUMBERS = frozenset({"usd", "cents", "share", "integer"})
_WIDTH, _HEIGHT, _LEFT, _FOOT, _HEAD = 1000, 220, 70, 22, 8
_STEPS = 4
# Tables that the chart and the facts show.
_ELSEWHERE = frozenset({"Days", "Forecast"})
_CODE = re.compile(r"`([^`]*)`")
_AS_CODE = r"<code>\1</code>"
_WORD = re.compile(r"\s+|\S+")
_PIECE = re.compile(r".{1,16}", re.DOTALL)
_MANY = 10_000_000  # tokens: a budget's figures in millions leave room for its name
_WIDE = 9  # columns: a table that a printed page holds in a smaller type only
_LONG = 16  # characters of a head: it may take two lines
_NARROW = 4  # columns: further ones do not fit on a narrow page
_SHORT = 30  # rows: a table that a printed page holds whole


def html_page(report: Report) -> str:
    """The page. Every text of the organization is escaped."""
    css = resources.files("anthropic_metrics.finance").joinpath("page.css").read_text("utf-8")
    title = f"{str(report.kind).capitalize()} {report.period.label}"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(f'{report.organization}: {title}')}</title>",
            f"<style>{css}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="about">{escape(_about(report))}</p>',
            *_facts(report),
            *_chart(report),
            *(part for sheet in sheets(report) if sheet.title not in _ELSEWHERE for part in _table(sheet)),
            '<ul class="notes">',
            *map(_note, (ROUNDED, *report.notes)),
            "</ul></body></html>",
            "",
        )
    )


def _note(text: str) -> str:
    return f"<li>{_CODE.sub(_AS_CODE, escape(text))}</li>"


def _about(report: Report) -> str:
    made = f"{report.made_at:%Y-%m-%d %H:%M} UTC"
    return f"{report.organization} ({report.organization_id}), Claude API, US dollars. Created {made}."


def _facts(report: Report) -> Iterator[str]:
    facts = [(fact.name, _fact(fact)) for fact in headline(report)]
    settled = sum(day not in report.open_days for day, _ in report.days)
    facts.append(("Days settled", f"{settled} of {(report.period.end - report.period.start).days}"))
    if (seen := report.forecast) is not None:
        facts.append(("80 % band", f"${seen.low:,.0f} to ${seen.high:,.0f}"))
    if report.last is not None:
        since = Usd(report.total.amount - report.last.amount)
        facts.append((f"Since the report of {report.last.made_at:%Y-%m-%d}", dollars(since)))
    yield '<dl class="facts">'
    yield from (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    yield "</dl>"


def _fact(fact: Fact) -> str:
    if fact.value is None:
        return "nothing to compare with"
    if fact.kind == "usd":
        return f"${dollars(fact.value)}"
    return f"{'+' * (fact.value > 0)}{percent(float(fact.value))}"


def _chart(report: Report) -> Iterator[str]:
    """A column for each day, paler where the day is not settled."""
    if not report.days:
        return
    top = _round_up(max(float(amount) for _, amount in report.days) or 1.0)
    step = (_WIDTH - _LEFT) / len(report.days)
    plot = _HEIGHT - _FOOT - _HEAD
    yield "<figure><figcaption>US dollars by UTC day; pale days are not settled."
    yield '<span class="narrow"> Scroll sideways for later days.</span></figcaption>'
    yield f'<div class="scroll"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Costs by day">'
    for number in range(_STEPS + 1):
        y = _HEAD + plot * (1 - number / _STEPS)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d9dee4"/>'
        label = top * number / _STEPS
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_axis(label, top)}</text>'
    every = max(1, round(len(report.days) / 16))
    for place, (day, amount) in enumerate(report.days):
        height = plot * max(float(amount), 0.0) / top
        x, y = _LEFT + place * step, _HEAD + plot - height
        color = "#b9cbee" if day in report.open_days else "#4c78d0"
        yield (
            f'<rect x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{height:.1f}" '
            f'fill="{color}"><title>{day}: ${dollars(amount)}</title></rect>'
        )
        if place % every == 0:
            middle = x + step / 2
            yield f'<text x="{middle:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{day:%m-%d}</text>'
    yield "</svg></div></figure>"


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(power * step for step in (1, 2, 2.5, 4, 5, 8, 10) if power * step >= value * 0.999_999)


def _axis(value: float, top: float) -> str:
    return f"{value:,.0f}" if top >= _STEPS else f"{value:,.2f}"


def _table(sheet: Sheet) -> Iterator[str]:
    short = len(sheet.rows) <= _SHORT
    yield f'<section class="{"short" if short else "long"}"><h2>{escape(sheet.title)}</h2>'
    if not sheet.rows:
        yield f'<p class="none">{escape(sheet.empty)}</p></section>'
        return
    yield from _caption(sheet)
    wide = ' class="wide"' if len(sheet.columns) >= _WIDE else ""
    yield f'<div class="scroll"><table{wide}><thead><tr>'
    yield from map(_head, sheet.columns)
    yield "</tr></thead><tbody>"
    yield from (_row(sheet, row) for row in sheet.rows)
    yield "</tbody></table></div></section>"


def _caption(sheet: Sheet) -> Iterator[str]:
    """What changes compare with, and on a narrow page that there is more than it shows."""
    further = '<span class="narrow">Scroll sideways for further columns.</span>'
    parts = [escape(sheet.basis), *([further] if len(sheet.columns) > _NARROW else [])]
    if any(parts):
        only = "" if sheet.basis else " narrow"
        yield f'<p class="caption{only}">{" ".join(filter(None, parts))}</p>'


def _head(column: Column) -> str:
    wraps = " wraps" if len(column.title) > _LONG else ""
    return f'<th class="{_align(column)}{wraps}">{escape(column.title)}</th>'


def _row(sheet: Sheet, row: Row) -> str:
    cells = []
    for column, value in zip(sheet.columns, row.cells, strict=True):
        text = _breakable(_text(column, value))
        if column.kind == "share" and row.share is not None:
            text += _bar(row.share)
        further = f" {value}" if column.name == "state" else " day" if isinstance(value, date) else ""
        cells.append(f'<td class="{_align(column)}{further}">{text}</td>')
    return f'<tr class="{row.level}">{"".join(cells)}</tr>'


def _bar(share: float) -> str:
    """As long as the share; what is over the whole fills it, with a mark where the whole ends."""
    if share <= 1:
        return f'<span class="bar"><i style="width:{max(share, 0):.1%}"></i></span>'
    return (
        f'<span class="bar over" title="the mark is 100 %"><i></i><b style="left:{1 / share:.1%}"></b></span>'
    )


def _breakable(text: str) -> str:
    """Escaped, with places to break in words that are longer than a narrow column."""
    return "".join("<wbr>".join(map(escape, _PIECE.findall(word))) for word in _WORD.findall(text))


def _align(column: Column) -> str:
    return "number" if column.kind in _NUMBERS else "text"


def _text(column: Column, value: object) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return dollars(value)
        case float():
            return percent(value)
        case bool():
            return "yes" if value else "no"
        case int() if column.name.endswith("_tokens") and abs(value) >= _MANY:
            return f"{value / 1e6:,.0f} M"
        case int():
            return f"{value:,}"
        case Reasoned():
            return value.shown
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
    return str(value)

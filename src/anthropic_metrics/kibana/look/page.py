"""The page: header, one section a dashboard, a card a panel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path

from anthropic_metrics.errors import ConfigError, MetricsError
from anthropic_metrics.kibana.ask import Answer, since
from anthropic_metrics.kibana.definitions import (
    Bundle,
    Chart,
    Column,
    Dashboard,
    Metric,
    Queried,
    Row,
    Table,
    Text,
)
from anthropic_metrics.kibana.look.figures import Drawing, Palette, chart, heatmap
from anthropic_metrics.kibana.look.numbers import shown
from anthropic_metrics.redaction import redact

FOLDER = Path(__file__).parent
ROW_PIXELS = 23  # of a unit of height in Kibana's grid
TABLE_ROWS = 15
SHORT_TEXT, LONG_TEXT = 28, 60  # a cell with less is not wrapped, one with more is given room for it
NO_DATA = "No data in this range."

Ask = Callable[[Dashboard, Queried], Answer]


@dataclass
class Page:
    """HTML, the panels that could not be drawn with the reason, and the data streams that do not exist."""

    html: str
    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def render(bundle: Bundle, ask: Ask, *, now: datetime, subtitle: str) -> Page:
    """Every dashboard on one page; `ask` answers a panel's query. A panel that fails says why in its place.

    Raises ConfigError when the extra `render` is not installed.
    """
    library, markdown = _libraries()
    palette, failures, missing = Palette(), list[str](), set[str]()

    def card(dashboard: Dashboard, panel: Queried | Text) -> str:
        if isinstance(panel, Text):
            return markdown(panel.text)
        try:
            answer = ask(dashboard, panel)
            missing.update(answer.missing)
            return _content(panel, answer, palette)
        except MetricsError as error:
            failures.append(f"{dashboard.title}: {panel.title}: {error}")
            return f'<p class="failed">{escape(str(error))}</p>'

    sections = "\n".join(_section(dashboard, card, now) for dashboard in bundle.dashboards)
    links = " ".join(f'<a href="#{each.name}">{escape(each.title)}</a>' for each in bundle.dashboards)
    html = _file("page.html").format(
        style=_file("page.css"),
        links=links,
        subtitle=escape(subtitle),
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        sections=sections,
        library=library,
        script=_file("page.js"),
    )
    return Page(redact.scrub(html), failures, sorted(missing))


def _libraries() -> tuple[str, Callable[[str], str]]:
    try:
        from markdown_it import MarkdownIt
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Drawing a page needs {error.name}, which is not installed.",
            cure="Install the extra: pip install 'anthropic-metrics[render]'.",
        ) from None
    return get_plotlyjs(), MarkdownIt("js-default").render


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _section(dashboard: Dashboard, card: Callable[[Dashboard, Queried | Text], str], now: datetime) -> str:
    rows = "\n".join(_row(row, lambda panel: card(dashboard, panel)) for row in dashboard.rows)
    return (
        f'<section id="{dashboard.name}"><h2>{escape(dashboard.title)}</h2>'
        f'<p class="about">{escape(dashboard.about)} {_range(dashboard, now)}</p>\n{rows}</section>'
    )


def _range(dashboard: Dashboard, now: datetime) -> str:
    return f"From {since(dashboard.range, now):%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC."


def _row(row: Row, card: Callable[[Queried | Text], str]) -> str:
    return f'<div class="row">{"".join(_cards(row, card))}</div>'


def _cards(row: Row, card: Callable[[Queried | Text], str]) -> Iterator[str]:
    height = row.height * ROW_PIXELS
    for _, width, panel in row.placed():
        kind = panel.kind
        heading = "" if isinstance(panel, Text) else f"<h3>{escape(panel.title)}</h3>"
        note = f'<p class="note">{escape(panel.note)}</p>' if panel.note else ""
        yield (
            f'<article class="{kind}" style="--width:{width};--height:{height}px" data-panel="{panel.slug}">'
            f"{heading}{card(panel)}{note}</article>"
        )


def _content(panel: Queried, answer: Answer, palette: Palette) -> str:
    if answer.missing:
        return f'<p class="empty">{escape(no_stream(answer.missing))}</p>'
    if isinstance(panel, Metric):
        return _metric(panel, answer)
    if not answer.rows:
        return f'<p class="empty">{NO_DATA}</p>'
    if isinstance(panel, Table):
        return _table(panel, answer)
    return _chart(chart(panel, answer, palette) if isinstance(panel, Chart) else heatmap(panel, answer))


def no_stream(names: Sequence[str]) -> str:
    """Why there is nothing to show where data streams do not exist."""
    streams, verb = ("Data stream", "does") if len(names) == 1 else ("Data streams", "do")
    return f"{streams} {', '.join(names)} {verb} not exist: nothing has been written."


def _metric(panel: Metric, answer: Answer) -> str:
    record = answer.records()[0] if answer.rows else {}
    value = record.get(panel.value)
    tone = ""
    if panel.steps and value is not None:
        level = sum(value >= step for step in panel.steps)
        tone = ("good", "bad")[level] if len(panel.steps) == 1 else ("good", "fair", "bad")[level]
    beside = ""
    if panel.beside:
        column = panel.columns[panel.beside]
        text = shown(record.get(panel.beside), column.format)
        beside = f'<p class="beside">{escape(column.label)} <b>{escape(text)}</b></p>'
    number = shown(value, panel.columns[panel.value].format)
    return f'<p class="big {tone}">{escape(number)}</p>{beside}'


def _table(panel: Table, answer: Answer) -> str:
    head = "".join(
        f'<th class="{column.type}">{escape(column.label)}</th>' for column in panel.columns.values()
    )
    records = answer.records()
    body = "".join(
        "<tr>"
        + "".join(
            _cell(column, shown(record.get(name), column.format)) for name, column in panel.columns.items()
        )
        + "</tr>"
        for record in records[:TABLE_ROWS]
    )
    foot = ""
    if panel.total:
        cells = [
            shown(sum(record[name] or 0 for record in records), column.format) if name in panel.total else ""
            for name, column in panel.columns.items()
        ]
        cells[0] = "Total"
        foot = (
            "<tfoot><tr>"
            + "".join(_cell(column, cell) for cell, column in zip(cells, panel.columns.values(), strict=True))
            + "</tr></tfoot>"
        )
    more = len(records) - TABLE_ROWS
    rest = f'<p class="note">and {more:,} more rows</p>' if more > 0 else ""
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>'
        f"{rest}"
    )


def _cell(column: Column, text: str) -> str:
    kind: str = column.type
    if kind == "string":
        kind = "long" if len(text) > LONG_TEXT else "short" if len(text) <= SHORT_TEXT else kind
    return f'<td class="{kind}">{escape(text)}</td>'


def _chart(drawing: Drawing) -> str:
    legend = "".join(
        f'<li><i style="background:{color}"></i>{escape(name)}</li>' for name, color in drawing.legend
    )
    names = f'<ul class="legend">{legend}</ul>' if legend else ""
    # A "<" in a name must not end the script element.
    data = json.dumps(drawing.figure, separators=(",", ":")).replace("<", "\\u003c")
    return f'{names}<div class="chart"></div><script type="application/json">{data}</script>'

"""The page: header, one section a dashboard, a card a panel. It needs no network and hardly any script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kibana.ask import Answer, TimeRange
from anthropic_metrics.kibana.definitions import Bundle, Chart, Dashboard, Metric, Queried, Row, Table, Text
from anthropic_metrics.kibana.look.colors import Palette
from anthropic_metrics.kibana.look.marks import heatmap, ranking
from anthropic_metrics.kibana.look.numbers import shown
from anthropic_metrics.kibana.look.plots import plot
from anthropic_metrics.kibana.look.tables import table
from anthropic_metrics.redaction import clean, redact

FOLDER = Path(__file__).parent
ROW_PIXELS = 23  # of a unit of height in Kibana's grid
NO_DATA = "No data in this range."

Ask = Callable[[Queried, TimeRange], Answer]


@dataclass
class Page:
    """HTML, the panels that could not be drawn with the reason, and the data streams that do not exist."""

    html: str
    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def render(
    bundle: Bundle, ask: Ask, *, ranges: Callable[[Dashboard], TimeRange], now: datetime, subtitle: str
) -> Page:
    """Every dashboard on one page, each over its time range; `ask` answers a panel's query.

    A panel that fails says why in its place.
    """
    palette, failures, missing = Palette(), list[str](), set[str]()
    markdown = MarkdownIt("js-default").render

    def card(dashboard: Dashboard, panel: Queried | Text) -> str:
        if isinstance(panel, Text):
            return str(markdown(panel.text))
        time_range = ranges(dashboard)
        try:
            answer = _cleaned(ask(panel, time_range))
        except MetricsError as error:
            failures.append(f"{dashboard.title}: {panel.title}: {error}")
            return f'<p class="failed">{escape(str(error))}</p>'
        missing.update(answer.missing)
        return _content(panel, answer, time_range, palette, f"{dashboard.name}-{panel.slug}")

    sections = "\n".join(_section(dashboard, card, ranges(dashboard)) for dashboard in bundle.dashboards)
    links = " ".join(
        f'<a href="#{dashboard.name}">{escape(dashboard.title)}</a>' for dashboard in bundle.dashboards
    )
    html = _file("page.html").format(
        style=_file("page.css"),
        links=links,
        subtitle=escape(subtitle),
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        sections=sections,
        script=_file("page.js"),
    )
    return Page(redact.scrub(html), failures, sorted(missing))


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _cleaned(answer: Answer) -> Answer:
    """Without secrets: a CSV link is encoded, so that none could be recognised later."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, list):
            return [cleaned(item) for item in value]
        return clean(value) if isinstance(value, str) else value

    return replace(answer, rows=tuple(tuple(map(cleaned, row)) for row in answer.rows))


def _section(
    dashboard: Dashboard, card: Callable[[Dashboard, Queried | Text], str], time_range: TimeRange
) -> str:
    rows = "\n".join(
        f'<div class="row">{"".join(_cards(row, lambda panel: card(dashboard, panel), time_range))}</div>'
        for row in dashboard.rows
    )
    return (
        f'<section id="{dashboard.name}"><h2>{escape(dashboard.title)}</h2>'
        f'<p class="about">{escape(dashboard.about)}</p>\n{rows}</section>'
    )


def _cards(row: Row, card: Callable[[Queried | Text], str], time_range: TimeRange) -> Iterator[str]:
    height = row.height * ROW_PIXELS
    for _, width, panel in row.placed():
        heading = ""
        if not isinstance(panel, Text):
            covered = escape(time_range.covered(panel.covers))
            heading = f'<h3>{escape(panel.title)}</h3><p class="range">{covered}</p>'
        note = f'<p class="note">{escape(panel.note)}</p>' if panel.note else ""
        yield (
            f'<article class="{panel.kind}" style="--width:{width};--height:{height}px" '
            f'data-panel="{panel.slug}">{heading}{card(panel)}{note}</article>'
        )


def _content(panel: Queried, answer: Answer, time_range: TimeRange, palette: Palette, name: str) -> str:
    if answer.missing:
        return f'<p class="empty">{escape(no_stream(answer.missing))}</p>'
    if isinstance(panel, Metric):
        return _metric(panel, answer, time_range)
    if not answer.rows:
        return f'<p class="empty">{NO_DATA}</p>'
    if isinstance(panel, Table):
        return table(panel, answer, name)
    if isinstance(panel, Chart):
        draw_across = panel.kind == "ranking"
        return ranking(panel, answer, palette) if draw_across else plot(panel, answer, time_range, palette)
    return heatmap(panel, answer)


def no_stream(names: Sequence[str]) -> str:
    """Why there is nothing to show where data streams do not exist."""
    streams, verb = ("Data stream", "does") if len(names) == 1 else ("Data streams", "do")
    return f"{streams} {', '.join(names)} {verb} not exist: nothing has been written."


def _metric(panel: Metric, answer: Answer, time_range: TimeRange) -> str:
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
    if value is None and panel.covers == "month" and time_range.begins_late():
        beside = '<p class="beside">The range begins after the first day of the month.</p>'
    number = shown(value, panel.columns[panel.value].format)
    return f'<p class="big {tone}">{escape(number)}</p>{beside}'

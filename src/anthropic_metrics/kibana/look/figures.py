"""Charts of panels, as Plotly's JSON. Text and grid get their colours from the page: light or dark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from anthropic_metrics.kibana.ask import Answer
from anthropic_metrics.kibana.definitions import Chart, Column, Heatmap
from anthropic_metrics.kibana.look.numbers import brief, shown

Figure = dict[str, Any]

COLORS = (
    "#4c78d0",
    "#e8853a",
    "#3fa66b",
    "#c95d8f",
    "#8a6fd1",
    "#d1a72e",
    "#3ba9b8",
    "#a0705a",
    "#6f8f3f",
)
OTHERS, OTHERS_COLOR = "all others", "#9aa3ad"
LABEL_LENGTH = 30
LABEL_ROOM = 1.3  # the axis goes on behind the longest bar, for the figure that stands there
_AXIS = {"usd": {"tickprefix": "$", "exponentformat": "B"}, "percent": {"tickformat": ".0%"}}


@dataclass(frozen=True)
class Drawing:
    """A figure with its legend: name and colour of each series, none where one series needs no name."""

    figure: Figure
    legend: tuple[tuple[str, str], ...] = ()


class Palette:
    """The same name has the same colour in every chart of a page, as far as the colours reach."""

    def __init__(self) -> None:
        self._given: dict[str, dict[str, str]] = defaultdict(dict)

    def colors(self, field: str, names: Sequence[str]) -> dict[str, str]:
        """A colour for each name: its own if no other name of this chart has it, else a free one."""
        given = self._given[field]
        for name in names:
            if name not in given:
                given[name] = COLORS[len(given) % len(COLORS)]
        chosen: dict[str, str] = {}
        for name in names:
            free = [color for color in COLORS if color not in chosen.values()]
            chosen[name] = given[name] if given[name] in free or not free else free[0]
        return chosen


def chart(panel: Chart, answer: Answer, palette: Palette) -> Drawing:
    """Bars, lines or a ranking."""
    records = answer.records()
    if panel.kind == "ranking":
        return _ranking(panel, records, palette)
    series = _split(panel, records) if panel.by else _columns(panel, records)
    colors = _series_colors(panel, list(series), palette)
    column = panel.columns[panel.y[0]]
    traces = [_trace(panel, name, points, colors[name]) for name, points in series.items()]
    layout = {
        "barmode": "stack",
        "hovermode": "x unified",
        "xaxis": {"type": "date" if panel.columns[panel.x].type == "date" else "linear"},
        "yaxis": {"rangemode": "tozero", **_axis(column)},
    }
    legend = tuple(colors.items()) if panel.by or len(panel.y) > 1 else ()
    return Drawing({"data": traces, "layout": layout}, legend)


def heatmap(panel: Heatmap, answer: Answer) -> Drawing:
    """Cells, the first row on top."""
    records = answer.records()
    across = sorted({str(record[panel.x]) for record in records})
    down = sorted({str(record[panel.y]) for record in records})
    values = {(str(r[panel.y]), str(r[panel.x])): r[panel.value] for r in records}
    form = panel.columns[panel.value].format
    trace = {
        "type": "heatmap",
        "x": across,
        "y": [escape(name) for name in down],
        "z": [[values.get((y, x)) for x in across] for y in down],
        "text": [[shown(values.get((y, x)), form) for x in across] for y in down],
        "hovertemplate": "%{y}, %{x} h: %{text}<extra></extra>",
        "colorscale": [[0, "rgba(76,120,208,0.08)"], [1, "rgb(76,120,208)"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    axis = {"type": "category", "showgrid": False}
    layout = {"yaxis": {"autorange": "reversed", **axis}, "xaxis": axis}
    return Drawing({"data": [trace], "layout": layout})


Points = list[tuple[Any, Any]]


def _split(panel: Chart, records: list[dict[str, Any]]) -> dict[str, Points]:
    """Points by the value of `by`: the largest series first, those that no colour is left for in one."""
    assert panel.by is not None
    values: dict[str, dict[Any, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        values[str(record[panel.by])][record[panel.x]] += record[panel.y[0]] or 0
    ranked = sorted(values, key=lambda name: -sum(values[name].values()))
    few = len(ranked) <= len(COLORS)
    kept, rest = (ranked, []) if few else (ranked[: len(COLORS) - 1], ranked[len(COLORS) - 1 :])
    for name in rest:
        for x, y in values[name].items():
            values[OTHERS][x] += y
    return {name: sorted(values[name].items()) for name in [*kept, *([OTHERS] if rest else [])]}


def _columns(panel: Chart, records: list[dict[str, Any]]) -> dict[str, Points]:
    return {
        panel.columns[name].label: [(record[panel.x], record[name]) for record in records] for name in panel.y
    }


def _series_colors(panel: Chart, names: list[str], palette: Palette) -> dict[str, str]:
    colors = palette.colors(panel.by or panel.title, [name for name in names if name != OTHERS])
    return {name: colors.get(name, OTHERS_COLOR) for name in names}


def _trace(panel: Chart, name: str, points: Points, color: str) -> Figure:
    column = panel.columns[panel.y[0]]
    style: Figure = (
        {"type": "bar", "marker": {"color": color}}
        if panel.kind == "bars"
        else {"type": "scatter", "mode": "lines", "line": {"color": color, "width": 2}}
    )
    return {
        **style,
        "name": escape(name),
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "customdata": [shown(y, column.format) for _, y in points],
        "hovertemplate": "%{customdata}",
    }


def _ranking(panel: Chart, records: list[dict[str, Any]], palette: Palette) -> Drawing:
    labels = [escape(shown(record[panel.x], None)) for record in records]
    ticks = [shortened(shown(record[panel.x], None)) for record in records]
    names = [panel.columns[y].label for y in panel.y]
    colors = palette.colors(panel.title, names) if len(names) > 1 else {names[0]: COLORS[0]}
    traces = [
        _bar_across(
            panel.columns[y], [record[y] for record in records], labels, colors[panel.columns[y].label]
        )
        | {
            "text": []
            if len(names) > 1
            else [brief(record[y], panel.columns[y].format) for record in records]
        }
        for y in panel.y
    ]
    longest = max(sum(record[y] or 0 for y in panel.y) for record in records)
    layout = {
        "barmode": "stack",
        "yaxis": {
            "autorange": "reversed",
            "type": "category",
            "tickvals": labels,
            "ticktext": ticks,
            "ticksuffix": " ",
        },
        "xaxis": {
            "range": [0, longest * LABEL_ROOM or 1],
            "nticks": 4,
            "tickangle": 0,
            **_axis(panel.columns[panel.y[0]]),
        },
    }
    return Drawing({"data": traces, "layout": layout}, tuple(colors.items()) if len(names) > 1 else ())


def _bar_across(column: Column, values: list[Any], labels: list[str], color: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": escape(column.label),
        "x": values,
        "y": labels,
        "customdata": [shown(value, column.format) for value in values],
        "hovertemplate": f"%{{y}}: %{{customdata}}<extra>{escape(column.label)}</extra>",
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": color},
    }


def _axis(column: Column) -> Mapping[str, Any]:
    return _AXIS.get(column.format or "", {"exponentformat": "B"})


def shortened(text: str) -> str:
    """A label that leaves room for the chart, both ends of it; HTML, since that is what labels are."""
    half = LABEL_LENGTH // 2
    return escape(text if len(text) <= LABEL_LENGTH else f"{text[: half - 1]}…{text[-half:]}")

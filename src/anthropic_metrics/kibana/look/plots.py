"""Bars and lines over time, as SVG that fills its card at any width; labels and legend are HTML."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from anthropic_metrics.kibana.ask import Answer, TimeRange
from anthropic_metrics.kibana.definitions import Chart, Column
from anthropic_metrics.kibana.look.colors import COLORS, OTHERS, OTHERS_COLOR, Palette
from anthropic_metrics.kibana.look.numbers import on_axis, shown
from anthropic_metrics.kibana.look.scales import Tick, bucket_width, number_ticks, time_ticks, whole_ticks

SIZE = 1000  # of the drawing's own coordinates, both ways
BAR = 0.86  # of a bucket's width
ZERO = '<p class="zero">0 in every bucket</p>'
GAP = 2.5  # buckets without a value that a line does not cross

Points = dict[float, float]


@dataclass(frozen=True)
class Across:
    """The x axis: its bounds, the width of a bucket, ticks, names of buckets and which are not complete."""

    low: float
    high: float
    width: float
    ticks: tuple[Tick, ...]
    names: Mapping[float, str]
    partial: frozenset[float] = frozenset()

    def at(self, x: float) -> float:
        """Where a value stands, from 0 to 1."""
        return (x - self.low) / (self.high - self.low)


def plot(panel: Chart, answer: Answer, time_range: TimeRange, palette: Palette) -> str:
    """Stacked bars, or lines."""
    series, across = _series(panel, answer), _across(panel, answer, time_range)
    series = {name: points for name, points in series.items() if any(points.values())} or series
    colors = _colors(panel, list(series), palette)
    bars = panel.kind == "bars"
    totals: dict[float, float] = defaultdict(float)
    for points in series.values():
        for x, y in points.items():
            totals[x] = totals[x] + y if bars else max(totals[x], y)
    counts = panel.columns[panel.y[0]].format == "count"
    ticks = number_ticks(max(totals.values(), default=0), integers=counts)
    draw = _bars if bars else _lines
    marks = draw(series, across, colors, ticks[-1])
    legend = list(colors.items()) if panel.by or len(panel.y) > 1 else []
    partial = bars and any(totals[x] for x in across.partial & totals.keys())
    return (
        f"{_legend(legend, partial)}{_axes(panel.columns[panel.y[0]], ticks, across, marks)}"
        f"{_readings(panel, series, colors, across)}"
    )


def _series(panel: Chart, answer: Answer) -> dict[str, Points]:
    """Points by series: the largest first, those that no colour is left for in one."""
    records = [record for record in answer.records() if record[panel.x] is not None]
    if panel.by is None:
        return {
            panel.columns[name].label: {
                _place(record[panel.x]): record[name] for record in records if record[name] is not None
            }
            for name in panel.y
        }
    series: dict[str, Points] = defaultdict(lambda: defaultdict(float))
    for record in records:
        series[str(record[panel.by])][_place(record[panel.x])] += record[panel.y[0]] or 0
    ranked = sorted(series, key=lambda name: -sum(series[name].values()))
    if len(ranked) <= len(COLORS):
        return {name: series[name] for name in ranked}
    for name in ranked[len(COLORS) - 1 :]:
        for x, y in series[name].items():
            series[OTHERS][x] += y
    return {name: series[name] for name in [*ranked[: len(COLORS) - 1], OTHERS]}


def _place(value: Any) -> float:
    """Seconds since the epoch for a time."""
    return value if isinstance(value, (int, float)) else datetime.fromisoformat(value).timestamp()


def _across(panel: Chart, answer: Answer, time_range: TimeRange) -> Across:
    values = sorted({_place(record[panel.x]) for record in answer.records() if record[panel.x] is not None})
    if panel.columns[panel.x].type != "date":
        low, high = values[0] - 0.5, values[-1] + 0.5
        places = whole_ticks(low, high)
        ticks = tuple(Tick((place - low) / (high - low), f"{place:.0f}") for place in places)
        return Across(low, high, 1.0, ticks, {x: f"{panel.columns[panel.x].label} {x:g}" for x in values})
    bucket = bucket_width(panel.query, time_range.start, time_range.end)
    width, start, end = bucket.total_seconds(), time_range.start.timestamp(), time_range.end.timestamp()
    low, high = min(start, values[0]), max(end, values[-1] + width)
    zone = time_range.start.tzinfo
    ticks = tuple(time_ticks(datetime.fromtimestamp(low, zone), datetime.fromtimestamp(high, zone), bucket))
    partial = frozenset(x for x in values if x < start or x + width > end + 1)
    names = {x: _bucket_name(datetime.fromtimestamp(x, zone), bucket, x in partial) for x in values}
    return Across(low, high, width, ticks, names, partial)


def _bucket_name(start: datetime, bucket: timedelta, partial: bool) -> str:
    text = f"{start:%Y-%m-%d}" if bucket >= timedelta(days=1) else f"{start:%Y-%m-%d %H:%M} UTC"
    return f"{text}, not complete" if partial else text


def _colors(panel: Chart, names: Sequence[str], palette: Palette) -> dict[str, str]:
    colors = palette.colors(panel.by or panel.title, [name for name in names if name != OTHERS])
    return {name: colors.get(name, OTHERS_COLOR) for name in names}


def _bars(series: Mapping[str, Points], across: Across, colors: Mapping[str, str], top: float) -> str:
    """A path for each series, and a paler one for the buckets that are not complete."""
    heights: dict[float, float] = defaultdict(float)
    drawn = []
    width = BAR * across.width / (across.high - across.low) * SIZE
    for name, points in series.items():
        complete, partial = list[str](), list[str]()
        for x, y in sorted(points.items()):
            left = (across.at(x) + across.at(x + across.width)) / 2 * SIZE - width / 2
            bottom, height = SIZE * (1 - heights[x] / top), SIZE * y / top
            heights[x] += y
            if height > 0:
                shape = f"M{left:.1f} {bottom:.1f}h{width:.1f}v{-height:.1f}h{-width:.1f}z"
                (partial if x in across.partial else complete).append(shape)
        for kind, shapes in (("bar", complete), ("bar partial", partial)):
            if shapes:
                drawn.append(f'<path class="{kind}" fill="{colors[name]}" d="{"".join(shapes)}"/>')
    return _svg(drawn)


def _svg(paths: Sequence[str]) -> str:
    """The drawing, nothing where there is nothing to draw."""
    if not paths:
        return ""
    head = f'<svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" aria-hidden="true">'
    return f"{head}{''.join(paths)}</svg>"


def _lines(series: Mapping[str, Points], across: Across, colors: Mapping[str, str], top: float) -> str:
    """A path for each series, broken where buckets have no value, and dots for values that stand alone."""
    drawn = []
    for name, points in series.items():
        pieces: list[list[tuple[float, float]]] = []
        last: float | None = None
        for x, y in sorted(points.items()):
            if last is None or x - last > GAP * across.width:
                pieces.append([])
            pieces[-1].append(
                (across.at(x + (across.width / 2 if across.width > 1 else 0)) * SIZE, SIZE * (1 - y / top))
            )
            last = x
        lines = "".join(
            "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in piece) for piece in pieces if len(piece) > 1
        )
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for piece in pieces if len(piece) == 1 for x, y in piece)
        for kind, path in (("line", lines), ("dot", dots)):
            if path:
                drawn.append(f'<path class="{kind}" stroke="{colors[name]}" d="{path}"/>')
    return _svg(drawn)


def _legend(names: Sequence[tuple[str, str]], partial: bool) -> str:
    items = [f'<li><i style="background:{color}"></i>{escape(name)}</li>' for name, color in names]
    if partial:
        items.append('<li><i class="partial"></i>not complete</li>')
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _axes(column: Column, ticks: Sequence[float], across: Across, marks: str) -> str:
    labels = [on_axis(tick, column.format) for tick in ticks]
    up = "".join(
        f'<span style="bottom:{100 * tick / ticks[-1]:.2f}%">{escape(label)}</span>'
        for tick, label in zip(ticks, labels, strict=True)
    )
    grid = "".join(f'<i style="bottom:{100 * tick / ticks[-1]:.2f}%"></i>' for tick in ticks)
    along = "".join(
        f'<span style="left:{100 * tick.at:.2f}%">{escape(tick.text)}</span>' for tick in across.ticks
    )
    return (
        f'<div class="plot" style="--labels:{max(map(len, labels))}ch"><div class="up">{up}</div>'
        f'<div class="area">{grid}{marks or ZERO}</div><div class="along">{along}</div></div>'
    )


def _readings(panel: Chart, series: Mapping[str, Points], colors: Mapping[str, str], across: Across) -> str:
    """What the script shows under the pointer: the middle of each bucket, its name and its values."""
    form = panel.columns[panel.y[0]].format
    half = across.width / 2 if across.width > 1 else 0
    data = {
        "at": [round(across.at(x + half), 4) for x in across.names],
        "names": list(across.names.values()),
        "series": [
            {
                "name": name,
                "color": colors[name],
                "values": [shown(points[x], form) if x in points else None for x in across.names],
            }
            for name, points in series.items()
        ],
    }
    # A "<" in a name must not end the script element.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'

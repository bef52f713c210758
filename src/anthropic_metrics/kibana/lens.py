"""Panels as Kibana keeps them: the state of each kind, in the form of 8.17 that every later version reads.

Each layer names its time field: without it Kibana sends no time range and the panel ignores the picker.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from anthropic_metrics.kibana.definitions import Chart, Column, Format, Heatmap, Metric, Queried, Table, Text

Body = dict[str, Any]

LAYER = "layer"
TIME_FIELD = "@timestamp"
NUMBERS: dict[Format, Body] = {
    "usd": {"decimals": 2},
    "price": {"decimals": 3},
    "count": {"decimals": 0},
    "compact": {"decimals": 1, "compact": True},
    "ratio": {"decimals": 2},
}
SERIES = {"bars": "bar_stacked", "lines": "line", "ranking": "bar_horizontal_stacked"}
GREY, GREEN, YELLOW, RED = "#98A2B3", "#24C292", "#FCD883", "#F6726A"
ZONE_NOTE = (
    "Kibana draws times in its own time zone (dateFormat:tz); buckets are UTC. The newest is still open."
)


def lens_state(panel: Queried) -> Body:
    """`attributes` of a Lens panel by value."""
    view = sha256(f"esql-{panel.pattern}".encode()).hexdigest()
    return {
        "title": panel.title,
        "description": _description(panel),
        "type": "lens",
        "visualizationType": _kind(panel),
        "references": [],
        "state": {
            "adHocDataViews": {view: _data_view(view, panel.pattern)},
            "datasourceStates": {"textBased": {"layers": {LAYER: _layer(view, panel)}}},
            "internalReferences": [
                {"type": "index-pattern", "id": view, "name": f"indexpattern-datasource-layer-{LAYER}"}
            ],
            "query": {"esql": panel.query},
            "filters": [],
            "visualization": _visualization(panel),
        },
    }


def _description(panel: Queried) -> str:
    """The note; on a time axis also what Kibana's time zone does to it."""
    timed = isinstance(panel, Chart) and panel.columns[panel.x].type == "date"
    return " ".join(filter(None, (panel.note, ZONE_NOTE if timed else "")))


def text_state(panel: Text) -> Body:
    """`savedVis` of a Markdown panel."""
    return {
        "id": "",
        "title": "",
        "description": "",
        "type": "markdown",
        "uiState": {},
        "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": panel.text},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }


def _kind(panel: Queried) -> str:
    kinds = {Metric: "lnsMetric", Chart: "lnsXY", Table: "lnsDatatable", Heatmap: "lnsHeatmap"}
    return kinds[type(panel)]


def _data_view(view: str, pattern: str) -> Body:
    return {
        "id": view,
        "title": pattern,
        "name": pattern,
        "type": "esql",
        "timeFieldName": TIME_FIELD,
        "sourceFilters": [],
        "fieldFormats": {},
        "runtimeFieldMap": {},
        "allowNoIndex": False,
        "allowHidden": False,
    }


def _layer(view: str, panel: Queried) -> Body:
    return {
        "index": view,
        "timeField": TIME_FIELD,
        "query": {"esql": panel.query},
        "columns": [_column(name, column, panel) for name, column in panel.columns.items()],
    }


def _column(name: str, column: Column, panel: Queried) -> Body:
    column_state: Body = {
        "columnId": name,
        "fieldName": name,
        "label": column.label,
        "customLabel": True,
        "meta": {"type": column.type},
    }
    if name in _metrics(panel):
        column_state["inMetricDimension"] = True
    if (shown := _format(column)) is not None:
        column_state["params"] = {"format": shown}
    return column_state


def _metrics(panel: Queried) -> tuple[str, ...]:
    """The columns in a metric dimension. A table has none: from 9.4 on the mark would move its columns."""
    if isinstance(panel, Metric):
        return tuple(panel.accessors())
    if isinstance(panel, Chart):
        return panel.y
    return (panel.value,) if isinstance(panel, Heatmap) else ()


def _format(column: Column) -> Body | None:
    if column.format == "percent":
        return {"id": "percent", "params": {"decimals": 1}}
    numbers = NUMBERS.get(column.format) if column.format else None
    return {"id": "number", "params": dict(numbers)} if numbers else None


def _visualization(panel: Queried) -> Body:
    layer = {"layerId": LAYER, "layerType": "data"}
    if isinstance(panel, Metric):
        return layer | _metric(panel)
    if isinstance(panel, Chart):
        return _chart(panel)
    if isinstance(panel, Table):
        return layer | _table(panel)
    return layer | _heatmap(panel)


def _metric(panel: Metric) -> Body:
    state: Body = {"metricAccessor": panel.value, "showBar": False}
    if panel.beside:
        state["secondaryMetricAccessor"] = panel.beside
    if panel.note:
        state["subtitle"] = panel.note
    if panel.steps:
        state["palette"] = _palette(panel.steps)
    return state


def _palette(steps: tuple[float, ...]) -> Body:
    """Green below the first step, red from the last on, yellow between two.

    Kibana gives a metric without a value the first colour, so that is grey, for values below zero: none is.
    """
    colors = [GREY, GREEN, RED] if len(steps) == 1 else [GREY, GREEN, YELLOW, RED]
    lower, upper = (-1, 0, *steps), (0, *steps, steps[-1] * 2)
    parameters = {
        "name": "custom",
        "rangeType": "number",
        "rangeMin": -1,
        "rangeMax": None,
        "reverse": False,
        "progression": "fixed",
        "continuity": "above",
        "steps": len(colors),
        "maxSteps": 5,
        "colorStops": [{"color": c, "stop": s} for c, s in zip(colors, lower, strict=True)],
        "stops": [{"color": c, "stop": s} for c, s in zip(colors, upper, strict=True)],
    }
    return {"type": "palette", "name": "custom", "params": parameters}


def _chart(panel: Chart) -> Body:
    kind = SERIES[panel.kind]
    layer: Body = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": kind,
        "xAccessor": panel.x,
        "accessors": list(panel.y),
        "yConfig": [{"forAccessor": name, "axisMode": "left"} for name in panel.y],
    }
    if panel.by:
        layer["splitAccessor"] = panel.by
    axes = {"x": True, "yLeft": True, "yRight": True}
    return {
        "preferredSeriesType": kind,
        "valueLabels": "show" if panel.kind == "ranking" and len(panel.y) == 1 else "hide",
        "fittingFunction": "None",
        "legend": {"isVisible": bool(panel.by) or len(panel.y) > 1, "position": "right"},
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "tickLabelsVisibilitySettings": dict(axes),
        "gridlinesVisibilitySettings": {**axes, "x": panel.kind == "ranking"},
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "yLeftExtent": {"mode": "full"},
        "layers": [layer],
    }


def _table(panel: Table) -> Body:
    columns: list[Body] = []
    for name, column in panel.columns.items():
        shown: Body = {"columnId": name, "isTransposed": False, "isMetric": column.type == "number"}
        if name in panel.total and panel.total_by is None:  # Kibana sums all rows, not groups of them
            shown |= {"summaryRow": "sum", "summaryLabel": "Total"}
        columns.append(shown)
    return {"columns": columns, "paging": {"enabled": True, "size": 20}, "rowHeight": "single"}


def _heatmap(panel: Heatmap) -> Body:
    return {
        "shape": "heatmap",
        "xAccessor": panel.x,
        "yAccessor": panel.y,
        "valueAccessor": panel.value,
        "legend": {"type": "heatmap_legend", "isVisible": True, "position": "right"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": False,
            "isXAxisLabelVisible": True,
            "isYAxisLabelVisible": True,
            "isXAxisTitleVisible": False,
            "isYAxisTitleVisible": False,
            # Read from 9.4 on; before, the order is that of the rows.
            "xSortPredicate": "asc",
            "ySortPredicate": "asc",
        },
    }

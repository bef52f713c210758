"""Dashboards as they are written by hand: one YAML file each in `kibana/`, checked while they are read.

What every query needs is added here, so that no panel can forget it: only the agent's own documents are read,
and a table shows dates as UTC text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from anthropic_metrics.documents.base import OWN
from anthropic_metrics.elastic.assets import assets_root
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.telemetry import spans
from anthropic_metrics.telemetry.rpm import BY_GROUP

WIDTH = 48  # columns of Kibana's grid
Format = Literal["usd", "price", "count", "compact", "ratio", "percent", "time", "day"]
DATES = ("time", "day")
Covers = Literal["range", "month", "fortnight", "day", "week_ago"]
OWN_DOCUMENTS = f"WHERE {OWN}"
# Kibana draws a date in the viewer's time zone: west of UTC, a UTC day would read as the evening before.
DATE_TEXTS = {"day": "yyyy-MM-dd", "time": "yyyy-MM-dd HH:mm"}

SHARED = "bundle.yaml"  # what all dashboards of a folder share

Model = TypeVar("Model", bound=BaseModel)


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Definition):
    """An output column of a query. Without a format it is text."""

    label: str
    format: Format | None = None

    @property
    def type(self) -> Literal["number", "date", "string"]:
        if self.format is None:
            return "string"
        return "date" if self.format in DATES else "number"


def _column(value: object) -> object:
    """`Label` or `[Label, format]`."""
    if isinstance(value, str):
        return {"label": value}
    if isinstance(value, list) and len(value) == 2:
        return {"label": value[0], "format": value[1]}
    return value


class _Titled(_Definition):
    """`covers` is the part of the chosen range that the figures are of: all of it, the UTC month or day of
    its end, that day a week ago, or the 14 days before its last two."""

    title: str
    note: str = ""
    width: int | None = Field(None, ge=6, le=WIDTH)
    covers: Covers = "range"

    @property
    def slug(self) -> str:
        """The panel's id in its dashboard: moving a panel keeps it."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


class _Queried(_Titled):
    query: str
    columns: dict[str, Annotated[Column, BeforeValidator(_column)]]

    @property
    def pattern(self) -> str:
        """What the query reads, as a data view's title."""
        source = re.match(r"\s*FROM\s+([^|]+)", self.query)
        return "".join(source[1].split()) if source else ""

    def accessors(self) -> Iterator[str]:
        """Every column that the panel draws."""
        return iter(())

    @model_validator(mode="after")
    def _accessors_are_columns(self) -> Self:
        if unknown := [name for name in self.accessors() if name not in self.columns]:
            raise ValueError(f"no such column: {', '.join(unknown)}")
        return self


class Metric(_Queried):
    """One number, with another one beside it. `steps` are the bounds between green, yellow and red.

    A value that is null is drawn in grey: no data is never good news.
    """

    kind: Literal["metric"]
    value: str
    beside: str | None = None
    steps: tuple[float, ...] = Field((), max_length=2)

    def accessors(self) -> Iterator[str]:
        yield from (self.value, *([self.beside] if self.beside else []))


class Chart(_Queried):
    """Stacked bars over time, lines, or a ranking: horizontal bars, the longest first."""

    kind: Literal["bars", "lines", "ranking"]
    x: str
    y: tuple[str, ...] = Field(min_length=1)
    by: str | None = None

    def accessors(self) -> Iterator[str]:
        yield from (self.x, *self.y, *([self.by] if self.by else []))


class Table(_Queried):
    """Every column in its order; those in `total` are summed below, for each value of `total_by` if named."""

    kind: Literal["table"]
    total: tuple[str, ...] = ()
    total_by: str | None = None

    def accessors(self) -> Iterator[str]:
        yield from (*self.total, *([self.total_by] if self.total_by else []))


class Heatmap(_Queried):
    kind: Literal["heatmap"]
    x: str
    y: str
    value: str

    def accessors(self) -> Iterator[str]:
        yield from (self.x, self.y, self.value)


class Text(_Titled):
    """Markdown."""

    kind: Literal["text"]
    title: str = "Text"
    text: str


Queried = Metric | Chart | Table | Heatmap
Panel = Annotated[Queried | Text, Field(discriminator="kind")]


class Row(_Definition):
    height: int = Field(ge=3, le=40)
    panels: tuple[Panel, ...] = Field(min_length=1)

    def placed(self) -> Iterator[tuple[int, int, Metric | Chart | Table | Heatmap | Text]]:
        """Each panel with its left edge and its width; those without a width share what is left."""
        free = WIDTH - sum(panel.width or 0 for panel in self.panels)
        shares = [panel for panel in self.panels if panel.width is None]
        left = 0
        for panel in self.panels:
            width = panel.width
            if width is None:
                width = free // len(shares) + (shares.index(panel) < free % len(shares))
            yield left, width, panel
            left += width


class Dashboard(_Definition):
    """`range` is where the time range begins when it is opened; it ends now. `place` gives the order."""

    name: str
    place: int
    title: str
    about: str
    range: str = Field(pattern=r"^now-\d+[hdwM](/[dwM])?$")
    controls: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def id(self) -> str:
        return f"anthropic-metrics-{self.name}"

    def queried(self) -> Iterator[Queried]:
        """The panels that ask something."""
        for row in self.rows:
            for panel in row.panels:
                if not isinstance(panel, Text):
                    yield panel


class Control(_Definition):
    """A choice above a dashboard, over a field that every stream on it has."""

    label: str
    field: str


@dataclass(frozen=True)
class Bundle:
    """All dashboards, in the order of their navigation row."""

    dashboards: tuple[Dashboard, ...]
    controls: dict[str, Control]


class _BundleFile(_Definition):
    controls: dict[str, Control]
    words: dict[str, str]


def kibana_folder() -> Path:
    """Where definitions and saved objects lie: in the installed package, or in a checkout."""
    return assets_root() / "kibana"


def load_bundle(folder: Path | None = None) -> Bundle:
    """Every YAML file of the folder, in the order of their places. ConfigError names the file and the key."""
    folder = folder or kibana_folder()
    path = folder / SHARED
    shared = _validated(_BundleFile, path, _read(path))
    shared.words["requests_by_group"] = "\n".join(f"| {command}" for command in BY_GROUP)
    dashboards = [
        _dashboard(dashboard, shared) for dashboard in sorted(folder.glob("*.yaml")) if dashboard != path
    ]
    return Bundle(tuple(sorted(dashboards, key=lambda dashboard: dashboard.place)), shared.controls)


def _dashboard(path: Path, shared: _BundleFile) -> Dashboard:
    source = _read(path)
    for row in source.get("rows", []):
        for panel in row.get("panels", []):
            if "query" in panel:
                panel["query"] = _own_documents(_expanded(path, panel, shared.words))
            if panel.get("kind") == "table":
                _dates_as_text(panel)
    dashboard = _validated(Dashboard, path, {"name": path.stem, **source})
    if unknown := set(dashboard.controls) - shared.controls.keys():
        raise ConfigError(f"{path.name}: no such control in bundle.yaml: {', '.join(sorted(unknown))}")
    return dashboard


def _expanded(path: Path, panel: dict[str, Any], words: dict[str, str]) -> str:
    try:
        return Template(panel["query"].rstrip()).substitute(words)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"{path.name}: {panel.get('title')}: no such word in bundle.yaml: {error}"
        ) from None


def _own_documents(query: str) -> str:
    """The query with its source limited to what this agent wrote, or to the API's spans (`FROM calls`)."""
    if spans.is_of_calls(query):
        return spans.expanded(query, stream_name(AGENT, "*"))
    source, _, rest = query.partition("\n")
    return f"{source}\n| {OWN_DOCUMENTS}\n{rest}"


def _dates_as_text(panel: dict[str, Any]) -> None:
    """Turn the date columns of a table into text."""
    columns = panel.get("columns", {})
    texts = {
        name: column
        for name, column in columns.items()
        if isinstance(column, list) and len(column) == 2 and column[1] in DATE_TEXTS
    }
    for name, (label, form) in texts.items():
        columns[name] = f"{label}, UTC" if form == "time" else label
    if texts:
        forms = (f'{name} = DATE_FORMAT("{DATE_TEXTS[form]}", {name})' for name, (_, form) in texts.items())
        panel["query"] += f"\n| EVAL {', '.join(forms)}"


def _read(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path.name}: a mapping is expected")
    return loaded


def _validated(model: type[Model], path: Path, source: dict[str, Any]) -> Model:
    try:
        return model.model_validate(source)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise ConfigError(f"{path.name}: {'; '.join(problems)}") from None

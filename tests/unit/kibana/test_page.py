"""The page without Kibana: nothing from elsewhere, every panel drawn, names that cannot break it."""

from __future__ import annotations

import builtins
import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects
import pytest

from anthropic_metrics.errors import BadRequest, ConfigError
from anthropic_metrics.kibana.ask import Answer
from anthropic_metrics.kibana.definitions import (
    Bundle,
    Chart,
    Dashboard,
    Heatmap,
    Metric,
    Queried,
    load_bundle,
)
from anthropic_metrics.kibana.look.figures import COLORS, OTHERS, Palette, chart, shortened
from anthropic_metrics.kibana.look.numbers import shown
from anthropic_metrics.kibana.look.page import NO_DATA, TABLE_ROWS, Page, render

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)
BUNDLE = load_bundle()
EVIL = "</script><script>alert(1)</script><b onclick='x'>&"
VALUES: dict[str, list[Any]] = {
    "number": [7, 5, 0.25, None],
    "date": ["2026-11-18T00:00:00.000Z", "2026-11-19T00:00:00.000Z", "2026-11-19T12:00:00.000Z", None],
    "string": ["Production", EVIL, "Ä name that is much longer than any label may be", "None"],
}


def invented(panel: Queried, rows: int = 3) -> Answer:
    """Believable rows for any panel."""
    columns = panel.columns
    return Answer(
        tuple(columns),
        tuple(column.type for column in columns.values()),
        tuple(tuple(VALUES[column.type][row % 3] for column in columns.values()) for row in range(rows)),
    )


class Parts(HTMLParser):
    """What the checks look at: attributes that load, cards, and scripts with data."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.cards: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self._data = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.handlers += [name for name in given if name.startswith("on")]
        self.loads += [given[name] or "" for name in ("src", "href", "srcset", "data") if name in given]
        if "data-panel" in given:
            self.cards.append(str(given["data-panel"]))
        self._data = given.get("type") == "application/json"

    def handle_data(self, data: str) -> None:
        if self._data:
            self.figures.append(json.loads(data))
            self._data = False


@pytest.fixture(scope="module")
def page() -> Page:
    return render(BUNDLE, lambda dashboard, panel: invented(panel), now=NOW, subtitle=f"Namespace {EVIL}")


@pytest.fixture(scope="module")
def parts(page: Page) -> Parts:
    return Parts(page.html)


def one(panel: Queried) -> Bundle:
    """A bundle of one panel."""
    dashboard = next(each for each in BUNDLE.dashboards if panel in list(each.queried()))
    row = next(row for row in dashboard.rows if panel in row.panels)
    alone = dashboard.model_copy(update={"rows": (row.model_copy(update={"panels": (panel,)}),)})
    return Bundle((alone,), BUNDLE.controls)


def named(dashboard: str, title: str) -> Any:
    found: Dashboard = next(each for each in BUNDLE.dashboards if each.name == dashboard)
    return next(panel for panel in found.queried() if panel.title == title)


def test_the_page_loads_nothing_from_anywhere(page: Page, parts: Parts) -> None:
    assert {link[:1] for link in parts.loads} == {"#"}
    assert set(parts.tags).isdisjoint({"link", "iframe", "img", "object", "embed"})
    style = page.html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_panel_has_its_card(parts: Parts) -> None:
    wanted = [panel.slug for each in BUNDLE.dashboards for row in each.rows for panel in row.panels]
    assert parts.cards == wanted


def test_every_chart_is_a_figure_that_plotly_accepts_and_has_marks(parts: Parts) -> None:
    charts = [p for each in BUNDLE.dashboards for p in each.queried() if isinstance(p, (Chart, Heatmap))]
    assert len(parts.figures) == len(charts)
    for panel, figure in zip(charts, parts.figures, strict=True):
        plotly.graph_objects.Figure(figure)
        assert figure["data"], panel.title
        for trace in figure["data"]:
            assert trace["x"], panel.title
            assert trace["y"], panel.title


def test_a_name_can_neither_end_a_script_nor_become_a_tag(page: Page, parts: Parts) -> None:
    assert "<script>alert(1)" not in page.html
    assert not parts.handlers
    assert parts.tags.count("script") == 2 + len(parts.figures)


def test_a_panel_without_rows_says_so(page: Page) -> None:
    def nothing(dashboard: Dashboard, panel: Queried) -> Answer:
        return Answer(tuple(panel.columns), (), ())

    empty = render(BUNDLE, nothing, now=NOW, subtitle="")
    asked = [panel for each in BUNDLE.dashboards for panel in each.queried()]
    metrics = sum(isinstance(panel, Metric) for panel in asked)
    assert empty.html.count(NO_DATA) == len(asked) - metrics
    assert empty.html.count(">n/a</p>") == metrics
    assert empty.failures == []


def test_a_panel_that_fails_says_why_in_its_place_and_the_others_are_drawn() -> None:
    def ask(dashboard: Dashboard, panel: Queried) -> Answer:
        if panel.title == "Web searches":
            raise BadRequest("line 3: <no such column>")
        return invented(panel)

    drawn = render(BUNDLE, ask, now=NOW, subtitle="")
    assert drawn.failures == ["Token usage: Web searches: line 3: <no such column>"]
    assert '<p class="failed">line 3: &lt;no such column&gt;</p>' in drawn.html


def test_a_long_table_shows_its_first_rows_its_whole_sum_and_how_many_more() -> None:
    panel = named("cost", "Invoice reconciliation by UTC month and line item, USD")
    drawn = render(one(panel), lambda dashboard, each: invented(each, rows=40), now=NOW, subtitle="")
    assert drawn.html.count("<tr>") == 1 + TABLE_ROWS + 1
    assert f"and {40 - TABLE_ROWS} more rows" in drawn.html
    assert f"{14 * 7 + 13 * 5 + 13 * 0.25:.2f}" in drawn.html


@pytest.mark.parametrize(("age", "tone"), [(10, "good"), (75, "fair"), (180, "bad")])
def test_a_metric_with_steps_is_coloured_by_them(age: int, tone: str) -> None:
    panel = named("overview", "Newest usage, minutes old")
    answer = Answer(("minutes", "newest"), ("integer", "date"), ((age, None),))
    drawn = render(one(panel), lambda *_: answer, now=NOW, subtitle="")
    assert f'<p class="big {tone}">{age}</p>' in drawn.html


def many(count: int) -> Answer:
    rows = tuple((f"2026-11-{day:02d}", f"model {n}", float(n)) for day in (1, 2) for n in range(count))
    return Answer(("day", "anthropic.model", "usd"), ("date", "keyword", "double"), rows)


def test_no_legend_of_forty_names() -> None:
    panel = named("overview", "Spend a day by model, USD")
    drawing = chart(panel, many(40), Palette())
    assert len(drawing.legend) == len(COLORS)
    assert drawing.legend[0][0] == "model 39"
    assert drawing.legend[-1][0] == OTHERS
    assert sum(sum(trace["y"]) for trace in drawing.figure["data"]) == 2 * sum(range(40))


def test_a_name_keeps_its_colour_and_no_two_of_a_chart_share_one() -> None:
    palette = Palette()
    first = palette.colors("model", ["a", "b"])
    assert palette.colors("model", ["b", "c"])["b"] == first["b"]
    crowded = palette.colors("model", [f"name {n}" for n in range(len(COLORS))])
    assert len(set(crowded.values())) == len(COLORS)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234567.891, "usd", "1,234,567.89"),
        (0.1026, "price", "0.103"),
        (80_004_920_916, "compact", "80.0 B"),
        (999, "compact", "999"),
        (-1_500, "compact", "-1.5 K"),
        (0.5372, "percent", "53.7 %"),
        (None, "usd", "n/a"),
        (["a", "b"], None, "a, b"),
        ("2026-11-20T15:42:10.000Z", "time", "2026-11-20 15:42"),
        ("2026-11-20T15:42:10.000Z", "day", "2026-11-20"),
        (0, "count", "0"),
    ],
)
def test_values_are_written_for_readers(value: Any, form: Any, text: str) -> None:
    assert shown(value, form) == text


def test_a_long_label_keeps_both_its_ends() -> None:
    text = shortened("cache_creation.ephemeral_5m_input_tokens")
    assert text.startswith("cache_creat")
    assert text.endswith("_input_tokens")
    assert text != shortened("cache_creation.ephemeral_1h_input_tokens")


def test_a_page_without_its_libraries_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *arguments: Any) -> Any:
        if name.startswith("plotly"):
            raise ModuleNotFoundError("No module named 'plotly'", name="plotly")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"anthropic-metrics\[render\]"):
        render(BUNDLE, lambda dashboard, panel: invented(panel), now=NOW, subtitle="")

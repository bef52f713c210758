"""The page without Kibana: nothing from elsewhere, every panel drawn, names that cannot break it."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from anthropic_metrics.errors import BadRequest
from anthropic_metrics.kibana.ask import Answer, TimeRange
from anthropic_metrics.kibana.definitions import (
    Bundle,
    Chart,
    Dashboard,
    Metric,
    Queried,
    Table,
    load_bundle,
)
from anthropic_metrics.kibana.look.page import NO_DATA, Page, render
from anthropic_metrics.redaction import redact

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)
TIME_RANGE = TimeRange(datetime(2026, 11, 1, tzinfo=UTC), NOW)
TO_DATE = "1 \N{EN DASH} 20 Nov 2026, 15:42 UTC"
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


@dataclass
class Parts(HTMLParser):
    """What the checks look at: what is loaded, cards, tags and handlers, and the data of charts."""

    html: str
    loads: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._data = False
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.handlers += [name for name in named if name.startswith("on")]
        self.loads += [named[name] or "" for name in ("src", "href", "srcset", "data") if name in named]
        if "data-panel" in named:
            self.cards.append(str(named["data-panel"]))
        self._data = named.get("type") == "application/json"

    def handle_data(self, data: str) -> None:
        if self._data:
            self.readings.append(json.loads(data))
            self._data = False


def drawn(ask: Any, bundle: Bundle = BUNDLE, time_range: TimeRange = TIME_RANGE) -> Page:
    return render(bundle, ask, ranges=lambda dashboard: time_range, now=NOW, subtitle=f"Namespace {EVIL}")


@pytest.fixture(scope="module")
def page() -> Page:
    return drawn(lambda panel, time_range: invented(panel))


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


def alone(panel: Queried, answer: Answer) -> str:
    return drawn(lambda *_: answer, one(panel)).html


def table_of(rows: list[tuple[Any, ...]], **columns: Any) -> tuple[Table, str]:
    """A table over some rows, in place of one of the overview's, and its page."""
    source = {"kind": "table", "title": "Any", "query": "FROM x | LIMIT 1000", **columns}
    panel = Table.model_validate(source)
    dashboard = BUNDLE.dashboards[0]
    row = dashboard.rows[0].model_copy(update={"panels": (panel,)})
    bundle = Bundle((dashboard.model_copy(update={"rows": (row,)}),), BUNDLE.controls)
    answer = Answer(tuple(panel.columns), (), tuple(rows))
    return panel, drawn(lambda *_: answer, bundle).html


def csv_of(html: str) -> list[list[str]]:
    (link,) = (each for each in Parts(html).loads if each.startswith("data:text/csv"))
    return list(csv.reader(io.StringIO(b64decode(link.partition("base64,")[2]).decode("utf-8-sig"))))


def test_the_page_loads_nothing_from_anywhere(page: Page, parts: Parts) -> None:
    assert {link[:14] for link in parts.loads if not link.startswith("#")} == {"data:text/csv;"}
    assert set(parts.tags).isdisjoint({"link", "iframe", "img", "object", "embed"})
    style = page.html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "import" not in page.html.rpartition("<script>")[2]


def test_the_page_is_small(page: Page) -> None:
    assert len(page.html) < 300_000


def test_every_panel_has_its_card_and_its_range(page: Page, parts: Parts) -> None:
    wanted = [panel.slug for each in BUNDLE.dashboards for row in each.rows for panel in row.panels]
    assert parts.cards == wanted
    asked = [panel for each in BUNDLE.dashboards for panel in each.queried()]
    assert page.html.count('<p class="range">') == len(asked)
    of_one_day = sum(panel.covers in ("day", "week_ago") for panel in asked)
    assert page.html.count(TO_DATE) >= len(asked) - 1 - of_one_day


def test_every_chart_over_time_has_marks_and_readings(page: Page, parts: Parts) -> None:
    charts = [p for each in BUNDLE.dashboards for p in each.queried() if isinstance(p, Chart)]
    plots = [panel for panel in charts if panel.kind != "ranking"]
    assert len(parts.readings) == len(plots) == page.html.count('<div class="plot"')
    for panel, reading in zip(plots, parts.readings, strict=True):
        assert reading["series"], panel.title
        assert all(len(each["values"]) == len(reading["at"]) for each in reading["series"])
        assert all(0 <= at <= 1 for at in reading["at"]), panel.title
    assert page.html.count("<path") >= len(plots)


def test_a_name_can_neither_end_a_script_nor_become_a_tag(page: Page, parts: Parts) -> None:
    assert "<script>alert(1)" not in page.html
    assert not parts.handlers
    assert parts.tags.count("script") == 1 + len(parts.readings)


def test_a_panel_without_rows_says_so_and_is_not_coloured() -> None:
    empty = drawn(lambda panel, time_range: Answer(tuple(panel.columns), (), ()))
    asked = [panel for each in BUNDLE.dashboards for panel in each.queried()]
    metrics = sum(isinstance(panel, Metric) for panel in asked)
    assert empty.html.count(NO_DATA) == len(asked) - metrics
    assert empty.html.count('<p class="big ">n/a</p>') == metrics
    assert empty.failures == []


def test_a_panel_without_its_stream_names_it_and_is_no_failure() -> None:
    empty = drawn(lambda panel, time_range: Answer((), (), (), ("metrics-anthropic_metrics.cost-x",)))
    assert empty.html.count("Data stream metrics-anthropic_metrics.cost-x does not exist") > 50
    assert (empty.failures, empty.missing) == ([], ["metrics-anthropic_metrics.cost-x"])


def test_a_panel_that_fails_says_why_in_its_place_and_the_others_are_drawn() -> None:
    def ask(panel: Queried, time_range: TimeRange) -> Answer:
        if panel.title == "Web searches":
            raise BadRequest("line 3: <no such column>")
        return invented(panel)

    page = drawn(ask)
    assert page.failures == ["Token usage: Web searches: line 3: <no such column>"]
    assert '<p class="failed">line 3: &lt;no such column&gt;</p>' in page.html


def test_no_secret_reaches_the_page_or_its_csv() -> None:
    secret = "a-secret-of-this-test-0815"
    redact.add(secret)
    _, html = table_of([(f"name {secret}",)], columns={"name": "Name"})
    assert secret not in html
    assert csv_of(html) == [["Name"], ["name [redacted]"]]


def test_a_table_has_every_row_and_the_total_of_all_of_them() -> None:
    rows = [("2026-11", number) for number in range(40)]
    _, html = table_of(rows, columns={"month": "Month", "usd": ["Spend", "usd"]}, total=("usd",))
    assert html.count("<tr>") == 1 + 40 + 1
    assert ">40 rows<" in html
    assert ">780.00<" in html
    assert len(csv_of(html)) == 1 + 40


def test_the_total_of_a_month_is_of_that_month() -> None:
    rows = [("2026-11 (days 1 to 20)", 3), ("2026-11 (days 1 to 20)", 4), ("2026-10", 5)]
    columns = {"month": "Month", "usd": ["Spend", "usd"]}
    _, html = table_of(rows, columns=columns, total=("usd",), total_by="month")
    foot = html.partition("<tfoot>")[2].partition("</tfoot>")[0]
    assert "Total 2026-11 (days 1 to 20)" in foot
    assert ">7.00<" in foot
    assert ">5.00<" in foot
    assert "12.00" not in foot


def test_a_table_that_its_query_cuts_off_says_that_its_totals_lack_the_rest() -> None:
    rows = [("x", 1)] * 1000
    _, html = table_of(rows, columns={"name": "Name", "usd": ["Spend", "usd"]}, total=("usd",))
    assert "1,000 rows, the most that this table lists; there may be more, which the totals lack" in html


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_name_is_no_formula_in_the_csv(name: str) -> None:
    _, html = table_of([(name, -1.5)], columns={"name": "Name", "change": ["Change", "usd"]})
    (_, (text, number)) = csv_of(html)
    assert text.startswith(("'", "\\"))
    assert number == "-1.5"


def test_figures_in_the_csv_are_not_rounded() -> None:
    _, html = table_of([("客服", 0.1234567)], columns={"name": "Name", "usd": ["Spend", "usd"]})
    assert csv_of(html) == [["Name", "Spend"], ["客服", "0.1234567"]]


@pytest.mark.parametrize(("age", "tone"), [(10, "good"), (75, "fair"), (180, "bad"), (999999, "bad")])
def test_a_metric_with_steps_is_coloured_by_them(age: int, tone: str) -> None:
    panel = named("overview", "Newest usage, minutes old")
    html = alone(panel, Answer(("minutes", "newest"), ("integer", "date"), ((age, None),)))
    assert f'<p class="big {tone}">{age:,}</p>' in html


def test_a_month_that_the_range_cuts_says_why_it_has_no_figure() -> None:
    panel = named("cost", "Spend this month, USD")
    answer = Answer(("usd", "days"), (), ((None, 3),))
    late = TimeRange(datetime(2026, 11, 5, tzinfo=UTC), NOW)
    assert (
        "The range begins after the first day of the month."
        in drawn(lambda *_: answer, one(panel), late).html
    )
    assert "The range begins after" not in alone(panel, answer)


def test_a_panel_of_the_month_says_which_days_it_is_of() -> None:
    panel = named("overview", "Spend this month, USD")
    time_range = TimeRange(datetime(2026, 10, 1, tzinfo=UTC), NOW)
    html = drawn(lambda *_: invented(panel), one(panel), time_range).html
    assert f'<p class="range">{TO_DATE}</p>' in html

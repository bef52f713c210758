"""Charts and their axes: right ticks, one bucket drawn as one, what is not complete is marked."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.kibana.ask import Answer, TimeRange
from anthropic_metrics.kibana.definitions import Chart, load_bundle
from anthropic_metrics.kibana.look.colors import COLORS, OTHERS, Palette
from anthropic_metrics.kibana.look.marks import ranking
from anthropic_metrics.kibana.look.numbers import on_axis, shown
from anthropic_metrics.kibana.look.plots import plot
from anthropic_metrics.kibana.look.scales import bucket_width, number_ticks, time_ticks

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
TIME_RANGE = TimeRange(START, NOW)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def chart(kind: str = "bars", **given: Any) -> Chart:
    source = {
        "kind": kind,
        "title": "Any",
        "query": "FROM x",
        "columns": {"day": ["Day", "day"], "model": "Model", "usd": ["Spend", "usd"]},
        "x": "day",
        "y": ("usd",),
        "by": "model",
    }
    return Chart.model_validate(source | given)


def drawn(panel: Chart, *rows: tuple[Any, ...], time_range: TimeRange = TIME_RANGE) -> str:
    return plot(panel, Answer(tuple(panel.columns), (), rows), time_range, Palette())


def reading(html: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(html.partition('<script type="application/json">')[2][:-9])
    return data


def test_no_legend_of_forty_names() -> None:
    rows = [(f"2026-11-0{day}T00:00:00Z", f"model {n}", float(n)) for day in (1, 2) for n in range(40)]
    html = drawn(chart(), *rows)
    series = reading(html)["series"]
    assert len(series) == len(COLORS)
    assert series[0]["name"] == "model 39"
    assert series[-1]["name"] == OTHERS
    assert series[-1]["values"] == [f"{sum(range(32)):,}.00"] * 2


def test_one_bucket_is_a_bar_as_wide_as_a_bucket_at_its_place() -> None:
    html = drawn(chart(), ("2026-11-10T00:00:00Z", "a", 3.0))
    match = re.search(r"M([\d.]+) [\d.]+h([\d.]+)v", html)
    assert match
    left, width = float(match[1]), float(match[2])
    days = (NOW - START) / DAY
    assert width == pytest.approx(0.86 * 1000 / days, abs=0.1)
    assert left + width / 2 == pytest.approx(9.5 * 1000 / days, abs=0.1)
    assert reading(html)["names"] == ["2026-11-10"]


def test_one_point_of_a_line_is_a_dot_and_a_gap_is_not_crossed() -> None:
    html = drawn(chart("lines"), ("2026-11-02T00:00:00Z", "a", 1.0))
    assert 'class="dot"' in html
    assert 'class="line"' not in html
    rows = [(f"2026-11-{day:02d}T00:00:00Z", "a", 1.0) for day in (2, 3, 4, 10, 11)]
    (path,) = re.findall(r'class="line" stroke="[^"]+" d="([^"]+)"', drawn(chart("lines"), *rows))
    assert path.count("M") == 2


def test_a_bucket_that_is_not_complete_is_marked() -> None:
    html = drawn(chart(), ("2026-11-19T00:00:00Z", "a", 1.0), ("2026-11-20T00:00:00Z", "a", 1.0))
    assert html.count('class="bar partial"') == html.count('class="bar"') == 1
    assert "not complete</li>" in html
    assert reading(html)["names"] == ["2026-11-19", "2026-11-20, not complete"]
    day = TimeRange(START, datetime(2026, 11, 20, 23, 59, 59, 999_000, tzinfo=UTC))
    assert "partial" not in drawn(chart(), ("2026-11-20T00:00:00Z", "a", 1.0), time_range=day)


def test_bars_that_are_all_zero_say_so() -> None:
    assert "0 in every bucket" in drawn(chart(), ("2026-11-19T00:00:00Z", "a", 0.0))


def test_a_name_keeps_its_colour_and_no_two_of_a_chart_share_one() -> None:
    palette = Palette()
    first = palette.colors("model", ["a", "b"])
    assert palette.colors("model", ["b", "c"])["b"] == first["b"]
    crowded = palette.colors("model", [f"name {n}" for n in range(len(COLORS))])
    assert len(set(crowded.values())) == len(COLORS)


def test_a_ranking_without_figures_and_with_long_names() -> None:
    panel = chart("ranking", x="model", by=None)
    names = ("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens")
    html = ranking(
        panel, Answer(("day", "model", "usd"), (), ((None, names[0], 0), (None, names[1], None))), Palette()
    )
    assert html.count("<li>") == 2
    assert all(f'title="{name}"' in html for name in names)


@pytest.mark.parametrize(
    ("start", "end", "bucket", "labels"),
    [
        (START, START + 7 * DAY, 12 * HOUR, ["1 Nov", "2 Nov", "3 Nov", "4 Nov", "5 Nov", "6 Nov", "7 Nov"]),
        (START, START + HOUR, MINUTE, ["1 Nov", "00:10", "00:20", "00:30", "00:40", "00:50"]),
        (NOW, NOW + 25 * HOUR, HOUR, ["18:00", "21 Nov", "06:00", "12:00"]),
        (NOW, NOW + MINUTE, timedelta(seconds=1), ["15:42:00", "15:42:15", "15:42:30", "15:42:45"]),
        (START, START + 400 * DAY, 7 * DAY, ["1 Nov", "31 Jan", "2 May", "1 Aug", "31 Oct"]),
    ],
)
def test_ticks_of_time_are_round(
    start: datetime, end: datetime, bucket: timedelta, labels: list[str]
) -> None:
    ticks = time_ticks(start, end, bucket)
    assert [tick.text for tick in ticks] == labels
    assert all(0 <= tick.at < 1 for tick in ticks)


@pytest.mark.parametrize(
    ("top", "integers", "ticks"),
    [
        (4321.5, False, [0, 2000, 4000, 6000]),
        (0.83, False, [0, 0.25, 0.5, 0.75, 1]),
        (1, True, [0, 1]),
        (5, True, [0, 2, 4, 6]),
        (0, False, [0, 1]),
    ],
)
def test_ticks_of_numbers_are_round_and_reach_the_top(top: float, integers: bool, ticks: list[float]) -> None:
    assert number_ticks(top, integers=integers) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("days", "width"), [(1, 30 * MINUTE), (7, 3 * HOUR), (28, 12 * HOUR), (56, DAY), (400, 7 * DAY)]
)
def test_a_bucket_is_as_wide_as_the_query_makes_it(days: int, width: timedelta) -> None:
    query = "FROM x | STATS n = COUNT(*) BY time = BUCKET(@timestamp, 60, ?_tstart, ?_tend)"
    assert bucket_width(query, NOW - days * DAY, NOW) == width


def test_hours_and_days_that_a_query_cuts_off_are_as_wide_as_they_are() -> None:
    query = (
        "FROM x | EVAL day = DATE_TRUNC(1 day, $end) | STATS n = COUNT(*) BY t = DATE_TRUNC({}, @timestamp)"
    )
    for text, width in (("1 hour", HOUR), ("1 day", DAY)):
        assert bucket_width(query.format(text), NOW - 8 * DAY, NOW) == width
    minutes = "FROM x | STATS n = COUNT(*) BY t = BUCKET(TO_DATETIME(m * 60000), 60, ?_tstart, ?_tend)"
    assert bucket_width(minutes, NOW - DAY, NOW) == 30 * MINUTE


def test_a_bar_covers_what_a_document_covers() -> None:
    """Six hours of hourly documents in buckets of ten minutes."""
    query = "FROM metrics-{}-* | STATS n = COUNT(*) BY time = BUCKET(@timestamp, 60, ?_tstart, ?_tend)"
    widths = [
        bucket_width(query.format(f"anthropic_metrics.{stream}"), NOW - 6 * HOUR, NOW)
        for stream in ("usage", "cost", "headroom", "agent")
    ]
    assert widths == [HOUR, DAY, 10 * MINUTE, 10 * MINUTE]


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


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(0.75, "percent", "75 %"), (2_500_000, "usd", "2.5 M"), (3 * 0.1, "ratio", "0.3"), (0, "count", "0")],
)
def test_figures_on_an_axis_are_short(value: float, form: Any, text: str) -> None:
    assert on_axis(value, form) == text


def test_a_figure_of_one_day_names_that_day_and_not_the_range() -> None:
    month = TimeRange(START, NOW)
    assert month.covered("day") == "20 Nov 2026, 15:42 UTC"
    assert month.covered("week_ago") == "13 Nov 2026, 15:42 UTC"
    past = TimeRange(START, START + 3 * DAY - timedelta(milliseconds=1))
    assert past.covered("day") == "3 Nov 2026"
    today = [
        (board.name, panel.title)
        for board in load_bundle().dashboards
        for panel in board.queried()
        if panel.title.startswith(("Today", "A week ago")) and panel.covers == "range"
    ]
    assert today == []


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (START, datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=UTC), "November 2026"),
        (START, NOW, "1 - 20 Nov 2026, 15:42 UTC"),
        (datetime(2026, 10, 28, tzinfo=UTC), NOW, "28 Oct - 20 Nov 2026, 15:42 UTC"),
        (NOW - DAY, NOW, "19 Nov, 15:42 - 20 Nov 2026, 15:42 UTC"),
        (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), "1 Dec 2025 - 31 Jan 2026"),
        (START, START + DAY, "1 Nov 2026"),
    ],
)
def test_a_range_is_written_as_short_as_it_can_be(start: datetime, end: datetime, text: str) -> None:
    assert TimeRange(start, end).covered("range") == text.replace(" - ", " \N{EN DASH} ")

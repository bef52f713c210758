"""*Requests*: its figures are those of the simulator's calls, in both layouts of traces, and without any."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.simulator.spans import Call, Spans
from anthropic_metrics.telemetry.spans import SOURCES
from tests.harness.dashboard_world import BUNDLE, NOW, TRACED, TRACED_HOUR, asked
from tests.harness.traces import kind_of, percentile_bounds
from tests.harness.world import World

MILLISECOND = timedelta(milliseconds=1)
PANELS = next(each for each in BUNDLE.dashboards if each.name == "requests")


class Traced:
    """The panels over the minutes of one layout, and the calls whose spans arrived in them."""

    def __init__(self, w: World, layout: str) -> None:
        self.w, self.layout = w, layout
        self.start, end = TRACED[layout]
        self.end = end - MILLISECOND
        self.calls = Spans(w.simulation).arrived(self.start, end)

    def kind_of(self, call: Call) -> str | None:
        return kind_of(call, self.layout)

    def rows(self, title: str) -> list[dict[str, Any]]:
        return asked(self.w, f"requests: {title}", start=self.start, end=self.end).records()

    def row(self, title: str) -> dict[str, Any]:
        (row,) = self.rows(title)
        return row


@pytest.fixture(params=TRACED)
def traced(filled: World, request: pytest.FixtureRequest) -> Traced:
    return Traced(filled, request.param)


def test_every_distinct_call_counts_once_and_a_stream_that_broke_after_its_200_is_an_error(
    traced: Traced,
) -> None:
    calls = traced.calls
    kinds = Counter(map(traced.kind_of, calls))
    assert kinds["broken after 200"], "this world has none"
    assert any(call.message for call in calls), "nor a spend limit that only a message names"
    failed = sum(call.failed for call in calls)
    assert traced.row("Requests") == {"requests": len(calls), "errors": failed}
    assert traced.row("Error share, %")["share"] == pytest.approx(failed / len(calls))
    limited = traced.row("Rate limited (429), %")
    assert limited["rate_limited"] == pytest.approx(kinds["rate limit (429)"] / len(calls))
    assert limited["overloaded"] == pytest.approx(kinds["overloaded (529)"] / len(calls))
    over_time: Counter[str] = Counter()
    for row in traced.rows("Errors by type"):
        over_time[row["error_kind"]] += row["errors"]
    assert over_time == Counter({kind: count for kind, count in kinds.items() if kind})
    by_model = Counter((traced.kind_of(call), call.code, call.model) for call in calls if call.failed)
    rows = traced.rows("Errors by type and model")
    assert {(row["error_kind"], row["code"], row["call_model"]): row["errors"] for row in rows} == by_model


def test_latency_is_of_answered_calls_streams_apart_from_plain_ones(traced: Traced) -> None:
    answered = [call for call in traced.calls if not call.failed]
    plain = [call.seconds for call in answered if not call.streamed]
    row = traced.row("95th percentile of latency, s")
    assert_within(row["plain"], plain, 95)
    firsts = [call.first_chunk for call in answered if call.first_chunk is not None]
    assert_within(row["first_token_seconds"], firsts, 95)
    drawn = {
        "Latency of plain calls, s": plain,
        "Duration of streamed calls, s": [call.seconds for call in answered if call.streamed],
        "Time to the first token, s": firsts,
    }
    for title, values in drawn.items():
        rows = traced.rows(title)
        assert rows
        assert all(min(values) <= row["p50"] <= row["p90"] <= row["p99"] <= max(values) for row in rows)


def assert_within(found: float, values: list[float], percent: float) -> None:
    low, high = percentile_bounds(values, percent)
    assert low <= found <= high, (found, low, high)


@pytest.mark.parametrize("by", ["model", "workspace"])
def test_each_model_and_each_workspace_has_its_own_figures(traced: Traced, by: str) -> None:
    names = {space["id"]: space["name"] for space in traced.w.simulation.workspaces()}
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in traced.calls:
        groups[call.model if by == "model" else call.workspace_id].append(call)
    rows = traced.rows(f"Requests by {by}")
    # The inventory is noted at the start of a UTC day, which these minutes do not hold.
    found = {row["call_model" if by == "model" else "workspace"]: row for row in rows}
    assert found.keys() == groups.keys()
    assert [row["requests"] for row in rows] == sorted((len(each) for each in groups.values()), reverse=True)
    for name, calls in groups.items():
        row, kinds = found[name], Counter(map(traced.kind_of, calls))
        answered = [call for call in calls if not call.failed]
        assert row["requests"] == len(calls)
        assert row["error_share"] == pytest.approx(sum(call.failed for call in calls) / len(calls))
        assert row["limited_share"] == pytest.approx(kinds["rate limit (429)"] / len(calls))
        assert row["busy_share"] == pytest.approx(kinds["overloaded (529)"] / len(calls))
        for column, values in (
            ("plain_p50", [call.seconds for call in answered if not call.streamed]),
            ("streamed_p50", [call.seconds for call in answered if call.streamed]),
            ("first_p50", [call.first_chunk or 0.0 for call in answered if call.streamed]),
        ):
            if len(values) > 50:
                assert_within(row[column], values, 50)
        # Calls that came twice weigh twice in a mean.
        assert row["input_each"] == pytest.approx(mean([c.input_tokens for c in answered]), rel=0.15)
        assert row["output_each"] == pytest.approx(mean([c.tokens[4] for c in answered]), rel=0.15)
    if by == "workspace":
        whole_day = asked(traced.w, "requests: Requests by workspace").records()
        assert {row["workspace"] for row in whole_day} <= {*names.values(), "Default"}


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


def minutes_of(calls: list[Call], key: Any) -> dict[tuple[str, int], int]:
    return Counter((key(call), int(call.start // 60)) for call in calls)


def test_the_peak_minute_is_held_against_the_newest_rpm_limit_of_its_group(traced: Traced) -> None:
    groups = {model: row for row in traced.w.simulation.rate_limits(NOW) for model in row["models"] or ()}
    limits = {
        row["group"]["display_name"]: limit["value"]
        for row in groups.values()
        for limit in row["limits"]
        if limit["type"] == "requests_per_minute"
    }
    minutes = minutes_of(traced.calls, lambda call: groups[call.model]["group"]["display_name"])
    peaks: dict[str, int] = defaultdict(int)
    for (group, _), count in minutes.items():
        peaks[group] = max(peaks[group], count)
    # The limits are noted every 15 minutes: the range of the panel has to hold a snapshot.
    for title, wanted in (
        ("RPM limits beside peak and 95th-percentile minute", peaks),
        ("Requests a minute, % of the RPM limit", None),
    ):
        rows = asked(traced.w, f"requests: {title}").records()
        assert {row["group_name"] for row in rows} == peaks.keys()
        if wanted is not None:
            both = [*Traced(traced.w, "otel").calls, *Traced(traced.w, "apm").calls]
            each = minutes_of(both, lambda call: groups[call.model]["group"]["display_name"])
            for row in rows:
                of_group = [count for (group, _), count in each.items() if group == row["group_name"]]
                assert row["rpm_limit"] == limits[row["group_name"]]
                assert row["peak"] == max(of_group)
                assert row["peak_share"] == pytest.approx(max(of_group) / limits[row["group_name"]])
    by_model = minutes_of(traced.calls, lambda call: call.model)
    drawn: dict[str, int] = defaultdict(int)
    for row in traced.rows("Requests in the peak minute, by model"):
        drawn[row["call_model"]] = max(drawn[row["call_model"]], row["requests"])
    for model in {model for model, _ in by_model}:
        assert drawn[model] == max(count for (name, _), count in by_model.items() if name == model)


def test_completeness_is_the_tokens_of_distinct_spans_beside_those_of_the_report(filled: World) -> None:
    calls = [call for layout in TRACED for call in Traced(filled, layout).calls]
    spans: dict[str, int] = defaultdict(int)
    for call in calls:
        spans[call.model] += sum(call.tokens[:5])
    used: dict[tuple[str, str], int] = defaultdict(int)
    for source in filled.sources("usage"):
        usage = source["anthropic"]["usage"]
        if usage["service_tier"] != "batch":
            hour = str(usage["bucket_start_time"])[:16].replace("T", " ")
            used[hour, usage["model"]] += usage["total_tokens"]
    rows = asked(filled, "requests: Tokens in spans beside usage, by hour and model").records()
    assert rows
    for row in rows:
        here = row["hour"] == f"{TRACED_HOUR:%Y-%m-%d %H:%M}"
        assert row["used"] == used[row["hour"], row["model"]]
        assert row["in_spans"] == (spans[row["model"]] if here else 0)
    (whole,) = asked(filled, "requests: Tokens in spans, % of usage").records()
    assert whole["share"] == pytest.approx(
        sum(row["in_spans"] for row in rows) / sum(row["used"] for row in rows)
    )


def test_the_destinations_show_their_last_state(filled: World) -> None:
    rows = asked(filled, "requests: Destinations of the traces").records()
    assert [(r["anthropic.telemetry.name"], r["health"], r["reason"], r["host"]) for r in rows] == [
        ("old", "disabled", "sustained_failure", "old.example"),
        ("production", "ok", "-", "production.example"),
    ]


def without_traces() -> Iterator[Any]:
    for panel in PANELS.queried():
        yield pytest.param(panel, id=panel.title)


@pytest.mark.parametrize("panel", list(without_traces()))
def test_a_panel_runs_on_an_elasticsearch_without_any_traces(filled: World, panel: Any) -> None:
    nowhere = "traces-nowhere-*.otel-*, traces-apm-nowhere-*"
    query = panel.query.replace(SOURCES, nowhere)
    found = ask(filled.es, query, NOW - timedelta(days=1), NOW, namespace=filled.config.namespace)
    assert set(found.columns) == set(panel.columns)
    assert (query == panel.query) == (panel.title == "Destinations of the traces")


def test_a_field_that_no_span_has_brought_yet_is_no_error(filled: World) -> None:
    """The first minutes of an organization without any error or stream."""
    start = datetime(2019, 1, 1, tzinfo=NOW.tzinfo)
    for panel in PANELS.queried():
        found = ask(
            filled.es, panel.query, start, start + timedelta(hours=1), namespace=filled.config.namespace
        )
        assert set(found.columns) == set(panel.columns)

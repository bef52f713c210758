"""Headroom in the stream equals what the simulation's minutes and limits say, window by window."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.config import HealthSettings, UsageSettings
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.simulator.lists import Shape
from tests.harness.headroom_truth import Key, Truth
from tests.harness.world import World, attempt, world

# Traffic begins at midnight, the agent half an hour later: there is little to read.
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
START = MIDNIGHT + timedelta(minutes=30, seconds=10)
SCRIPTED = range(0, 75, 7)  # minutes after midnight
HEADROOM = "anthropic_metrics.headroom"
QUARTER = timedelta(minutes=15)
WITH_SPEED = UsageSettings(
    granularities=("1m",),
    group_by=("model", "workspace_id", "service_tier", "speed"),
    minute_backfill=timedelta(hours=6),
)
FIGURES = (
    "limit",
    "tokens",
    "peak_tokens",
    "peak_share",
    "p95_tokens",
    "p95_share",
    "headroom_share",
    "minutes_above_80",
    "minutes_above_100",
)


def held(w: World) -> dict[Key, dict[str, Any]]:
    """The stream's documents of mapped use by what they are about."""
    found: dict[Key, dict[str, Any]] = {}
    for source in w.sources("headroom"):
        each = source["anthropic"]["headroom"]
        if not each["unmapped"]:
            start = datetime.fromisoformat(each["window_start"])
            key = (each["scope"], each.get("workspace_id"), each["group_id"], each["limit_type"], start)
            assert key not in found
            found[key] = each
    return found


def assert_equals_truth(w: World, truth: Truth, start: datetime, end: datetime) -> None:
    expected = truth.windows(start, end, w.clock.now())
    documents = {key: each for key, each in held(w).items() if start <= key[4] < end}
    assert documents.keys() == expected.keys()
    for key, figures in expected.items():
        document = documents[key]
        assert datetime.fromisoformat(document["peak_minute"]) == figures["peak_minute"], key
        shown = {name: document[name] for name in FIGURES}
        assert shown == {name: pytest.approx(figures[name], rel=1e-12, abs=1e-12) for name in FIGURES}, key


@pytest.mark.parametrize("shape", ["new", "old"])
def test_every_window_has_the_exact_peak_95th_percentile_and_share(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, shape: Shape
) -> None:
    with world(
        es, elasticsearch_url, namespace, now=START, start=MIDNIGHT, usage=WITH_SPEED, arrivals="late"
    ) as w:
        w.server.behaviour.rate_limit_shape = shape
        script(w)
        truth = Truth(w.simulation, shape, START - timedelta(seconds=10), speeds=True)
        with w.agent() as agent:
            live = [job for job in agent.jobs if job.kind is Kind.live]
            # Late rows come after ten minutes and after three hours.
            for minutes in (15, 15, 15, 15, 195):
                attempt(agent, live)
                w.clock.advance(timedelta(minutes=minutes))
            attempt(agent, live)
            assert_equals_truth(w, truth, MIDNIGHT, MIDNIGHT + timedelta(hours=2))
            assert_unlisted_model_is_shown(w)
            assert_limit_changes_are_told(w)
            again = attempt(agent, live)
        with w.agent() as another:
            whole = attempt(
                another, [job for job in another.organization.whole(another.sink) if job.name == HEADROOM]
            )
        assert (again["headroom"].changed, whole["headroom"].changed) == (0, 0)
        assert whole["headroom"].kept == len(w.sources("headroom"))


def assert_unlisted_model_is_shown(w: World) -> None:
    found = [source["anthropic"]["headroom"] for source in w.sources("headroom")]
    unmapped = [each for each in found if each["unmapped"]]
    assert {each["group_name"] for each in unmapped} == {"claude-not-listed-1"}
    peaks = {
        datetime.fromisoformat(each["peak_minute"]): each["peak_tokens"]
        for each in unmapped
        if each["scope"] == "organization" and each["limit_type"].startswith("input")
    }
    assert peaks == {MIDNIGHT + timedelta(minutes=minute): 90_000 + minute for minute in SCRIPTED}
    assert not any("limit" in each or "peak_share" in each for each in unmapped)


def assert_limit_changes_are_told(w: World) -> None:
    found = [source["anthropic"].get("limit_change") for source in w.sources("agent")]
    told = {(each["scope"], each["limit_type"], each.get("old"), each["new"]) for each in found if each}
    assert told == {
        ("organization", "output_tokens_per_minute", 160_000, 20_000),
        ("organization", "fast_otpm", 20_000, 400),
        ("workspace", "output_tokens_per_minute", None, 300),
        ("workspace", "output_tokens_per_minute", None, 900_000),
    }
    assert sum(each is not None for each in found) == len(told)


def assert_metrics_have_the_peaks_of_the_last_hour(w: World) -> None:
    """With `health.figures`: the highest share of each limit in the windows of the last hour."""
    since, expected = w.clock.now() - timedelta(hours=1), dict[tuple[str, str, str], float]()
    for source in w.sources("headroom"):
        each = source["anthropic"]["headroom"]
        if not each["unmapped"] and datetime.fromisoformat(each["window_start"]) >= since:
            name = source["anthropic"].get("workspace", {}).get("name") or "(all)"
            key = (name, each["group_name"], each["limit_type"])
            expected[key] = max(expected.get(key, 0.0), each["peak_share"])
    before = w.config
    w.config = before.model_copy(update={"health": HealthSettings(port=0, figures=True)})
    with w.agent() as agent:
        attempt(agent, [job for job in agent.jobs if job.name == "figures"])
        (family,) = (
            each for each in agent.runtime.metrics[""].figures.collect() if each.name.endswith("peak_ratio")
        )
    w.config = before
    labels = ("workspace", "group", "limit")
    shown = {tuple(each.labels[name] for name in labels): each.value for each in family.samples}
    assert shown == expected
    assert expected


def test_one_pass_with_default_settings_fills_the_table_and_the_what_if(
    es: Elasticsearch,
    elasticsearch_url: str,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = UsageSettings(granularities=("1m", "1h"), minute_backfill=timedelta(hours=7))
    morning = MIDNIGHT + timedelta(hours=7, minutes=2)
    start = MIDNIGHT + timedelta(hours=1)
    with world(es, elasticsearch_url, namespace, now=morning, start=MIDNIGHT, usage=usage) as w:
        w.once()
        truth = Truth(w.simulation, "new", morning, speeds=False)
        expected = truth.windows(start, start + timedelta(hours=6), None)
        found = {key: each for key, each in held(w).items() if start <= key[4] < start + timedelta(hours=6)}
        assert {key: each["peak_share"] for key, each in found.items()} == {
            key: pytest.approx(each["peak_share"]) for key, each in expected.items()
        }
        assert_metrics_have_the_peaks_of_the_last_hour(w)
        assert {caveat for each in found.values() for caveat in each["caveats"]} >= {
            "limits_assumed",
            "fast_included",
        }
        monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
        monkeypatch.setenv("ANTHROPIC_METRICS_NAMESPACE", namespace)
        monkeypatch.setattr("anthropic_metrics.cli.headroom.utc_now", w.clock.now)
        assert_table(truth.windows(MIDNIGHT, w.clock.now(), None), run("--since", "7h"))
        staging = run("--since", "7h", "--workspace", "Staging")[1:]
        assert {row[0] for row in staging if len(row) > 8} == {"Staging"}
        assert_what_if(w, truth, run(*WHAT_IF))
        assert_grains_agree(w)


def run(*arguments: str) -> list[list[str]]:
    """The command's table, a row of words a line."""
    result = CliRunner().invoke(app, ["headroom", *arguments])
    assert result.exit_code == 0, result.output
    return [re.split(r"  +", line.strip()) for line in result.stdout.splitlines() if "  " in line]


def assert_table(truth: dict[Key, dict[str, Any]], rows: list[list[str]]) -> None:
    key, closest = max(truth.items(), key=lambda item: item[1]["peak_share"])
    row = rows[1]  # after the columns' names
    assert row[2:6] == [
        key[3],
        f"{closest['limit']:,}",
        f"{closest['peak_share']:.0%}",
        f"{closest['peak_minute']:%m-%d %H:%M}",
    ]


WHAT_IF = ("--limit", "output_tokens_per_minute=1000", "--model", "claude-sonnet-5", "--since", "6h")


def assert_what_if(w: World, truth: Truth, rows: list[list[str]]) -> None:
    begin = w.clock.now() - timedelta(hours=6)
    wanted = truth.windows(begin.replace(minute=0, second=0), w.clock.now(), None)
    sonnet = next(group for group in truth.groups(begin) if "claude-sonnet-5" in (group["models"] or ()))
    about = ("organization", None, sonnet["group"]["id"], "output_tokens_per_minute")
    peak = max(each["peak_tokens"] for key, each in wanted.items() if key[:4] == about)
    (whole,) = (row for row in rows if row[0] == "(all)")
    assert whole[1:4] == ["output_tokens_per_minute", f"{peak:,}", "160,000"]
    assert whole[8:10] == ["1,000", f"{peak / 1000:.0%}"]
    assert len(rows) > 3
    staging = run(*WHAT_IF[:3], "claude-opus-5-5", "--workspace", "Staging")
    assert [row[3] for row in staging if row[0] == "Staging"] == ["16,000"], "its own limit"


def assert_grains_agree(w: World) -> None:
    """What somebody deletes is put right before the grains are called different."""

    def checks() -> list[dict[str, Any]]:
        found = [source["anthropic"].get("grain_check") for source in w.sources("agent")]
        return [each for each in found if each]

    (check,) = checks()
    assert (check["buckets"], check["differing_buckets"]) == (1, 0)
    query = {"range": {"@timestamp": WITHIN_THE_HOUR}}
    (lost,) = w.es.search(index=w.stream("usage_1m"), query=query, size=1)["hits"]["hits"]
    w.es.delete(index=lost["_index"], id=lost["_id"], refresh=True)
    w.clock.advance(timedelta(seconds=1))
    with w.agent() as agent:
        attempt(agent, [job for job in agent.jobs if "adds up" in job.name])
    assert [each["differing_buckets"] for each in checks()] == [0, 0]
    assert w.es.count(index=w.stream("usage_1m"), query={"ids": {"values": [lost["_id"]]}})["count"] == 1


WITHIN_THE_HOUR = {"gte": "2026-11-20T01:00:00Z", "lt": "2026-11-20T02:00:00Z"}


def script(w: World) -> None:
    """Aliases, an unlisted model, limits lowered at one o'clock, overrides below and above the whole's."""
    edits, organization = w.simulation.edits, w.simulation.organization()
    groups = {each.display_name: each.group_id for each in organization.rate_limits}
    sonnet, opus = groups["Claude Sonnet 4.x and 5.x"], groups["Claude Opus 4.x and 5.x"]
    staging, science = organization.named("Staging").id, organization.named("Data Science").id
    for minute in SCRIPTED:
        for model in ("claude-sonnet-4-5", "claude-sonnet-5", "claude-not-listed-1"):
            edits.add_usage(
                MIDNIGHT + timedelta(minutes=minute),
                {"model": model, "workspace_id": science},
                {"uncached_input_tokens": 90_000 + minute, "output_tokens": 3_000},
            )
    one = MIDNIGHT + timedelta(hours=1)
    edits.set_rate_limit(sonnet, "output_tokens_per_minute", 20_000, at=one)
    edits.set_rate_limit(opus, "fast_otpm", 400, at=one + QUARTER)
    edits.set_workspace_rate_limit(staging, sonnet, "output_tokens_per_minute", 300, at=one)
    # Above the organization's own: the smaller of both counts.
    edits.set_workspace_rate_limit(science, opus, "output_tokens_per_minute", 900_000, at=one)

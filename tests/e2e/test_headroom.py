"""Headroom in the stream equals what the simulation's minutes and limits say, window by window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from headroom_truth import Key, Truth
from world import World, attempt, world

from anthropic_metrics.config import UsageSettings

# Traffic begins at midnight, the agent half an hour later: there is little to read.
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
START = MIDNIGHT + timedelta(minutes=30, seconds=10)
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
    es: Elasticsearch, elasticsearch_url: str, namespace: str, shape: str
) -> None:
    with world(es, elasticsearch_url, namespace, now=START, days=1, usage=WITH_SPEED, arrivals="late") as w:
        w.server.behaviour.rate_limit_shape = shape  # type: ignore[assignment]
        script(w)
        truth = Truth(w.simulation, shape, START - timedelta(seconds=10), speeds=True)
        with w.agent() as agent:
            live = [job for job in agent.jobs if not job.name.endswith("sweep")]
            for minutes in (15, 15, 15, 15, 15, 15, 30, 180, 10, 10):
                attempt(agent, live)
                w.clock.advance(timedelta(minutes=minutes))
            attempt(agent, live)
        assert_equals_truth(w, truth, MIDNIGHT, MIDNIGHT + timedelta(hours=2))


def script(w: World) -> None:
    """Aliases, an unknown model, limits lowered at one o'clock, overrides below and above the organization's."""
    edits, organization = w.simulation.edits, w.simulation.organization()
    groups = {each.display_name: each.group_id for each in organization.rate_limits}
    sonnet, opus = groups["Claude Sonnet 4.x and 5.x"], groups["Claude Opus 4.x and 5.x"]
    staging, science = organization.named("Staging").id, organization.named("Data Science").id
    for minute in range(0, 75, 7):
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

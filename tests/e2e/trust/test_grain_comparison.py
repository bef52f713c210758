"""Two grains that were read at different times: what upstream changed between is no difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import UsageSettings
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
EARLIER = NOW.replace(minute=0) - timedelta(hours=7)
GRAINS = UsageSettings(granularities=("1m", "1h"), minute_backfill=timedelta(hours=9))
HOURS, MINUTES = "anthropic_metrics.usage", "anthropic_metrics.usage_1m sweep"


@pytest.fixture
def w(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    with world(es, elasticsearch_url, namespace, now=NOW, days=1, usage=GRAINS) as made:
        yield made


def read_both(agent: Agent) -> None:
    attempt(agent, [job for job in agent.jobs if job.name.startswith(HOURS)])


def differing(agent: Agent) -> float:
    """Sweep the minutes, compare them with the hours; how many buckets differ."""
    own = [job for job in agent.jobs if job.name.startswith(HOURS)]
    jobs = [job for job in own if job.name == MINUTES or job.after == MINUTES]
    attempt(agent, jobs)
    found = agent.runtime.registry.get_sample_value(
        "anthropic_metrics_grains_differing_buckets", {"comparison": "usage_1m_vs_usage"}
    )
    assert found is not None
    return found


def test_a_row_that_one_grain_has_deleted_and_the_other_has_marked_is_no_difference(w: World) -> None:
    with w.agent() as agent:
        read_both(agent)
        w.simulation.edits.vanish_usage(EARLIER)
        for _ in range(2):
            w.clock.advance(timedelta(minutes=5))
            attempt(agent, [job for job in agent.jobs if job.name == HOURS])
        assert differing(agent) == 0
        w.clock.advance(timedelta(minutes=5))
        assert differing(agent) == 0


def test_what_was_revised_after_the_last_poll_of_the_hours_is_no_difference(w: World) -> None:
    with w.agent() as agent:
        read_both(agent)
        w.simulation.edits.revise_usage(EARLIER, factor=3)
        assert differing(agent) == 0

"""Whatever the simulated organization did stands in the streams, exactly once, field by field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config import UsageSettings
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.simulator.reports import OpenBucket
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 20, 15, 42, 10, tzinfo=UTC)
FIRST_DAY = datetime(2026, 10, 21, tzinfo=UTC)
# Minutes between polls over two days: dense around a bucket's end, then hours apart, a day off at the end.
POLLS = (5, 5, 30, 17, 2, 60, 180, 7, 200, 61, 400, 5, 300, 290, 1440)
MINUTES = timedelta(hours=2)
# Of the 51 lines of traffic that the thirty days have; the priority tier and a workspace are not among them.
LATE_LINES = 24
ALL_GRAINS = UsageSettings(granularities=("1m", "1h", "1d"), minute_backfill=MINUTES)


def assert_equals_truth(w: World, first_day: datetime, minutes_from: datetime) -> None:
    now = w.clock.now()
    starts = {"usage": first_day, "usage_1d": first_day, "usage_1m": minutes_from}
    for dataset, start in starts.items():
        truth = w.true_usage(dataset, start, at=now)
        assert len(truth) > 100 or dataset == "usage_1d"
        held = [row for row in w.held_usage(dataset) if row[0] >= start.strftime("%Y-%m-%dT%H:%M:%SZ")]
        assert held == truth
    assert w.held_costs() == w.true_costs(first_day, at=now)


def test_one_pass_brings_thirty_days_exactly_once_and_a_second_one_writes_nothing(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    with world(
        es, elasticsearch_url, namespace, now=NOW, usage=ALL_GRAINS, arrivals="late", revisions="usual"
    ) as w:
        first = w.once()
        assert_equals_truth(w, FIRST_DAY, (NOW - MINUTES).replace(second=0))
        assert_limits(w)

        second = w.once()
        assert {name: tally.changed for name, tally in second.items()} == dict.fromkeys(first, 0)
        assert {name: tally.kept for name, tally in second.items()} == {
            name: tally.created for name, tally in first.items()
        }


def assert_limits(w: World) -> None:
    held = {
        (limit["scope"], limit.get("workspace_id"), limit.get("group_id"), each["type"], each["value"])
        for limit in (source["anthropic"]["rate_limit"] for source in w.sources("rate_limit"))
        for each in limit["limits"]
    }
    rows: list[tuple[str, Any, dict[str, Any]]] = [
        ("organization", None, row) for row in w.simulation.rate_limits(NOW)
    ]
    for workspace in w.simulation.workspaces(NOW, default=False, archived=False):
        rows += [
            ("workspace", workspace["id"], row)
            for row in w.simulation.workspace_rate_limits(workspace["id"], NOW, inherited=True)
        ]
    assert held == {
        (scope, workspace, row["group"]["id"], each["type"], each["value"])
        for scope, workspace, row in rows
        for each in row["limits"]
    }


def test_preview_prints_the_documents_that_once_writes(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    with world(es, elasticsearch_url, namespace, now=NOW, days=2, usage=ALL_GRAINS) as w:
        w.once()
        with w.agent() as agent:
            previewed = list(agent.organization.documents([]))
        for dataset in ("usage", "usage_1m", "cost", "rate_limit"):
            own = [doc.source for doc in previewed if doc.source["event"]["dataset"].endswith(f".{dataset}")]
            assert sorted(map(canonical, own)) == sorted(map(canonical, w.sources(dataset)))


def canonical(source: dict[str, Any]) -> str:
    event = {name: value for name, value in source["event"].items() if name != "ingested"}
    return json.dumps(source | {"event": event}, sort_keys=True)


@pytest.mark.parametrize("open_bucket", ["omit", "partial", "error"])
def test_days_of_late_and_revised_data_end_equal_to_the_truth_over_a_rollover(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, open_bucket: OpenBucket
) -> None:
    start = datetime(2026, 11, 18, 20, 3, 10, tzinfo=UTC)
    with world(
        es,
        elasticsearch_url,
        namespace,
        now=start,
        days=2,
        usage=ALL_GRAINS,
        arrivals="late",
        revisions="heavy",
        series=LATE_LINES,
    ) as w:
        w.server.behaviour.open_bucket = open_bucket
        with w.agent() as agent:
            # What is made of the usage has tests of its own, and comes along at the end.
            live = [job for job in agent.jobs if job.kind is Kind.live and job.after is None]
            for poll, minutes in enumerate(POLLS):
                if poll == len(POLLS) // 2:
                    es.indices.rollover(alias=w.stream("usage"))
                    es.indices.rollover(alias=w.stream("cost"))
                attempt(agent, live)
                w.clock.advance(timedelta(minutes=minutes))
            attempt(agent, agent.jobs)
            # What vanished upstream is only marked by now; the second look an interval later deletes it.
            w.clock.advance(timedelta(hours=1))
            attempt(agent, agent.jobs)
        minutes_from = (w.clock.now() - MINUTES).replace(second=0)
        assert_equals_truth(w, datetime(2026, 11, 16, tzinfo=UTC), minutes_from)

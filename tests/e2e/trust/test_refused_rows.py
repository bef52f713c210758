"""A row of the Admin API that cannot be read is never silent: the poll fails, its other rows are written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from elasticsearch import Elasticsearch

from anthropic_metrics.checks import findings
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer, effects
from tests.harness.command_line import run
from tests.harness.world import World, world

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
USAGE = "*/usage_report/messages"


@pytest.fixture
def small(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    usage = UsageSettings(granularities=("1h",))
    with world(es, elasticsearch_url, namespace, now=NOW, days=2, series=3, usage=usage) as w:
        yield w


def test_a_poll_with_a_refused_row_fails_at_every_poll_and_writes_its_other_rows(small: World) -> None:
    small.server.faults.add(effects.bad_row(), USAGE, times=None)
    with small.agent() as agent, structlog.testing.capture_logs() as events:
        live = next(job for job in agent.jobs if job.name == "anthropic_metrics.usage")
        first, second = agent.attempt(live), agent.attempt(live)
        troubles = agent.health.troubles()
    for tally in (first, second):
        assert not tally.done
        (failure,) = tally.failures
        assert f"{tally.bad_rows} row" in failure
        assert "anthropic_metrics.usage 2026-" in failure
        assert "output_tokens" in failure
        assert tally.bad_rows
    assert first.created == first.rows
    assert first.created > 10
    assert troubles[live.name] == second.failures[0]
    told = [event for event in events if event["event"] == "rows_refused"]
    assert [event["count"] for event in told] == [first.bad_rows, second.bad_rows]


def test_a_field_nobody_knows_is_named_in_one_line_once(small: World) -> None:
    small.server.faults.add(
        effects.every_row(
            lambda row: row | {"cache_creation": row["cache_creation"] | {"ephemeral_24h_input_tokens": 0}}
        ),
        USAGE,
        times=None,
    )
    with small.agent() as agent, structlog.testing.capture_logs() as events:
        live = next(job for job in agent.jobs if job.name == "anthropic_metrics.usage")
        assert agent.attempt(live).done
        small.clock.set(NOW.replace(hour=11))
        assert agent.attempt(live).done
    (told,) = [event for event in events if event["event"] == "unknown_fields"]
    assert told["fields"] == ["cache_creation.ephemeral_24h_input_tokens"]


def test_whatever_tags_a_workspace_has_its_documents_live(small: World) -> None:
    good = {
        "cost": "1",
        "cost.center": "2",
        "a b": "3",
        "größe": "4",
        "*": "5",
        "_id": "6",
        "$x": "7",
        "x" * 256: "8",
    }
    bad = {
        "": "x",
        " ": "x",
        ".a": "x",
        "a.": "x",
        "a..b": "x",
        "a\x00": "x",
        "x" * 257: "x",
        "env": None,
        "n": 5,
    }
    tagged = effects.every_row(lambda row: row | {"tags": good | bad})
    small.server.faults.add(tagged, "*/workspaces", times=None)
    assert small.once()["usage"].created > 10
    tags = [source["anthropic"]["workspace"].get("tags") for source in small.sources("usage")]
    assert good in tags
    found = {finding.what: finding for finding in findings(small.config, small.clock.now())}
    assert "'env'" in found["Workspace tags"].details


def test_what_the_api_answers_of_a_longer_backfill_is_read_and_its_limit_named(small: World) -> None:
    small.server.faults.add(effects.refuses_older(timedelta(hours=20)), USAGE, times=None)
    with small.agent() as agent:
        tallies = [agent.attempt(job) for job in agent.organization.whole(agent.sink)]
    (usage,) = [tally for tally in tallies if tally.notes and tally.poller == "usage"]
    assert all(tally.done for tally in tallies)
    assert "answers nothing before 2026-11-19T14:00Z: set `backfill` to" in usage.notes[0]
    assert "within the last 0.833333 days" in usage.notes[0]
    first = min(source["@timestamp"] for source in small.sources("usage"))
    assert first.startswith("2026-11-19T14:00")


def test_when_every_row_has_a_renamed_field_no_command_says_that_all_is_well(
    tmp_path: Path, elasticsearch_url: str, namespace: str
) -> None:
    with SimulatorServer(Simulation(RealClock(), days=2)) as server:
        settings = {
            "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
            "ELASTICSEARCH_URL": elasticsearch_url,
            "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
            "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
            "ANTHROPIC_METRICS_NAMESPACE": namespace,
            "ANTHROPIC_METRICS_BACKFILL": "1d",
            "ANTHROPIC_METRICS_USAGE__GRANULARITIES": "1h",
        }
        server.faults.add(effects.renamed_field("output_tokens", "tokens_out"), USAGE, times=None)
        done = {
            command: run(tmp_path, command, *only, COLUMNS="400", **settings)
            for command, only in (
                ("once", ()),
                ("audit", ("--only", "usage")),
                ("check", ()),
                ("preview", ("--only", "usage")),
            )
        }
    assert {command: one.returncode for command, one in done.items()} == dict.fromkeys(done, 1)
    for one in done.values():
        said = " ".join((one.stdout + one.stderr).split())
        assert "could not be read" in said
        assert "output_tokens: Field required" in said
    # Hundreds of refused rows: a line of the log a poll, not a line a bucket.
    assert done["once"].stderr.count("rows_refused") + done["once"].stdout.count("rows_refused") == 1
    assert len(done["once"].stderr) < 6_000

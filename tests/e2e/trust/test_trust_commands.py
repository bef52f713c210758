"""`audit` and `corrections` as their users run them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import run

HOUR = timedelta(hours=1)


def test_audit_is_quiet_while_all_is_right_and_names_every_difference_when_not(
    tmp_path: Path, es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    simulation = Simulation(RealClock(), days=2, series=3)
    with SimulatorServer(simulation) as server:
        settings = {
            "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
            "ELASTICSEARCH_URL": elasticsearch_url,
            "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
            "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
            "ANTHROPIC_METRICS_NAMESPACE": namespace,
            "ANTHROPIC_METRICS_BACKFILL": "1d",
            "ANTHROPIC_METRICS_USAGE__GRANULARITIES": "1h",
        }
        assert run(tmp_path, "once", **settings).returncode == 0
        assert run(tmp_path, "corrections", **settings).stdout.strip() == "No corrections."

        assert_a_poll_says_what_it_did(es, namespace)
        stream = f"metrics-anthropic_metrics.usage-{namespace}"
        before = versions(es, stream)
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        right = run(tmp_path, "audit", "--until", (hour - HOUR).isoformat(), **settings)
        assert (right.returncode, right.stderr) == (0, "")

        simulation.edits.revise_usage(hour - 4 * HOUR, factor=2)
        simulation.edits.vanish_usage(hour - 6 * HOUR)
        wrong = run(tmp_path, "audit", "--until", (hour - HOUR).isoformat(), "--only", "usage", **settings)
        assert wrong.returncode == 1
        assert "is not in the API" in wrong.stdout
        assert re.search(r"differs .*anthropic\.usage\.", wrong.stdout)
        assert versions(es, stream) == before
        narrow = ("--since", (hour - 3 * HOUR).isoformat(), "--until", (hour - 2 * HOUR).isoformat())
        assert run(tmp_path, "audit", *narrow, "--only", "usage", **settings).returncode == 0

        assert run(tmp_path, "once", **settings).returncode == 0
        logged = run(tmp_path, "corrections", "--since", "1d", COLUMNS="300", **settings)
        assert logged.returncode == 0
        assert "usage.output_tokens" in logged.stdout
        assert "late" in logged.stdout


def assert_a_poll_says_what_it_did(es: Elasticsearch, namespace: str) -> None:
    agent = f"metrics-anthropic_metrics.agent-{namespace}"
    es.indices.refresh(index=agent)
    (hit,) = es.search(index=agent, query={"term": {"anthropic.poll.poller": "usage"}})["hits"]["hits"]
    poll = hit["_source"]["anthropic"]["poll"]
    held = es.count(index=f"metrics-anthropic_metrics.usage-{namespace}")["count"]
    assert poll["created"] == poll["rows"] == held
    assert [poll[name] for name in ("replaced", "deleted", "kept", "refused", "retries")] == [0] * 5
    assert poll["requests"] >= poll["pages"] >= 2
    assert poll["window_start"] < poll["newest_data"] <= poll["window_end"]
    assert poll["seconds"] > 0
    assert poll["lag_seconds"] > 0


def versions(es: Elasticsearch, stream: str) -> dict[str, int]:
    es.indices.refresh(index=stream)
    hits = es.search(index=stream, size=1000, seq_no_primary_term=True)["hits"]["hits"]
    return {hit["_id"]: hit["_seq_no"] for hit in hits}


@pytest.mark.parametrize(
    "arguments", [("audit", "--since", "yesteday"), ("corrections", "--since", "1 week")]
)
def test_a_date_that_is_none_is_one_message_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    keys = {"ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY, "ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    done = run(tmp_path, *arguments, **keys)
    assert done.returncode == 2
    assert "--since" in done.stderr
    assert "Traceback" not in done.stderr

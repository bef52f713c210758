"""Elastic Cloud Serverless, as far as its documentation goes: what setup and the agent use is all there."""

from __future__ import annotations

from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.assets import load_assets
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import run
from tests.harness.serverless import Serverless, not_allowed


@pytest.mark.parametrize("name", sorted(load_assets().component_templates))
def test_every_index_setting_of_a_template_is_one_that_serverless_takes(name: str) -> None:
    settings = load_assets().component_templates[name]["template"]["settings"]
    assert settings
    assert not_allowed(settings) == []


def test_shards_replicas_and_lifecycle_policies_are_refused_in_either_spelling() -> None:
    assert not_allowed({"index": {"number_of_shards": 1, "codec": "best_compression"}}) == [
        "number_of_shards"
    ]
    assert not_allowed({"index.number_of_replicas": 0, "index.lifecycle.name": "metrics"}) == [
        "number_of_replicas",
        "lifecycle.name",
    ]


def test_index_and_component_templates_carry_no_setting_elsewhere() -> None:
    for body in load_assets().index_templates.values():
        assert "settings" not in body.get("template", {})


def test_setup_a_pass_an_audit_and_spend_work_where_the_rest_is_refused(
    tmp_path: Path, es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    simulation = Simulation(RealClock(), days=2, series=3)
    with SimulatorServer(simulation) as server, Serverless(elasticsearch_url) as project:
        settings = {
            "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
            "ELASTICSEARCH_URL": project.url,
            "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
            "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
            "ANTHROPIC_METRICS_NAMESPACE": namespace,
            "ANTHROPIC_METRICS_BACKFILL": "1d",
            "ANTHROPIC_METRICS_USAGE__GRANULARITIES": "1h",
        }
        for command in (("setup",), ("once",), ("audit",), ("spend",)):
            done = run(tmp_path, *command, **settings)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        checked = run(tmp_path, "check", COLUMNS="300", **settings)
        assert checked.returncode == 0, checked.stdout
        assert "Elastic Cloud Serverless" in checked.stdout
        assert project.bulks > 0
        # Asked once whether the server has ingest processors; "not on this offering" is an answer.
        assert {path.split("/")[1] for path in project.refused} <= {"_nodes"}

"""Templates, pipelines and streams of others: named with their owner, and never written to or over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import apply, ensure, plan_setup
from anthropic_metrics.elastic.steps import call
from anthropic_metrics.errors import SinkError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import run

USAGE = "anthropic_metrics.usage"
CORPORATE = {"index_patterns": ["metrics-*"], "priority": 500, "data_stream": {}}
FLEET = {"managed_by": "fleet", "managed": True, "package": {"name": "anthropic_metrics"}}


@pytest.fixture
def settings(elasticsearch_url: str, namespace: str) -> Config:
    return Config.model_validate({"elasticsearch": {"hosts": [elasticsearch_url]}, "namespace": namespace})


@pytest.fixture
def corporate(es: Elasticsearch, settings: Config) -> Iterator[str]:
    apply(es, plan_setup(es, settings))
    call(es, "PUT", "/_index_template/corp-metrics", CORPORATE)
    yield "corp-metrics"
    call(es, "DELETE", "/_index_template/corp-metrics")


@pytest.fixture
def fleet(es: Elasticsearch, settings: Config) -> Iterator[str]:
    """What Elastic's package installs, under the very names of ours."""
    apply(es, plan_setup(es, settings))
    name = template_name(USAGE)
    (own,) = call(es, "GET", f"/_index_template/{name}")["index_templates"]
    body = own["index_template"] | {"priority": 200, "composed_of": [], "_meta": FLEET | {"version": 99}}
    call(es, "PUT", f"/_index_template/{name}", body)
    yield name
    call(es, "PUT", f"/_index_template/{name}", own["index_template"])


def exists(es: Elasticsearch, namespace: str) -> bool:
    return bool(es.indices.resolve_index(name=f"metrics-anthropic_metrics.*-{namespace}")["data_streams"])


def test_a_template_of_a_higher_priority_is_named_by_setup_check_and_start_and_nothing_is_written(
    tmp_path: Path, es: Elasticsearch, elasticsearch_url: str, namespace: str, corporate: str
) -> None:
    with SimulatorServer(Simulation(RealClock(), days=1, series=2)) as server:
        environment = {
            "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
            "ELASTICSEARCH_URL": elasticsearch_url,
            "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
            "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
            "ANTHROPIC_METRICS_NAMESPACE": namespace,
            "COLUMNS": "200",
        }
        for command in ("setup", "check", "once"):
            done = run(tmp_path, command, *(["--only", "cost"] * (command == "once")), **environment)
            assert done.returncode == 1, command
            said = " ".join((done.stdout + done.stderr).split())
            for words in (corporate, "priority 500", "owner unknown", "below 250"):
                assert words in said, (command, words)
            assert "Traceback" not in said
            assert not exists(es, namespace), command


def test_setup_applies_nothing_while_a_foreign_template_wins(
    es: Elasticsearch, settings: Config, corporate: str
) -> None:
    steps = apply(es, plan_setup(es, settings))
    assert [(step.name, step.status) for step in steps if step.status == "failed"] == [(corporate, "failed")]
    assert {step.status for step in steps} <= {"failed", "unchanged", "skipped"}


def test_a_users_own_template_that_is_made_of_ours_is_trusted(es: Elasticsearch, settings: Config) -> None:
    """The mapping counts, not the name: somebody may want another tier or more replicas."""
    apply(es, plan_setup(es, settings))
    body = {
        "index_patterns": [f"{template_name(USAGE)}-*"],
        "priority": 260,
        "data_stream": {},
        "composed_of": [f"{template_name(USAGE)}@package"],
    }
    call(es, "PUT", "/_index_template/own-usage", body)
    try:
        ensure(es, settings)
        assert [step for step in plan_setup(es, settings) if step.action == "refuse"] == []
    finally:
        call(es, "DELETE", "/_index_template/own-usage")


def test_a_fleet_managed_template_is_refused_and_replaced_only_by_take_over(
    es: Elasticsearch, settings: Config, fleet: str
) -> None:
    (refused,) = [step for step in apply(es, plan_setup(es, settings)) if step.status == "failed"]
    assert (refused.name, refused.action) == (fleet, "refuse")
    assert "fleet" in refused.detail
    assert "--take-over" in refused.cure
    (held,) = call(es, "GET", f"/_index_template/{fleet}")["index_templates"]
    assert held["index_template"]["_meta"]["managed_by"] == "fleet"
    with pytest.raises(SinkError, match="fleet") as caught:  # its version 99 is not a version of ours
        ensure(es, settings)
    assert "--take-over" in caught.value.cure
    (taken,) = [s for s in apply(es, plan_setup(es, settings, take_over=True)) if s.status == "updated"]
    assert (taken.name, taken.detail) == (fleet, "taken over from fleet")
    assert ensure(es, settings) == []


def test_a_pipeline_of_somebody_else_is_not_overwritten(es: Elasticsearch, settings: Config) -> None:
    apply(es, plan_setup(es, settings))
    path = f"/_ingest/pipeline/{template_name(USAGE)}"
    (own,) = call(es, "GET", path).values()
    call(es, "PUT", path, {"processors": [], "description": "somebody's"})
    try:
        (refused,) = [step for step in plan_setup(es, settings) if step.action == "refuse"]
        assert (refused.kind, refused.name) == ("ingest pipeline", template_name(USAGE))
        assert "unknown" in refused.detail
    finally:
        call(es, "PUT", path, own)


def test_a_stream_that_another_template_made_is_named_with_its_cure(
    es: Elasticsearch, settings: Config, corporate: str
) -> None:
    """The template may have gone since; the stream still maps `event.hash` as text."""
    stream = stream_name(USAGE, settings.namespace)
    document = {"@timestamp": "2026-03-01T00:00:00Z", "event": {"hash": "x"}}
    es.index(index=stream, op_type="create", document=document, refresh=True)
    call(es, "PUT", "/_index_template/corp-metrics", CORPORATE | {"index_patterns": ["elsewhere-*"]})
    with pytest.raises(SinkError, match=r"event\.hash is text, not keyword") as caught:
        ensure(es, settings)
    assert stream in caught.value.message
    (refused,) = [step for step in plan_setup(es, settings) if step.action == "refuse"]
    assert (refused.kind, refused.name) == ("stream mapping", stream)


def test_streams_of_another_namespace_are_neither_read_nor_changed(
    es: Elasticsearch, settings: Config, namespace: str
) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, f"{namespace}other")
    es.index(index=stream, op_type="create", document={"@timestamp": "2026-03-01T00:00:00Z"}, refresh=True)
    es.indices.put_settings(index=stream, settings={"index.blocks.metadata": True})
    try:
        steps = apply(es, plan_setup(es, settings))
        assert [step for step in steps if step.status == "failed" or stream in step.name] == []
    finally:
        es.indices.put_settings(index=stream, settings={"index.blocks.metadata": None})


def test_a_blocked_stream_of_the_same_namespace_fails_alone_with_its_cure(
    es: Elasticsearch, settings: Config
) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, settings.namespace)
    es.index(index=stream, op_type="create", document={"@timestamp": "2026-03-01T00:00:00Z"}, refresh=True)
    es.indices.put_settings(index=stream, settings={"index.blocks.metadata": True})
    try:
        (failed,) = [s for s in apply(es, plan_setup(es, settings)) if s.status == "failed"]
        assert failed.name == stream
        assert failed.cure
    finally:
        with suppress(ApiError):
            es.indices.put_settings(index=stream, settings={"index.blocks.metadata": None})

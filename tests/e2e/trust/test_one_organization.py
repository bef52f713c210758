"""Whose documents a key's are does not rest on one answer: another organization's id stops the agent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.audit import Bounds, Report, audit_all
from anthropic_metrics.checks import Finding, Status, findings
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.elastic.contents import Share
from anthropic_metrics.simulator import effects
from tests.harness.world import World, world

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
ME = "*/organizations/me"
OTHER = {"type": "organization", "id": "org-of-somebody-else", "name": "Beta"}


@pytest.fixture
def small(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    usage = UsageSettings(granularities=("1h",))
    with world(es, elasticsearch_url, namespace, now=NOW, days=2, series=3, usage=usage) as w:
        yield w


def audited(world: World, agent: Agent) -> Report:
    bounds = Bounds(None, world.clock.now() + timedelta(hours=1))
    return audit_all(world.es, agent.organization, bounds, world.clock.now())


def test_another_organizations_id_stops_a_new_process_too_and_writes_nothing(small: World) -> None:
    small.once()
    small.es.indices.refresh(index=small.stream("agent"))
    small.clock.advance(timedelta(hours=1))
    small.server.faults.add(effects.changed(lambda _: OTHER), ME)
    with small.agent() as agent:
        jobs = [job for job in agent.jobs if job.poller in ("usage", "cost", "rate_limits")]
        stopped, *others = (agent.attempt(job) for job in jobs)
        troubles = agent.health.troubles()
    (failure,) = stopped.failures
    true = small.simulation.organization().id
    assert f"organization {OTHER['id']} (Beta), but its polls so far were for {true}" in failure
    assert troubles[jobs[0].name] == failure
    assert stopped.changed == 0
    # The next answer is right again, and so are the polls.
    assert [tally.failures for tally in others] == [[]] * len(others)
    with small.agent() as agent:
        assert audited(small, agent).equal
    for dataset in ("usage", "cost", "rate_limit", "agent"):
        assert {source["organization"]["id"] for source in small.sources(dataset)} == {true}


def test_check_fails_while_the_admin_api_names_another_organization(small: World) -> None:
    small.once()
    small.es.indices.refresh(index=small.stream("agent"))

    def found() -> dict[str, Finding]:
        return {finding.what: finding for finding in findings(small.config, small.clock.now())}

    assert found()["Organization"].status is Status.ok
    small.server.faults.add(effects.changed(lambda _: OTHER), ME)
    wrong = found()["Organization"]
    assert wrong.status is Status.failed
    assert OTHER["id"] in wrong.details
    assert small.simulation.organization().id in wrong.details


def test_audit_counts_documents_of_an_organization_that_no_key_polls(small: World) -> None:
    small.once()
    stream = small.stream("usage")
    stray = small.sources("usage")[0]
    stray["organization"] = {"id": OTHER["id"]}
    small.es.index(index=stream, document=stray, op_type="create", refresh=True)
    with small.agent() as agent:
        report = audited(small, agent)
    assert report.strays == {stream: (Share(OTHER["id"], 1),)}
    assert not report.equal


def test_an_empty_inventory_of_a_new_process_leaves_the_names_in_the_stream(small: World) -> None:
    small.once()
    before = {source["anthropic"]["workspace"]["name"] for source in small.sources("usage")}
    small.clock.advance(timedelta(hours=1))
    for what in ("workspaces", "api_keys"):
        small.server.faults.add(effects.changed(lambda page: {**page, "data": []}), f"*/{what}", times=None)
    assert small.once()["usage"].replaced < 5  # the open bucket, which is complete now
    workspaces = [source["anthropic"]["workspace"] for source in small.sources("usage")]
    assert {workspace.get("name") for workspace in workspaces} == before

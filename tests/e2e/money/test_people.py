"""People against a real cluster: nothing while they are off, and no address but where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from prometheus_client import generate_latest
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.audit.everything import Bounds, Report, audit_all
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.simulator import effects
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from tests.harness.dashboard_world import PANELS
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
TODAY = datetime(2026, 11, 24, tzinfo=UTC)
FIRST = TODAY - timedelta(days=3)
SALT = SecretStr("a salt for tests only, long enough")
AMOUNT = "anthropic.people.amount_exact"
ADDRESS = "lumenfield.example"  # every user's


@pytest.fixture
def w(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    usage = UsageSettings(granularities=("1h",))
    with world(
        es, elasticsearch_url, namespace, now=NOW, days=3, usage=usage, series=9, revisions="none"
    ) as made:
        yield made


def test_people_who_are_off_cost_no_request_and_those_shown_by_address_are_so_in_one_stream_alone(
    w: World, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")
    w.once()
    asked = [request.path for request in w.server.requests if "claude_code" in request.path]
    by_actor = [request for request in w.server.requests if "actor" in request.all("group_by[]")]
    assert (asked, by_actor) == ([], [])
    assert w.es.count(index=w.stream("people"), ignore_unavailable=True)["count"] == 0

    w.config = w.config.model_copy(
        update={"people": PeopleSettings(enabled=True, salt=SALT, identify="email")}
    )
    w.server.behaviour.analytics = Terms("on")
    # A row that cannot be read must not be quoted with its address.
    w.server.faults.add(effects.bad_row("customer_type", ["somebody@" + ADDRESS]), "*/claude_code")
    with w.agent() as agent:
        jobs = agent.organization.older(agent.sink, Range(FIRST, TODAY))
        (job,) = (job for job in jobs if job.poller == "people")
        assert agent.attempt(job).bad_rows == 1
        attempt(agent, [job])
        metrics = generate_latest(agent.runtime.registry).decode()

    assert_audit(w)
    assert_panels(w)
    printed = capsys.readouterr()
    assert ADDRESS not in metrics
    assert ADDRESS not in printed.out + printed.err
    assert "people" in printed.err
    w.es.indices.refresh(index=w.stream("*"))
    shown = {
        hit["_index"].partition(".people-")[1]
        for hit in scan(w.es, index=w.stream("*"))
        if ADDRESS in json.dumps(hit["_source"])
    }
    assert shown == {".people-"}
    assert SALT.get_secret_value() not in json.dumps(w.sources("people")) + printed.err


def assert_audit(w: World) -> None:
    """The stream is compared with the reports, and what somebody changed in it is found."""
    found = audited(w)
    assert found.equal
    (result,) = found.compared
    assert result.documents_here == result.documents_there == len(w.sources("people"))
    assert result.total_here == result.total_there > 0
    (hit, *_) = scan(w.es, index=w.stream("people"), query={"query": {"exists": {"field": AMOUNT}}})
    w.es.delete(index=hit["_index"], id=hit["_id"], refresh=True)
    try:
        found = audited(w)
        assert [each.kind for each in found.compared[0].differences] == ["missing"]
        assert not found.equal
    finally:
        w.es.index(
            index=w.stream("people"), id=hit["_id"], document=hit["_source"], op_type="create", refresh=True
        )
    w.server.faults.add(effects.status(403), "*/analytics/*", times=None)
    w.server.faults.add(effects.status(403), "*/claude_code", times=None)
    found = audited(w)
    assert not found.equal
    assert "403" in found.not_compared[w.stream("people")]
    w.server.faults.clear()


def audited(w: World) -> Report:
    with w.agent() as agent:
        agent.organization.only(["people"])
        return audit_all(w.es, agent.organization, Bounds(FIRST, TODAY), NOW)


def assert_panels(w: World) -> None:
    """The dashboard's figures are the report's."""
    truth = analytics_rows(w.simulation, "cost", FIRST, TODAY, "1d", ("actor", "product"))
    names = {key.id: key.name for key in w.simulation.organization().api_keys}
    cents: dict[str, Decimal] = {}
    for row in truth:
        actor = row["group"]["actor"] or {}
        person = next(
            (str(v) for k, v in sorted(actor.items()) if k in ("email_address", "api_key_id")), None
        )
        person = person or actor.get("service_account_id") or "Unattributed"
        person = names.get(person, person)
        cents[person] = cents.get(person, Decimal(0)) + Decimal(row["cost"]["amount"])
    _, panel = PANELS["people: Who used what, USD"]
    rows = ask(w.es, panel.query, FIRST, NOW, namespace=w.config.namespace).records()
    assert {row["person"]: row["billed"] for row in rows if row["billed"]} == {
        person: pytest.approx(float(amount) / 100) for person, amount in cents.items() if amount
    }
    _, panel = PANELS["people: Claude Code by person"]
    coders = ask(w.es, panel.query, FIRST, NOW, namespace=w.config.namespace).records()
    assert coders
    assert all(ADDRESS in row["person"] and row["sessions"] > 0 and row["estimated"] > 0 for row in coders)

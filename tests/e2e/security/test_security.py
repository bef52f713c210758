"""The roles of docs/security.md against the real security module, and the key in no place to be found."""

from __future__ import annotations

import io
import json
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from elasticsearch import AuthorizationException, Elasticsearch
from prometheus_client import generate_latest
from pydantic import SecretStr
from typer.testing import CliRunner

from anthropic_metrics import logs
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.core import Agent, utc_now
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.audit import Bounds, audit_all
from anthropic_metrics.checks.admin import AdminFacts
from anthropic_metrics.checks.cluster import elasticsearch
from anthropic_metrics.cli import app
from anthropic_metrics.cli.trust import corrections_since
from anthropic_metrics.config import (
    AnthropicSettings,
    Backfill,
    Config,
    ElasticsearchSettings,
    UsageSettings,
)
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.outlook import Selection, lines
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.embedded import EmbeddedElasticsearch, Users
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects
from tests.harness.world import World

PAGE = (Path(__file__).parents[3] / "docs/security.md").read_text("utf-8")
KEYS = [json.loads(body) for body in re.findall(r"POST /_security/api_key\n(.*?)```", PAGE, re.DOTALL)]
ROLES = {
    name.removeprefix("anthropic_metrics_"): descriptor
    for key in KEYS
    for name, descriptor in key["role_descriptors"].items()
}
PASSWORDS = {name: f"{name}-secret-password" for name in ("root", "run", "setup", "read")}
NEXT_KEY = "sk-ant-admin01-the-next-key"


def user(url: str, name: str) -> Elasticsearch:
    return Elasticsearch(url, basic_auth=(name, PASSWORDS[name]), request_timeout=30)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    roles_of = {"root": ["superuser"], **{name: [name] for name in ROLES}}
    users = Users(PASSWORDS, roles_of, ROLES)
    with EmbeddedElasticsearch(data=tmp_path_factory.mktemp("secured"), users=users) as server:
        with user(server.url, "root") as root:
            root.index(index="payroll", document={"salary": 1}, refresh=True)
            root.index(index="metrics-system.cpu-default", op_type="create", document={"@timestamp": 0})
        yield server.url


@pytest.fixture(scope="module")
def admin_api() -> Iterator[SimulatorServer]:
    clock = SettableClock(datetime(2026, 11, 20, 3, 42, 10, tzinfo=UTC))
    with SimulatorServer(Simulation(clock, days=1, series=3)) as server:
        yield server


def config(url: str, admin_api: SimulatorServer, name: str, **anthropic: Any) -> Config:
    return Config(
        anthropic=AnthropicSettings(
            **{
                "base_url": admin_api.url,
                "admin_key": SecretStr(ADMIN_KEY),
                "requests_per_minute": 60_000,
                **anthropic,
            }
        ),
        elasticsearch=ElasticsearchSettings(hosts=(url,), username=name, password=SecretStr(PASSWORDS[name])),
        backfill=Backfill(timedelta(days=1)),
        usage=UsageSettings(granularities=("1h",)),
    )


@pytest.fixture(scope="module")
def installed(secured: str, admin_api: SimulatorServer) -> str:
    """Everything is set up by the role that may, and by no more than that."""
    settings = config(secured, admin_api, "setup")
    with connect(settings.elasticsearch) as es:
        steps = apply(es, plan_setup(es, settings))
    assert steps
    assert [step for step in steps if step.status == "failed"] == []
    return secured


def test_the_running_role_does_all_of_its_work(installed: str, admin_api: SimulatorServer) -> None:
    clock = admin_api.simulation.clock
    assert isinstance(clock, SettableClock)
    settings = config(installed, admin_api, "run")
    start = settings.backfill.since(clock.now())
    edit = admin_api.simulation.edits.vanish_usage(
        start + timedelta(hours=2), at=clock.now() + timedelta(minutes=1)
    )
    with Agent(settings, clock=clock.now) as agent, user(installed, "root") as root:
        for _ in range(3):  # creates; marks what vanished; deletes it and logs the correction
            assert [agent.attempt(job).failures for job in agent.jobs] == [[]] * len(agent.jobs)
            clock.advance(timedelta(minutes=65))
        assert [agent.attempt(job).failures for job in agent.jobs] == [[]] * len(agent.jobs)
        w = World(admin_api.simulation, admin_api, clock, settings, root)
        assert w.held_usage("usage") == w.true_usage("usage", start, at=clock.now())
        assert any(source["event"]["action"] == "correction" for source in w.sources("agent"))
    admin_api.simulation.edits.take_back(edit)


def test_every_body_on_the_page_is_a_request_for_one_key_or_role() -> None:
    assert [key["name"] for key in KEYS] == [f"anthropic-metrics-{name}" for name in ROLES]
    assert set(ROLES) == {"run", "setup", "read"}
    assert all(key.keys() <= {"name", "expiration", "role_descriptors"} for key in KEYS)
    (kibana,) = re.findall(r"PUT kbn:/api/security/role/\w+\n(.*?)```", PAGE, re.DOTALL)
    role = json.loads(kibana)
    assert role["elasticsearch"]["indices"] == ROLES["read"]["indices"]
    (space,) = role["kibana"]
    assert space.keys() == {"base", "feature", "spaces"}


def test_the_reading_role_does_for_every_command_that_only_reads(
    installed: str, admin_api: SimulatorServer
) -> None:
    clock = admin_api.simulation.clock
    settings = config(installed, admin_api, "read")
    running = config(installed, admin_api, "run")
    with Agent(running, clock=clock.now) as agent:
        for job in agent.jobs:
            agent.attempt(job)
    with user(installed, "root") as root:
        root.indices.refresh(index="metrics-anthropic_metrics.*")
    with (
        connect(settings.elasticsearch) as es,
        AdminClient(settings.anthropic, clock=clock.now) as client,
    ):
        organization = Organization(settings, client, Inventory(AdminDirectory(client)), clock=clock.now)
        report = audit_all(es, organization, Bounds(None, None), clock.now())
        assert report.equal, report
        whose = organization.inventory.names(clock.now()).organization_id
        assert corrections_since(es, settings, whose, clock.now() - timedelta(days=7)) is not None
        day = Range(clock.now() - timedelta(days=1), clock.now())
        assert (
            lines(es, "metrics-anthropic_metrics.headroom-default", Selection(whose, day)) == []
        )  # minutes are off here
        findings = {
            found.what: found for found in elasticsearch(settings, clock.now(), [(settings, AdminFacts())])
        }
        assert "may read (audit" in findings["Elasticsearch rights"].details
        with pytest.raises(AuthorizationException):
            es.index(index="metrics-anthropic_metrics.agent-default", op_type="create", document={})


READING = PAGE.partition("## The key that reads")[2].partition("It\ncannot write")[0]
# All panels take long to compile, and ask as rules do; of the days that suggest evaluates, a week will do.
LESS = {"dashboards render": None, "alerts suggest": "alerts suggest --days 7"}


@pytest.mark.parametrize(
    "command", [less for name in re.findall(r"`([a-z -]+)`", READING) if (less := LESS.get(name, name))]
)
def test_the_reading_role_is_enough_for_each_command_that_the_page_names(
    command: str, installed: str, admin_api: SimulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
        "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": admin_api.url,
        "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "60000",
        "ANTHROPIC_METRICS_USAGE__GRANULARITIES": "1h",
        "ANTHROPIC_METRICS_BACKFILL": "1d",
        "ELASTICSEARCH_URL": installed,
        "ELASTICSEARCH_USERNAME": "read",
        "ELASTICSEARCH_PASSWORD": PASSWORDS["read"],
    }
    done = CliRunner().invoke(app, command.split(), env=settings)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in {0, 1, 3}, done.output
    assert "unauthorized" not in done.output


def test_check_tells_the_role_that_sets_up_what_it_is_for(installed: str, admin_api: SimulatorServer) -> None:
    settings = config(installed, admin_api, "setup")
    found = {each.what: each for each in elasticsearch(settings, utc_now(), [(settings, AdminFacts())])}
    assert found["Elasticsearch rights"].status == "ok"
    assert "may set up, but not run the agent" in found["Elasticsearch rights"].details
    assert found["Index templates"].status == "ok"
    assert found["Streams"].status == "skipped"


FORBIDDEN = {
    "read another index": lambda es: es.search(index="payroll"),
    "read another metrics stream": lambda es: es.search(index="metrics-system.cpu-default"),
    "write another index": lambda es: es.index(index="payroll", document={}),
    "delete a backing index": lambda es: es.indices.delete(
        index=next(iter(es.indices.get(index="metrics-anthropic_metrics.usage-default")))
    ),
    "change an index template": lambda es: es.indices.put_index_template(
        name="metrics-anthropic_metrics.usage", index_patterns=["x-*"]
    ),
    "delete an index template": lambda es: es.indices.delete_index_template(
        name="metrics-anthropic_metrics.usage"
    ),
    "change a component template": lambda es: es.cluster.put_component_template(name="x", template={}),
    "change a pipeline": lambda es: es.ingest.put_pipeline(
        id="metrics-anthropic_metrics.usage", processors=[]
    ),
    "change a setting of its stream": lambda es: es.indices.put_settings(
        index="metrics-anthropic_metrics.usage-default", settings={"index.number_of_replicas": 0}
    ),
    "roll its stream over": lambda es: es.indices.rollover(alias="metrics-anthropic_metrics.usage-default"),
    "change the cluster": lambda es: es.cluster.put_settings(transient={"logger.level": "info"}),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_running_role_can_do_nothing_else(installed: str, what: str) -> None:
    with user(installed, "run") as es, pytest.raises(AuthorizationException):
        FORBIDDEN[what](es)


@pytest.mark.parametrize("index", ["payroll", "metrics-anthropic_metrics.usage-default"])
def test_the_role_that_sets_up_reads_no_documents(installed: str, index: str) -> None:
    with user(installed, "setup") as es, pytest.raises(AuthorizationException):
        es.search(index=index)


def test_a_rotated_admin_key_is_taken_from_its_file_without_a_restart(
    installed: str, admin_api: SimulatorServer, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(ADMIN_KEY)
    settings = config(installed, admin_api, "run", admin_key=None, admin_key_file=file)
    clock = admin_api.simulation.clock
    with Agent(settings, clock=clock.now) as agent:
        job = next(job for job in agent.jobs if job.name == "anthropic_metrics.cost")
        assert agent.attempt(job).failures == []
        admin_api.admin_keys.clear()
        admin_api.admin_keys.add(NEXT_KEY)
        try:
            (refused,) = agent.attempt(job).failures
            assert "401" in refused
            assert agent.runtime.health[""].pollers[job.name].paused
            file.write_text(NEXT_KEY)
            assert agent.attempt(job).failures == []
            assert not agent.runtime.health[""].pollers[job.name].paused
        finally:
            admin_api.admin_keys.add(ADMIN_KEY)


def test_no_key_is_in_any_place_where_people_look(installed: str, admin_api: SimulatorServer) -> None:
    """Debug log, tracebacks, metrics, health, repr, and the agent stream, while everything goes wrong."""
    printed = io.StringIO()
    logs.configure("debug", "json", printed)
    settings = config(installed, admin_api, "run")
    clock = SettableClock(admin_api.simulation.clock.now())
    shown: list[Any] = []
    try:
        admin_api.faults.add(effects.status(401), "*cost_report", times=1)
        admin_api.faults.add(
            effects.body(f"<html>{ADMIN_KEY}</html>".encode(), code=400), "*/messages", times=1
        )
        admin_api.faults.add(effects.reset("in_body"), "*/rate_limits", times=1)
        with Agent(settings, clock=clock.now) as agent:
            for job in agent.jobs:
                agent.attempt(job)
            for path in ("/v1/organizations/nowhere", "/v1/organizations/cost_report"):
                try:
                    agent.organization.client.get(path)
                except MetricsError as error:
                    shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
            shown += [
                agent.health.as_dict(),
                generate_latest(agent.runtime.registry),
                settings,
                settings.anthropic,
            ]
            shown += [
                settings.anthropic.secret(),
                agent.organization.client.__dict__,
                vars(agent.runtime),
                vars(agent.organization),
                vars(agent),
            ]
        with user(installed, "root") as root:
            w = World(admin_api.simulation, admin_api, clock, settings, root)
            documents = w.sources("agent")
    finally:
        admin_api.faults.clear()
        structlog.reset_defaults()
    assert any(source.get("error") for source in documents)
    everything = printed.getvalue() + repr(shown) + json.dumps(documents)
    assert "admin_api_request" in everything
    for secret in (ADMIN_KEY, PASSWORDS["run"]):
        assert secret not in everything

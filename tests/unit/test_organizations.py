"""What one process says of several organizations: health, metrics, budgets, logs, and whose a key is."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent.runtime import AllHealth, Runtime
from anthropic_metrics.budgets.board import Board, Boards
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.config import Config, ElasticsearchSettings, HealthSettings, OrganizationSettings
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.errors import WrongOrganization
from anthropic_metrics.health import Health, Metrics
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
MINUTES = timedelta(minutes=5)
TWO = ("acme", "acme-eu")


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    organizations = tuple(OrganizationSettings(name=name, admin_key=SecretStr(f"a-{name}")) for name in TWO)
    config = Config(
        organizations=organizations, elasticsearch=ElasticsearchSettings(hosts=("http://localhost:1",))
    )
    made = Runtime(config, clock=lambda: NOW, monotonic=lambda: 0.0, stop=threading.Event())
    yield made
    made.close()


def job(name: str, organization: str = "") -> Job:
    return Job(name, name, f"metrics-{name}", MINUTES, lambda _: None, organization=organization)


def test_a_failure_of_one_organization_is_named_and_leaves_the_others_health_alone(runtime: Runtime) -> None:
    runtime.schedule([job("usage", "acme"), job("usage", "acme-eu"), job("alerts")])
    for each in runtime.health.values():
        for name in each.pollers:
            each.ok(name)
    health = AllHealth(runtime.health)
    assert (health.troubles(), health.as_dict()["status"]) == ({}, "ready")
    runtime.health["acme-eu"].failed("usage", "the key is refused", paused=True)
    assert health.troubles() == {"acme-eu: usage": "the key is refused"}
    shown = health.as_dict()
    assert shown["status"] == "not ready"
    assert {name: each["status"] for name, each in shown["organizations"].items()} == {
        "acme": "ready",
        "acme-eu": "not ready",
        "shared": "ready",
    }


def test_metrics_name_the_organization_and_each_has_its_own(runtime: Runtime) -> None:
    runtime.schedule([job("usage", "acme"), job("usage", "acme-eu")])
    runtime.metrics["acme"].documents.labels("metrics-usage", "created").inc(3)
    runtime.metrics["acme-eu"].documents.labels("metrics-usage", "created").inc(5)
    runtime.health["acme"].ok("usage")
    page = generate_latest(runtime.registry).decode()
    total = "anthropic_metrics_documents_total"
    for line in (
        f'{total}{{organization="acme",outcome="created",stream="metrics-usage"}} 3.0',
        f'{total}{{organization="acme-eu",outcome="created",stream="metrics-usage"}} 5.0',
        'anthropic_metrics_fresh{organization="acme",stream="metrics-usage"} 1.0',
        'anthropic_metrics_fresh{organization="acme-eu",stream="metrics-usage"} 0.0',
    ):
        assert line in page
    assert page.count("# TYPE anthropic_metrics_documents_total counter") == 1
    assert page.count("\nprocess_resident_memory_bytes ") == 1
    assert page.count("\nanthropic_metrics_build_info{") == 1


def test_two_keys_of_one_organization_are_told_before_anything_is_written(runtime: Runtime) -> None:
    runtime.claim("acme", "org-1")
    runtime.claim("acme", "org-1")
    runtime.claim("acme-eu", "org-2")
    with pytest.raises(WrongOrganization, match="The keys of acme and acme-eu both belong to organization"):
        runtime.claim("acme-eu", "org-1")


def test_every_line_of_a_log_names_the_organization_that_it_is_about() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    with logs.about("acme"):
        logs.get_logger("x").info("names_kept", count=1)
    with logs.about(""):
        logs.get_logger("x").info("agent_started")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["organization.name"] == "acme"
    assert "organization.name" not in second


def board(usd: int, *further: str) -> Board:
    budgets = [BudgetSettings(name=name, usd=Decimal(usd)) for name in ("everything", *further)]
    made = Board((budget.name for budget in budgets), clock=lambda: NOW)
    made.put([BudgetState(budget, Range(NOW, NOW + MINUTES), NOW) for budget in budgets], NOW)
    return made


@pytest.fixture
def url() -> Iterator[str]:
    boards = Boards({"acme": board(900), "acme-eu": board(50, "staging")})
    server = HealthServer(HealthSettings(port=0), Health({}), Metrics.create().registry, boards)
    with server:
        yield server.url


def asked(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(url) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_budgets_of_all_organizations_each_say_whose_they_are(url: str) -> None:
    status, body = asked(f"{url}/v1/budgets")
    assert status == 200
    assert [(each["organization"], each["name"], each["limit"]) for each in body["budgets"]] == [
        ("acme", "everything", 900),
        ("acme-eu", "everything", 50),
        ("acme-eu", "staging", 50),
    ]


def test_a_budgets_name_that_two_organizations_have_asks_which_is_meant(url: str) -> None:
    status, body = asked(f"{url}/v1/budgets/everything")
    assert (status, body["organizations"]) == (400, ["acme", "acme-eu"])
    status, body = asked(f"{url}/v1/budgets/everything?organization=ACME-EU")
    assert (status, body["organization"], body["limit"]) == (200, "acme-eu", 50)
    status, body = asked(f"{url}/v1/budgets/staging")
    assert (status, body["organization"]) == (200, "acme-eu")


def test_an_unknown_organization_or_budget_is_answered_with_those_there_are(url: str) -> None:
    status, body = asked(f"{url}/v1/budgets?organization=acme-us")
    assert (status, body["organizations"]) == (404, ["acme", "acme-eu"])
    status, body = asked(f"{url}/v1/budgets/staging?organization=acme")
    assert (status, body["budgets"]) == (404, ["everything"])

"""Budgets are counted from the streams, kept in the agent stream, and answered from memory."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from elasticsearch import Elasticsearch
from pydantic import SecretStr
from typer.testing import CliRunner

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.budgets.board import Boards
from anthropic_metrics.cli import app
from anthropic_metrics.config import (
    AlertSettings,
    Config,
    ElasticsearchSettings,
    HealthSettings,
    UsageSettings,
)
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.simulator import ADMIN_KEY, effects
from tests.harness.world import World, attempt, world
from tests.servers.webhook import webhook

NOW = datetime(2026, 10, 30, 12, tzinfo=UTC)
TOKEN = "budgets-token-of-the-test"
BUDGETS = [
    {"name": "everything", "usd": 90_000},
    {"name": "research", "team": "ml", "usd": 2500, "period": "weekly"},
    {"name": "production today", "workspace": "Production", "usd": 1, "period": "daily"},
    {"name": "nightly/batch", "api_key": "nightly-batch", "tokens": 2_000_000_000},
    {"name": "tagged", "tag": "team=platform", "usd": 90_000},
    {"name": "gone", "workspace": "Prodction", "usd": 5},
]
TEAMS = [{"team": "ml", "workspaces": ["Data Science"]}]


@pytest.fixture(scope="module")
def counted(es: Elasticsearch, elasticsearch_url: str) -> Iterator[tuple[World, Agent]]:
    """The days before noon on a month's last Friday, all polled once."""
    usage = UsageSettings(granularities=("1h",))
    with world(
        es, elasticsearch_url, f"t{uuid.uuid4().hex[:8]}", now=NOW, days=4, usage=usage, series=16
    ) as w:
        given = Config.model_validate({"budgets": BUDGETS, "teams": TEAMS})
        health = HealthSettings(port=0, token=SecretStr(TOKEN), figures=True)
        w.config = w.config.model_copy(
            update={"budgets": given.budgets, "teams": given.teams, "health": health}
        )
        with w.agent() as agent:
            attempt(agent, agent.organization.whole(agent.sink))
            yield w, agent


@contextmanager
def served(agent: Agent) -> Iterator[str]:
    organization = agent.organization
    with HealthServer(
        agent.config.health, agent.health, agent.runtime.registry, Boards({"": organization.budgets})
    ) as server:
        yield server.url


def get(url: str, token: str | None = TOKEN) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urlopen(Request(url, headers=headers)) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except HTTPError as error:
        return error.code, json.load(error), dict(error.headers)


def test_each_budget_has_what_the_spend_stream_adds_up_to_in_its_period(
    counted: tuple[World, Agent],
) -> None:
    w, agent = counted
    found = agent.organization.budgets.all()
    assert found is not None
    states = {body["name"]: body for body in found["budgets"]}
    documents = w.sources("spend")

    def total(since: str, *, tokens: bool = False, **shared: str) -> float:
        wanted = [
            source["anthropic"]["spend"].get("total_tokens" if tokens else "amount_usd", 0)
            for source in documents
            if source["@timestamp"] >= since
            and all(source["anthropic"][name].get("name") == called for name, called in shared.items())
        ]
        return float(sum(wanted))

    platform = [space["id"] for space in w.simulation.workspaces() if space["tags"].get("team") == "platform"]
    tagged = [source for source in documents if source["anthropic"]["workspace"]["id"] in platform]
    assert len(tagged) > 0
    wanted = {
        "everything": total("2026-10-01"),
        "research": total("2026-10-26", team="ml"),
        "production today": total("2026-10-30", workspace="Production"),
        "nightly/batch": total("2026-10-01", tokens=True, api_key="nightly-batch"),
        "tagged": sum(source["anthropic"]["spend"].get("amount_usd", 0) for source in tagged),
        "limit: organization": total("2026-10-01"),
    }
    assert {name: states[name]["spent"] for name in wanted} == pytest.approx(wanted)
    assert all(wanted.values())
    assert states["production today"]["state"] == "exceeded"
    assert states["everything"]["basis"] == "mixed"
    assert states["limit: workspace Staging"]["limit"] == 1500
    assert "limit: workspace Production" not in states  # it has no number
    assert (states["gone"]["state"], states["gone"]["spent"]) == ("unknown", None)
    assert "did you mean Production?" in states["gone"]["problem"]
    assert (states["everything"]["state"], states["everything"]["forecast"]) == ("incomplete", None)
    assert states["research"]["forecast"]["few_days"]
    kept = [source["anthropic"]["budget"] for source in w.sources("agent") if "budget" in source["anthropic"]]
    held = {budget["name"]: (budget["state"], budget.get("counted_from")) for budget in kept}
    assert held == {name: (body["state"], body["counted_from"]) for name, body in states.items()}
    assert held["everything"] == ("incomplete", "2026-10-26")


def test_the_port_answers_with_the_age_of_its_figures_and_refuses_what_it_must(
    counted: tuple[World, Agent],
) -> None:
    _, agent = counted
    with served(agent) as url:
        status, body, headers = get(f"{url}/v1/budgets/{quote('nightly/batch', safe='')}")
        assert (status, body["unit"], body["age_seconds"]) == (200, "tokens", 0)
        assert headers["Cache-Control"].startswith("private, max-age=")
        assert get(f"{url}/v1/budgets", "wrong")[0] == 401
        assert get(f"{url}/v1/budgets/everything", None)[0] == 401
        status, body, _ = get(f"{url}/v1/budgets/everythin")
        assert status == 404
        assert "everything" in body["budgets"]
        assert get(f"{url}/healthz", None)[0] == 200  # the token is for budgets alone
        assert TOKEN not in json.dumps([get(f"{url}/readyz", None)[1], get(f"{url}/v1/budgets")[1]])


def test_the_port_answers_on_while_elasticsearch_is_away_with_older_figures(
    counted: tuple[World, Agent],
) -> None:
    w, agent = counted
    away = ElasticsearchSettings(hosts=("http://127.0.0.1:9",))
    before = agent.organization.budgets.all()
    assert before is not None
    config = w.config.model_copy(update={"elasticsearch": away})
    with Agent(config, clock=w.clock.now) as cut_off, served(cut_off) as url:
        assert get(f"{url}/v1/budgets")[0] == 503
        assert get(f"{url}/v1/budgets/everything")[1]["state"] == "unknown"
    with served(agent) as url:
        w.clock.advance(timedelta(hours=2))
        assert get(f"{url}/v1/budgets/everything")[1]["age_seconds"] == 7200
        w.clock.advance(timedelta(hours=-2))


def test_the_metrics_page_has_the_spend_of_today_and_each_budget(counted: tuple[World, Agent]) -> None:
    w, agent = counted
    (job,) = [job for job in agent.jobs if job.name == "figures"]
    assert job.after == "budgets"
    attempt(agent, [job])
    board = agent.organization.budgets.all()
    assert board is not None
    with served(agent) as url, urlopen(f"{url}/metrics") as page:
        lines = page.read().decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    today = sum(
        source["anthropic"]["spend"].get("amount_usd", 0)
        for source in w.sources("spend")
        if source["@timestamp"] >= "2026-10-30"
    )
    spent = float(shown["anthropic_metrics_spend_today_dollars"])
    assert spent == pytest.approx(today)
    assert spent > 0
    for body in board["budgets"]:
        labels = f'budget="{body["name"]}",period="{body["period"]}",unit="{body["unit"]}"'
        figure = shown.get(f"anthropic_metrics_budget_spent{{{labels}}}")
        assert (figure and float(figure)) == body["spent"], body["name"]
        complete = shown.get(f"anthropic_metrics_budget_complete{{{labels}}}")
        assert complete is None or bool(float(complete)) == body["complete"], body["name"]
    assert float(shown["anthropic_metrics_spend_today_complete"]) == 1


def test_the_daemon_counts_budgets_after_each_poll_of_spend(counted: tuple[World, Agent]) -> None:
    _, agent = counted
    (job,) = [job for job in agent.jobs if job.name == "budgets"]
    assert (job.after, job.kind, job.interval) == (
        "anthropic_metrics.spend",
        Kind.live,
        agent.config.usage.interval,
    )


@pytest.fixture
def written(counted: tuple[World, Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration as a file, and commands that run at the world's time."""
    w, _ = counted
    given = {
        "anthropic": {"base_url": w.server.url, "admin_key": ADMIN_KEY, "requests_per_minute": 60_000},
        "elasticsearch": {"hosts": list(w.config.elasticsearch.hosts)},
        "namespace": w.config.namespace,
        "usage": {"granularities": ["1h"]},
        "budgets": BUDGETS,
        "teams": TEAMS,
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(given), "utf-8")
    for module in ("budgets", "digest"):
        monkeypatch.setattr(f"anthropic_metrics.cli.{module}.utc_now", w.clock.now)
    return path


def test_the_command_shows_what_the_agent_counts_and_ends_with_1_where_one_is_exceeded(
    counted: tuple[World, Agent], written: Path
) -> None:
    _, agent = counted
    shown = CliRunner().invoke(app, ["budgets", "--config", str(written), "--format", "json"])
    assert shown.exit_code == 1
    rows = {row["budget"]: row for row in json.loads(shown.stdout)["budgets"]}
    states = agent.organization.budgets.all()
    assert states is not None
    for body in states["budgets"]:
        row = rows[body["name"]]
        assert (row["state"], row["for"]) == (body["state"], body["for"])
        assert row["counted_from"] == body["counted_from"]
        assert body["complete"] == (body["counted_from"] is None and body["problem"] is None)
        assert row["period_start"] == body["period_start"][:10]
        assert (row["spent"] is None) == (body["spent"] is None)
        assert float(row["spent"] or 0) == pytest.approx(body["spent"] or 0, abs=0.006)
    assert rows["limit: workspace Staging"]["for"] == "workspace Staging"
    assert rows["everything"]["counted_from"] == "2026-10-26"
    assert (rows["everything"]["state"], rows["everything"]["forecast"]) == ("incomplete", None)
    assert rows["production today"]["counted_from"] is None
    assert (rows["research"]["period"], rows["research"]["period_type"]) == ("week of 2026-10-26", "weekly")
    assert rows["production today"]["runs_out"] is None
    table = CliRunner().invoke(app, ["budgets", "--config", str(written)])
    assert "did you mean Production?" in table.stderr
    assert "Less than two weeks of history" in table.stdout
    assert re.search(r"production today .* exceeded +exceeded$", table.stdout, re.MULTILINE)
    assert re.search(
        r"^gone .* 5.00 +- .* - +unknown: there is no workspace Prodction$", table.stdout, re.MULTILINE
    )
    assert "Incomplete: the stream begins on 2026-10-26, so 2026-10 has no earlier days" in table.stdout


def test_the_command_forecasts_the_same_from_the_same_figures_and_says_how_old_they_are(
    counted: tuple[World, Agent], written: Path
) -> None:
    w, _ = counted
    command = ["budgets", "--config", str(written)]

    def forecast() -> tuple[str, str]:
        rows = json.loads(CliRunner().invoke(app, [*command, "--format", "json"]).stdout)["budgets"]
        return next((row["forecast"], row["read_to"]) for row in rows if row["budget"] == "research")

    now = forecast()
    w.clock.advance(timedelta(hours=2))
    try:
        assert forecast() == now
        assert now[1] == "2026-10-30T12:00:00.000Z"
        said = "Usage is read up to 2026-10-30 12:00 UTC, 2h ago"
        assert said in " ".join(CliRunner().invoke(app, command).stdout.split())
    finally:
        w.clock.advance(timedelta(hours=-2))


def test_spend_limits_that_cannot_be_read_are_budgets_that_nobody_counted(
    counted: tuple[World, Agent], written: Path
) -> None:
    w, _ = counted
    written.write_text(json.dumps(json.loads(written.read_text("utf-8")) | {"budgets": []}), "utf-8")
    w.server.faults.add(effects.status(503), "*/spend_limits", times=None)
    try:
        shown = CliRunner().invoke(app, ["budgets", "--config", str(written)])
    finally:
        w.server.faults.clear()
    assert shown.exit_code == 3
    assert "Spend limits of the Console cannot be read: The Admin API answered 503" in shown.stderr


def test_a_digest_is_posted_once_however_many_agents_run_and_printed_the_same(
    counted: tuple[World, Agent], written: Path
) -> None:
    w, _ = counted
    with webhook() as inbox:
        plain_url, slack_url = SecretStr(f"{inbox.url}/plain"), SecretStr(f"{inbox.url}/slack")
        alerts = AlertSettings(webhooks=(plain_url,), slack_webhooks=(slack_url,))
        config = w.config.model_copy(update={"alerts": alerts, "digest": "daily"})
        for _ in range(2):
            with Agent(config, clock=w.clock.now) as one:
                (job,) = [job for job in one.jobs if job.name == "digest"]
                for _ in range(2):
                    assert one.attempt(job).failures == []
    (_, plain), (_, in_slack) = sorted(inbox.taken, key=lambda taken: taken[0])
    assert plain["start"] == "2026-10-29T00:00:00.000Z"
    day = [source for source in w.sources("spend") if source["@timestamp"].startswith("2026-10-29")]
    amounts = [source["anthropic"]["spend"].get("amount_usd", 0) for source in day]
    assert plain["usd"] == pytest.approx(sum(amounts))
    assert in_slack["blocks"][0]["type"] == "header"
    printed = CliRunner().invoke(app, ["digest", "--print", "--every", "daily", "--config", str(written)])
    assert printed.exit_code == 0
    assert printed.stdout.splitlines()[0] == plain["text"].splitlines()[0]
    assert TOKEN not in json.dumps([plain, in_slack])

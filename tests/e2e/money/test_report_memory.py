"""A month that is reported again says what changed since the last report, where a cluster remembers it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.finance_world import finance_world
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 4, 7, 2, tzinfo=UTC)
_POLLED = ("cost", "usage", "spend")
REVISED = datetime(2026, 10, 30, tzinfo=UTC)


def written(folder: Path, output: Path, *arguments: str, code: int = 0) -> None:
    config = ("--config", str(folder / "config.yaml"))
    result = CliRunner().invoke(app, ["report", "--month", "2026-10", "-o", str(output), *config, *arguments])
    assert result.exit_code == code, (result.output, result.exception)


def reported(folder: Path, number: int, *arguments: str, code: int = 0) -> dict[str, Any]:
    output = folder / f"{number}.json"
    written(folder, output, *arguments, code=code)
    found: dict[str, Any] = json.loads(output.read_text("utf-8"))
    return found


def spent_by_key(w: World) -> dict[str, Decimal]:
    """What the spend stream has of October, by the name of the key."""
    sums: dict[str, Decimal] = {}
    for source in w.sources("spend"):
        spend, key = source["anthropic"]["spend"], source["anthropic"]["api_key"]
        if source["@timestamp"] < "2026-11" and "amount_exact" in spend:
            name = key.get("name") or key["id"]
            sums[name] = sums.get(name, Decimal(0)) + Decimal(spend["amount_exact"])
    return sums


def corrections(body: dict[str, Any]) -> list[dict[str, Any]]:
    return next(table["rows"] for table in body["tables"] if table["title"] == "Corrections")


def test_report_stream_and_page_have_the_same_figures_and_a_second_report_names_what_changed(
    es: Elasticsearch,
    elasticsearch_url: str,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = UsageSettings(granularities=("1h",))
    with (
        world(es, elasticsearch_url, namespace, now=NOW, days=7, usage=usage, series=8) as w,
        w.agent() as agent,
    ):
        config = {
            "anthropic": {"base_url": w.server.url, "admin_key": ADMIN_KEY, "requests_per_minute": 60_000},
            "elasticsearch": {"hosts": [elasticsearch_url]},
            "namespace": namespace,
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        monkeypatch.setattr("anthropic_metrics.cli.report.utc_now", w.clock.now)
        jobs = [job for job in agent.organization.whole(agent.sink) if job.poller in _POLLED]
        costs = [job for job in jobs if job.poller == "cost"]
        attempt(agent, jobs)
        first = reported(tmp_path, 1, "--by", "key")
        by_key = spent_by_key(w)
        page = tmp_path / "october.html"
        written(tmp_path, page)
        line = {"model": "claude-opus-5-5", "token_type": "output_tokens", "service_tier": "standard"}
        w.simulation.edits.revise_cost(REVISED, factor=2, match=line)
        w.clock.advance(timedelta(hours=1))
        attempt(agent, costs)
        second = reported(tmp_path, 2)
        third = reported(tmp_path, 3)

    keys = next(table["rows"] for table in first["tables"] if table["title"] == "By key")
    assert {row["key"]: Decimal(row["usd"]) for row in keys[:-1]} == by_key
    assert f"<dd>${Decimal(first['usd']):,.2f}</dd>" in page.read_text("utf-8")
    assert (first["last_report"], corrections(first)) == (None, [])
    assert Decimal(second["last_report"]["usd"]) == Decimal(first["usd"])
    rows = corrections(second)
    assert rows
    assert {row["day"] for row in rows} == {"2026-10-30"}
    assert all("Claude Opus 5.5 Usage - Output Tokens" in row["what"] for row in rows)
    changed = sum(Decimal(row["new_usd"]) - Decimal(row["old_usd"]) for row in rows)
    assert changed == Decimal(second["usd"]) - Decimal(first["usd"]) > 0
    assert (third["last_report"]["usd"], corrections(third)) == (second["usd"], [])


def test_a_cluster_that_is_away_costs_the_corrections_and_not_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with finance_world(tmp_path, monkeypatch) as w:
        settings = yaml.safe_load(w.config.read_text("utf-8"))
        settings["elasticsearch"] = {"hosts": ["http://127.0.0.1:9"]}
        w.config.write_text(yaml.safe_dump(settings), "utf-8")
        body = reported(tmp_path, 1, code=1)

    assert Decimal(body["usd"]) > 0
    titles = [table["title"] for table in body["tables"]]
    assert titles == ["By team", "By model", "Budgets", "Token budgets", "Movers", "Days"]
    assert any("Corrections are not known" in note for note in body["notes"])

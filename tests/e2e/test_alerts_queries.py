"""Every query, also in its form for an older Kibana, runs on a real Elasticsearch; so does `evaluate`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner
from world import World, world

from anthropic_metrics.alerts.bodies import query
from anthropic_metrics.alerts.catalog import every_rule
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.cli import app
from anthropic_metrics.config import AlertSettings, BudgetSettings, UsageSettings
from anthropic_metrics.errors import BadRequest

NOW = datetime(2026, 11, 2, 12, 20, tzinfo=UTC)
BUDGETS = BudgetSettings(
    organization_usd=100.0, workspaces={"Production": 50.0}, tags={"team=research": 30.0}
)


@pytest.fixture(scope="module")
def filled(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    namespace = f"t{uuid.uuid4().hex[:8]}"
    grains = UsageSettings(granularities=("1h",))
    with world(es, elasticsearch_url, namespace, now=NOW, days=3, usage=grains) as w:
        w.config = w.config.model_copy(update={"budgets": BUDGETS})
        w.once()
        es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
        yield w


def test_every_query_runs_and_its_columns_are_undotted(filled: World) -> None:
    for rule in every_rule(filled.config):
        found = run(filled.es, rule, NOW)
        assert all("." not in column for alert in found for column in alert.row)
        run(filled.es, replace(rule, query=query(rule, (8, 17))), NOW)


def test_a_viewers_zone_changes_nothing_also_where_its_clock_changes(filled: World) -> None:
    # New York's clock goes back on 1 November 2026 at 06:00 UTC.
    (rule,) = [rule for rule in every_rule(filled.config) if rule.key == "daily_cost"]
    for hours in range(4, 9):
        moment = datetime(2026, 11, 1, hours, tzinfo=UTC)
        there = moment.astimezone(ZoneInfo("America/New_York"))
        assert run(filled.es, rule, there) == run(filled.es, rule, moment) != []


def test_a_stream_that_is_not_there_has_no_alerts_and_a_broken_query_is_an_error(filled: World) -> None:
    rule = every_rule(filled.config)[0]
    nowhere = replace(rule, query=rule.query.replace("metrics-", "nowhere-"))
    assert run(filled.es, nowhere, NOW) == []
    with pytest.raises(BadRequest, match="nonsense"):
        run(filled.es, replace(rule, query=f"{rule.query}\n| WHERE nonsense > 1"), NOW)


def test_evaluate_shows_what_would_have_fired_then(
    filled: World, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
    monkeypatch.setenv("ANTHROPIC_METRICS_NAMESPACE", filled.config.namespace)
    monkeypatch.setenv("COLUMNS", "200")
    then = (NOW - timedelta(days=2)).isoformat()
    shown = CliRunner().invoke(app, ["alerts", "evaluate", "--at", then], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "2026-10-30" in shown.stdout
    assert "2026-11" not in shown.stdout
    for key in AlertSettings().rules:
        assert key in shown.stdout

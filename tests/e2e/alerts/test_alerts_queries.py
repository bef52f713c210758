"""Every query, also in its form for an older Kibana, runs on a real Elasticsearch; so does `evaluate`."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from elasticsearch import Elasticsearch
from pydantic import SecretStr
from typer.testing import CliRunner

from anthropic_metrics.alerts.bodies import query
from anthropic_metrics.alerts.catalog import every_rule, rules
from anthropic_metrics.alerts.evaluation import has_default
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.alerts.install import install_rules
from anthropic_metrics.cli import app
from anthropic_metrics.config import AlertSettings, Config, KibanaSettings, UsageSettings, load_config
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.errors import BadRequest, NoData
from anthropic_metrics.kernel.datasets import RATE_LIMIT, stream_name
from anthropic_metrics.streams.registry import STREAMS
from tests.harness.world import World, world
from tests.servers.kibana_rules import KEY, kibana_rules

NOW = datetime(2026, 11, 2, 12, 20, tzinfo=UTC)
GIVEN = Config.model_validate(
    {
        "teams": [{"team": "ml", "workspaces": ["Data Science"]}],
        "budgets": [
            {"name": "week", "workspace": "Production", "usd": 0.1, "period": "weekly"},
            {"name": "day", "usd": 0.1, "period": "daily", "levels": [100]},
            {"name": "key", "api_key": "nightly-batch", "tokens": 1000},
            {"name": "ours", "team": "ml", "usd": 0.1},
        ],
    }
)
BUDGETS = (
    *old_budgets(organization_usd=100.0, workspaces={"Production": 50.0}, tags={"team=research": 30.0}),
    *GIVEN.budgets,
)


@pytest.fixture(scope="module")
def filled(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    namespace = f"t{uuid.uuid4().hex[:8]}"
    grains = UsageSettings(granularities=("1m", "1h"), minute_backfill=timedelta(hours=1))
    with world(es, elasticsearch_url, namespace, now=NOW, days=3, usage=grains) as w:
        w.config = w.config.model_copy(update={"budgets": BUDGETS, "teams": GIVEN.teams})
        w.once()
        es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
        yield w


def test_every_query_runs_and_its_columns_are_undotted(filled: World) -> None:
    for rule in every_rule(filled.config):
        found = run(filled.es, rule, NOW)
        assert all("." not in column for alert in found for column in alert.row)
        run(filled.es, replace(rule, query=query(rule, (8, 17))), NOW)


def test_no_rule_but_that_of_silence_fires_over_mappings_without_data(filled: World, namespace: str) -> None:
    config = filled.config.model_copy(update={"namespace": namespace, "budgets": ()})
    ensure(filled.es, config)
    (two,) = [rule for rule in every_rule(config) if rule.key == "workspace_without_limit"]
    source = {"@timestamp": "2020-01-01T00:00:00Z"}
    for dataset in sorted(stream.dataset for stream in STREAMS):
        if dataset == RATE_LIMIT:  # the inventory is there already
            with pytest.raises(NoData, match="rate_limit"):
                run(filled.es, two, NOW)
        name = stream_name(dataset, namespace)
        filled.es.index(index=name, document=source, op_type="create", refresh=True)
    fired = {rule.key for rule in every_rule(config) if run(filled.es, rule, NOW)}
    assert fired == {"no_fresh_data"}


def test_a_budget_s_rule_has_the_figure_that_the_agent_has_counted(filled: World) -> None:
    counted = {
        budget["name"]: budget.get("spent_usd", budget.get("spent_tokens"))
        for source in filled.sources("agent")
        if (budget := source["anthropic"].get("budget")) and source["event"]["action"] == "budget"
    }
    periods = {"week": "2026-11-02", "day": "2026-11-02", "key": "2026-11", "ours": "2026-11"}
    made = {rule.key.removeprefix("budget "): rule for rule in every_rule(filled.config)}
    for name, period in periods.items():
        rows = [alert.row for alert in run(filled.es, made[name], NOW) if alert.row["period"] == period]
        assert rows, name
        for row in rows:
            figure = row["spent_tokens"] if name == "key" else row["cost_usd"]
            assert figure == pytest.approx(counted[name], abs=0.01), name


def test_a_viewers_zone_changes_nothing_also_where_its_clock_changes(filled: World) -> None:
    # New York's clock goes back on 1 November 2026 at 06:00 UTC.
    (rule,) = [rule for rule in every_rule(filled.config) if rule.key == "daily_cost"]
    for hours in range(4, 9):
        moment = datetime(2026, 11, 1, hours, tzinfo=UTC)
        there = moment.astimezone(ZoneInfo("America/New_York"))
        assert run(filled.es, rule, there) == run(filled.es, rule, moment) != []


def test_a_stream_or_field_that_is_not_there_is_no_data_and_a_broken_query_is_an_error(filled: World) -> None:
    rule = every_rule(filled.config)[0]
    nowhere = replace(rule, query=rule.query.replace("metrics-", "nowhere-"))
    with pytest.raises(NoData, match="nowhere"):
        run(filled.es, nowhere, NOW)
    with pytest.raises(NoData, match=r"no anthropic\.nonsense yet"):
        run(filled.es, replace(rule, query=f"{rule.query}\n| WHERE anthropic.nonsense > 1"), NOW)
    with pytest.raises(BadRequest, match="nonsense"):
        run(filled.es, replace(rule, query=f"{rule.query}\n| WHERE nonsense > 1"), NOW)


@pytest.fixture
def evaluated(
    elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, dict[str, list[str]]]]:
    """Runs `alerts evaluate`: the exit code, and by rule its verdicts: state, alert and what it says."""

    def evaluate(namespace: str, *arguments: str, **environment: str) -> tuple[int, dict[str, list[str]]]:
        monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
        monkeypatch.setenv("ANTHROPIC_METRICS_NAMESPACE", namespace)
        for name, value in environment.items():
            monkeypatch.setenv(f"ANTHROPIC_METRICS_{name}", value)
        command = ["alerts", "evaluate", "--format", "json", *arguments]
        shown = CliRunner().invoke(app, command, catch_exceptions=False)
        rules = defaultdict(list)
        for each in json.loads(shown.stdout)["verdicts"]:
            rules[each["rule"]].append(" ".join(filter(None, (each["state"], each["alert"], each["what"]))))
        return shown.exit_code, dict(rules)

    return evaluate


Evaluated = Callable[..., tuple[int, dict[str, list[str]]]]


def test_evaluate_shows_what_would_have_fired_then(filled: World, evaluated: Evaluated) -> None:
    then = (NOW - timedelta(days=2)).isoformat()
    code, rules = evaluated(
        filled.config.namespace,
        "--at",
        then,
        USAGE__GRANULARITIES="1h",
        ALERTS__RULES="daily_cost,token_spike,rate_limit_headroom",
    )
    assert code == 0
    assert rules["daily_cost"][0].startswith("fires 2026-10-30")
    assert "2026-11" not in str(rules)
    assert rules["rate_limit_headroom"] == ["off headroom needs usage by the minute and by model"]
    assert rules["no_fresh_data"] == ["off not in alerts.rules"]
    assert rules.keys() == set(AlertSettings().rules)


def test_a_namespace_that_was_never_written_is_not_quiet(evaluated: Evaluated) -> None:
    code, rules = evaluated(f"t{uuid.uuid4().hex[:8]}")
    assert code == 1
    assert not [line for lines in rules.values() for line in lines if line.startswith("quiet")]
    assert [rule for rule, lines in rules.items() if not lines[0].startswith("no data")] == ["no_fresh_data"]
    streams = {line.split(" ")[1].split(".")[1].split("-")[0] for line in rules["no_fresh_data"]}
    assert streams == {"usage", "usage_1m", "cost", "rate_limit", "headroom", "inventory", "spend"}


def test_no_fresh_data_fires_for_a_stream_that_never_had_a_successful_poll(filled: World) -> None:
    more = filled.config.usage.model_copy(update={"granularities": ("1m", "1h", "1d")})
    config = filled.config.model_copy(update={"usage": more})
    (rule,) = [rule for rule in every_rule(config) if rule.key == "no_fresh_data"]
    assert run(filled.es, rule, NOW + timedelta(minutes=14)) == []
    # Daily polls are hourly: three of their intervals after the agent's first record, and with it the others.
    late = {alert.id: alert.row for alert in run(filled.es, rule, NOW + timedelta(minutes=181))}
    assert late[f"metrics-anthropic_metrics.usage_1d-{config.namespace}"]["silent_minutes"] == 181
    assert len(run(filled.es, rule, NOW + timedelta(days=8))) == 8


def test_a_rule_whose_stream_or_dimension_is_not_collected_is_off_and_says_so(
    filled: World, evaluated: Evaluated
) -> None:
    there = (filled.config.namespace, "--at", NOW.isoformat())
    code, rules = evaluated(*there, RATE_LIMITS__ENABLED="false", ALERTS__RULES="new_workspace,daily_cost")
    assert (code, rules["new_workspace"]) == (0, ["off rate_limits.enabled is false"])
    code, rules = evaluated(*there, COST__ENABLED="false")
    assert (code, rules["new_workspace"]) == (0, ["off cost.enabled is false"])


def test_foreign_documents_in_every_stream_change_no_rule(filled: World) -> None:
    es, namespace = filled.es, filled.config.namespace
    moments = [NOW, NOW + timedelta(hours=4)]
    before = [run(es, rule, moment) for rule in rules(filled.config) for moment in moments]
    copied = []
    for name in ("usage", "cost", "rate_limit", "headroom", "agent"):
        stream = filled.stream(name)
        hits = es.search(index=stream, size=50, sort=[{"@timestamp": "desc"}])["hits"]["hits"]
        for hit in hits:
            source = {**hit["_source"], "agent": {"name": "elastic-agent-1", "type": "cel"}}
            copied.append(es.index(index=stream, document=source, op_type="create"))
        assert hits
    es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
    try:
        assert [run(es, rule, moment) for rule in rules(filled.config) for moment in moments] == before
    finally:
        for each in copied:
            es.delete(index=each["_index"], id=each["_id"], refresh=True)


def test_suggested_thresholds_are_a_configuration_under_which_no_rule_has_two_alerts(
    filled: World, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
    monkeypatch.setenv("ANTHROPIC_METRICS_NAMESPACE", filled.config.namespace)
    monkeypatch.setattr("anthropic_metrics.cli.alerts.utc_now", lambda: NOW)
    shown = CliRunner().invoke(app, ["alerts", "suggest", "--format", "json"], catch_exceptions=False)
    assert shown.exit_code == 0
    answer = json.loads(shown.stdout)
    (spike,) = (each for each in answer["suggestions"] if each["rule"] == "token_spike")
    assert spike["suggested"] > spike["configured"] == 500_000
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(answer["notes"][1:]), "utf-8")
    config = load_config(path, {"ANTHROPIC_METRICS_NAMESPACE": filled.config.namespace})
    assert config.alerts.hourly_tokens == spike["suggested"]
    # Headroom is suggested from whole days, and today is the only one that this world has.
    judged = [rule for rule in rules(config) if rule.limit and rule.key != "rate_limit_headroom"]
    assert max(len(run(filled.es, rule, NOW)) for rule in judged) <= 1


def test_setup_creates_what_would_fire_at_once_by_default_disabled(filled: World) -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        there = KibanaSettings(url=kibana.url, api_key=SecretStr(KEY))
        config = filled.config.model_copy(update={"kibana": there, "budgets": ()})
        loud = {
            rule.name for rule in rules(config) if has_default(rule, config) and run(filled.es, rule, NOW)
        }
        steps = install_rules(config, filled.es, NOW, dry_run=False)
        off = {rule["name"] for rule in kibana.rules.values() if not rule["enabled"]}
    assert "[Anthropic] Token consumption spike" in loud
    assert off == loud
    said = {step.name: step.detail for step in steps if step.detail.startswith("disabled: would begin with")}
    assert said.keys() == loud
    assert all("alerts suggest" in detail for detail in said.values())

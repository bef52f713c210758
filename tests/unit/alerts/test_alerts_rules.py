"""The rules themselves: stable ids, no clock of their own, names for people, settings that count."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.alerts.catalog import every_rule, rules
from anthropic_metrics.alerts.columns import id_columns
from anthropic_metrics.alerts.execute import alerts, turn
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import AlertSettings, BudgetSettings, Config, load_config
from anthropic_metrics.config.alerts import RULES
from anthropic_metrics.errors import ConfigError

CONFIG = Config(
    budgets=BudgetSettings(
        organization_usd=1000.0, workspaces={'A "quoted" one\\': 10.5}, tags={"team`s=re=search": 300.0}
    )
)


@pytest.mark.parametrize("rule", every_rule(CONFIG), ids=lambda rule: rule.key)
def test_a_rule_is_keyed_by_what_stays_and_asks_no_clock(rule: Rule) -> None:
    assert "NOW()" not in rule.query
    assert "//" not in rule.query
    stats = [line for line in rule.query.splitlines() if line.startswith("| STATS")]
    assert " BY " in stats[-1]
    keys = id_columns(rule.query, ["day", "month", "hour", "model", "workspace_id", "level_percent", "stream",
                                   "api_key_id"])  # fmt: skip
    assert keys
    assert all("." not in key for key in keys)


def test_each_rule_of_the_configuration_has_a_definition() -> None:
    assert tuple(rule.key for rule in every_rule(Config())) == RULES


@pytest.mark.parametrize(
    ("query", "columns", "keys"),
    [
        ("FROM x | STATS n = COUNT(*) BY a, b = TRIM(c)", ["n", "a", "b"], ["a", "b"]),
        ("FROM x | STATS n = COUNT(*) BY `a b`", ["n", "a b"], ["a b"]),
        ("FROM x | stats n = count(*) by TRIM(c)", ["n", "TRIM(c)"], ["TRIM(c)"]),
        ("FROM x | STATS n = COUNT(*) BY a | RENAME a AS z | WHERE n > 1", ["n", "z"], ["z"]),
        ("FROM x | STATS n = COUNT(*) BY a, b | DROP b", ["n", "a"], ["a"]),
        ("FROM x | STATS n = COUNT(*) BY a | STATS m = MAX(n)", ["m"], ["m"]),
        ('FROM x | WHERE t == "| STATS q BY r" | STATS n = COUNT(*) BY a', ["n", "a"], ["a"]),
        ("FROM x METADATA _id | KEEP _id, a", ["_id", "a"], ["_id"]),
        ("FROM x | KEEP a, b", ["a", "b"], ["a", "b"]),
        (
            'FROM x | STATS n = SUM(CASE(a == "x", 1, 0)) BY k = CONCAT(a, ","), d',
            ["n", "k", "d"],
            ["k", "d"],
        ),
    ],
)
def test_an_alerts_id_is_read_from_the_last_stats(query: str, columns: list[str], keys: list[str]) -> None:
    assert id_columns(query, columns) == keys


def test_rows_with_one_id_are_one_alert_and_a_row_without_an_id_is_none() -> None:
    query = "FROM x | STATS n = COUNT(*) BY a, b"
    found = alerts(query, ["n", "a", "b"], [[1, "x", None], [2, "x", None], [3, None, None], [4, "x", "y"]])
    assert [(alert.id, alert.row["n"]) for alert in found] == [("x", 1), ("x,y", 4)]


def test_a_turn_tells_new_ongoing_and_recovered() -> None:
    found = alerts("FROM x | STATS n = COUNT(*) BY a", ["n", "a"], [[1, "new"], [2, "old"]])
    change = turn(["old", "gone"], found)
    assert [alert.id for alert in change.new] == ["new"]
    assert [alert.id for alert in change.ongoing] == ["old"]
    assert change.recovered == ["gone"]


def test_thresholds_schedules_and_the_choice_of_rules_come_from_the_configuration() -> None:
    chosen = AlertSettings.model_validate(
        {"rules": "token_spike, daily_cost", "hourly_tokens": 12_345, "schedules": {"token_spike": "5m"}}
    )
    spike, cost = sorted(rules(Config(alerts=chosen)), key=lambda rule: rule.key, reverse=True)
    assert (spike.key, cost.key) == ("token_spike", "daily_cost")
    assert "WHERE tokens > 12345" in spike.query
    assert spike.schedule.total_seconds() == 300


def test_a_budget_of_the_organization_takes_the_place_of_the_monthly_limit() -> None:
    keys = {rule.key for rule in rules(CONFIG)}
    assert "monthly_budget" not in keys
    assert "budget organization" in keys


def test_names_of_users_are_quoted() -> None:
    queries = {rule.key: rule.query for rule in every_rule(CONFIG)}
    assert r'anthropic.workspace.name == "A \"quoted\" one\\"' in queries['budget workspace A "quoted" one\\']
    assert '`anthropic.workspace.tags.team``s` == "re=search"' in queries["budget tag team`s=re=search"]


def test_a_message_is_the_rules_sentence_over_the_row() -> None:
    (rule,) = [rule for rule in every_rule(Config()) if rule.key == "daily_cost"]
    assert subject(rule, {"day": "2026-11-20", "cost_usd": 1234.5}) == "2026-11-20 cost 1,234.50 USD"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alerts: {rules: [dayly_cost]}", "alerts.rules: dayly_cost: no such rule"),
        ("alerts: {schedules: {daily_cost: 5s}}", "alerts.schedules: daily_cost: must be at least 1m"),
        ("alerts: {webhooks: [secretive]}", "alerts.webhooks: must be a list of URLs"),
        ("alerts: {daily_cost_usd: -3}", "alerts.daily_cost_usd: must be more than nothing"),
        ("budgets: {workspaces: {Production: much}}", "must be an amount in US dollars"),
        ("budgets: {tags: {research: 300}}", "must be written tag=value"),
        ("budgets: {organization_usd: 0}", "budgets.organization_usd: must be more than nothing"),
        ("budgets: {levels: [0]}", "budgets.levels: must be a list of percentages"),
    ],
)
def test_a_wrong_setting_is_named_and_a_webhook_never_quoted(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert words in str(caught.value)
    assert "secretive" not in str(caught.value)


def test_budgets_and_webhooks_can_come_from_file_and_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("budgets: {workspaces: {My Space: 500, Other.One: 2}, tags: {team=a: 3}}", "utf-8")
    hook = "https://hooks.example.com/a"
    config = load_config(path, {"ANTHROPIC_METRICS_ALERTS__WEBHOOKS": hook})
    assert config.budgets.workspaces == {"My Space": 500.0, "Other.One": 2.0}
    assert config.budgets.tags == {"team=a": 3.0}
    assert [each.get_secret_value() for each in config.alerts.webhooks] == [hook]

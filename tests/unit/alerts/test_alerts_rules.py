"""The rules themselves: stable ids, no clock of their own, names for people, settings that count."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anthropic_metrics.alerts.bodies import query
from anthropic_metrics.alerts.catalog import every_rule, left_out, rules
from anthropic_metrics.alerts.evaluation import Verdict
from anthropic_metrics.alerts.execute import MOST_ALERTS, Alert, Judged, alerts, judge, turn
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.rule import NOW, Rule, no_mustache
from anthropic_metrics.cli import app
from anthropic_metrics.config import AlertSettings, Config, load_config
from anthropic_metrics.config.alerts import RULES
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.errors import ConfigError
from tests.servers.kibana_ids import FORMS, Form, id_columns, is_plain, last_by

CONFIG = Config(
    budgets=old_budgets(
        organization_usd=1000.0, workspaces={'A "quoted" one\\': 10.5}, tags={"team`s=re=search": 300.0}
    )
)


@pytest.mark.parametrize("rule", every_rule(CONFIG), ids=lambda rule: rule.key)
def test_the_last_by_of_a_rule_holds_plain_names_only_and_they_are_its_identity(rule: Rule) -> None:
    entries = last_by(rule.query)
    assert entries == list(rule.identity)
    assert all(is_plain(entry) and "." not in entry for entry in entries)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", every_rule(CONFIG), ids=lambda rule: rule.key)
def test_a_rule_names_the_columns_that_kibana_makes_its_ids_of(rule: Rule, form: Form) -> None:
    columns = [*re.findall(r"(\w+) = ", rule.query), *rule.identity]
    assert id_columns(rule.query, columns, form) == list(rule.identity)


@pytest.mark.parametrize("rule", every_rule(CONFIG), ids=lambda rule: rule.key)
def test_a_rule_asks_no_clock_and_is_the_same_query_for_an_older_kibana(rule: Rule) -> None:
    assert "NOW()" not in rule.query
    assert "//" not in rule.query
    assert query(rule, (8, 17)).replace("NOW()", NOW) == rule.query


def test_each_rule_of_the_configuration_has_a_definition() -> None:
    assert tuple(rule.key for rule in every_rule(Config())) == RULES


@pytest.mark.parametrize(
    ("query", "columns", "older", "newer"),
    [
        ("FROM x | STATS n = COUNT(*) BY a, b", ["n", "a", "b"], ["a", "b"], ["a", "b"]),
        ("FROM x | STATS n = COUNT(*) BY a, b = TRIM(c)", ["n", "a", "b"], ["a"], ["a", "b"]),
        ("FROM x | STATS n = COUNT(*) BY b = TRIM(c)", ["n", "b"], ["n", "b"], ["b"]),
        ("FROM x | STATS n = COUNT(*) BY `a b`", ["n", "a b"], ["a b"], ["a b"]),
        ("FROM x | stats n = count(*) by TRIM(c)", ["n", "TRIM(c)"], ["n", "TRIM(c)"], ["TRIM(c)"]),
        ("FROM x | STATS n = COUNT(*) BY a | RENAME a AS z", ["n", "z"], ["z"], ["z"]),
        ("FROM x | STATS n = COUNT(*) BY a, b | DROP b", ["n", "a"], ["a"], ["a"]),
        ("FROM x | STATS n = COUNT(*) BY a | STATS m = MAX(n)", ["m"], ["m"], ["m"]),
        ("FROM x | STATS n = SUM(m) BY a | INLINE STATS t = SUM(n) BY b", ["n", "a", "b"], ["a"], ["b"]),
        ('FROM x | WHERE t == "| STATS q BY r" | STATS n = COUNT(*) BY a', ["n", "a"], ["a"], ["a"]),
        ('FROM x | WHERE t == "team\\\\" | STATS n = COUNT(*) BY a', ["n", "a"], ["a"], ["a"]),
        ("FROM x METADATA _id | KEEP _id, a", ["_id", "a"], ["_id"], ["_id"]),
        ("FROM x | KEEP a, b", ["a", "b"], ["a", "b"], ["a", "b"]),
    ],
)
def test_kibana_reads_an_alerts_id_from_the_last_stats(
    query: str, columns: list[str], older: list[str], newer: list[str]
) -> None:
    assert [id_columns(query, columns, form) for form in FORMS] == [older, newer]


def test_rows_with_one_id_are_one_alert_and_a_row_without_an_id_is_none() -> None:
    rule = replace(every_rule(CONFIG)[0], identity=("a", "b"))
    values = [(1, "x", None), (2, "x", None), (3, None, None), (4, "x", "y")]
    found = alerts(rule, [dict(zip("nab", value, strict=True)) for value in values])
    assert [(alert.id, alert.row["n"]) for alert in found] == [("x", 1), ("x,y", 4)]


def test_a_turn_tells_new_ongoing_and_recovered() -> None:
    found = [Alert("new", {}), Alert("old", {})]
    change = turn(["old", "gone"], Judged(found))
    assert [alert.id for alert in change.new] == ["new"]
    assert [alert.id for alert in change.ongoing] == ["old"]
    assert change.recovered == ["gone"]


def test_no_alert_ends_by_a_run_that_returns_only_a_part_of_the_alerts() -> None:
    rule = replace(every_rule(CONFIG)[0], identity=("a",))
    rows: list[dict[str, object]] = [{"a": f"alert {number}"} for number in range(MOST_ALERTS - 1)]
    found = judge(rule, [*rows, {"a": None}])
    change = turn(["alert 7", "beyond"], found)
    assert (change.is_cut, change.recovered, len(change.new)) == (True, [], MOST_ALERTS - 2)
    change = turn(["alert 7", "beyond"], judge(rule, rows))
    assert (change.is_cut, change.recovered) == (False, ["beyond"])


def test_thresholds_schedules_and_the_choice_of_rules_come_from_the_configuration() -> None:
    chosen = AlertSettings.model_validate(
        {"rules": "token_spike, daily_cost", "hourly_tokens": 12_345, "schedules": {"token_spike": "5m"}}
    )
    spike, cost = sorted(rules(Config(alerts=chosen)), key=lambda rule: rule.key, reverse=True)
    assert (spike.key, cost.key) == ("token_spike", "daily_cost")
    assert "WHERE tokens > 12345" in spike.query
    assert spike.schedule.total_seconds() == 300


@pytest.mark.parametrize(
    ("section", "interval", "key", "hours"),
    [
        ("inventory", 6, "key_expires", 26 + 5),
        ("inventory", 6, "key_unused", 26 + 5),
        ("inventory", 6, "workspace_without_limit", 26 + 5),
        ("telemetry", 1, "telemetry_destination", 1.75),
        ("rate_limits", 1, "rpm_headroom", 1.5),
        ("usage", 1, "rate_limit_headroom", 0.75 + 55 / 60),
        ("usage", 6, "token_spike", 5 + 6 - 5 / 60),
    ],
)
def test_a_window_that_holds_little_more_than_one_poll_grows_with_the_interval(
    section: str, interval: int, key: str, hours: float
) -> None:
    usual, rare = (
        {rule.key: rule.window for rule in every_rule(Config.model_validate(settings))}
        for settings in ({}, {section: {"interval": f"{interval}h"}})
    )
    assert rare[key] == timedelta(hours=hours)
    assert usual[key] < rare[key]
    often = Config.model_validate({section: {"interval": "1m"}})
    assert {rule.key: rule.window for rule in every_rule(often)} == usual


@pytest.mark.parametrize(
    ("settings", "ago"),
    [
        ({}, "1 day"),
        ({"workspace_interval": "2d"}, "96 hours"),
        ({"interval": "1h"}, "50 hours"),
        ({"interval": "1d", "workspace_interval": "1d"}, "1200 hours"),
    ],
)
def test_a_workspace_with_a_limit_is_not_new_between_two_reads_of_its_limits(
    settings: dict[str, str], ago: str
) -> None:
    """Two rounds over five hundred workspaces: a limit that was read in one of them still counts."""
    config = Config.model_validate({"rate_limits": settings})
    (rule,) = (rule for rule in every_rule(config) if rule.key == "new_workspace")
    assert f"own = CASE(@timestamp > {NOW} - {ago}, " in rule.query


def test_silence_of_the_stream_of_people_is_told_where_it_is_collected() -> None:
    people = Config.model_validate({"people": {"enabled": True, "salt": "a salt of many characters"}})
    with_people, without = (
        {str(row["stream"]) for rule in every_rule(config) for row in rule.unwritten}
        for config in (people, Config())
    )
    assert with_people - without == {"metrics-anthropic_metrics.people-default"}


def test_no_number_of_braces_in_a_name_begins_a_mustache() -> None:
    assert [no_mustache(name) for name in ("a{b}", "{{x}}", "{{{x}}}")] == ["a{b}", "{ {x}}", "{ { {x}}}"]


def test_a_budget_of_the_organization_takes_the_place_of_the_monthly_limit() -> None:
    keys = {rule.key for rule in rules(CONFIG)}
    assert "monthly_budget" not in keys
    assert "budget organization" in keys


def test_where_spend_is_not_kept_its_rules_are_off_and_the_month_counts_the_bill() -> None:
    config = Config.model_validate({"spend": {"enabled": False}})
    assert {rule.key for rule, _ in left_out(config)} == {
        "spend_spike",
        "daily_spend",
        "key_begins_to_spend",
        "unpriced_model",
        "estimate_drift",
    }
    for each, dataset in ((config, "cost"), (Config(), "spend")):
        (month,) = [rule for rule in rules(each) if rule.key == "monthly_budget"]
        assert f"SUM(anthropic.{dataset}.amount_usd)" in month.query
        assert month.reads == (f"anthropic_metrics.{dataset}",)


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
        ("alerts: {webhooks: ['https://a.example/', 'https://h:abc/secretive']}", "entry 2 cannot be read"),
        ("alerts: {slack_webhooks: ['https://[::1/secretive']}", "entry 1 cannot be read as a URL"),
        ("alerts: {slack_webhooks: ['https:///secretive']}", "entry 1 cannot be read as a URL"),
        ("alerts: {slack_webhooks: ['https://h:0/secretive']}", "entry 1 cannot be read as a URL"),
        ("alerts: {emails: [%s]}" % ("a" * 513), "at most 100 addresses of at most 512"),
        ("alerts: {dominance_percent: 100}", "alerts.dominance_percent: must be 99 or less"),
        ("alerts: {hourly_tokens: 0}", "alerts.hourly_tokens: must be 1 or more"),
        ("alerts: {headroom_percent: 0}", "alerts.headroom_percent: must be 1 or more"),
        ("alerts: {cache_hit_percent: 0}", "alerts.cache_hit_percent: must be 1 or more"),
        ("alerts: {schedules: {dayly_cost: 1h}}", "alerts.schedules: dayly_cost: no such rule"),
        ("budgets: {workspaces: {Production: }}", "Production: must be an amount"),
        ("budgets: {workspaces: {Production: 0.001}}", "Production: must be at least a cent"),
        ("budgets: {workspaces: {'': 5}}", "a budget without a name"),
        ("budgets: {workspaces: {%s: 5}}" % ("n" * 257), "names may have at most 256 characters"),
        ("alerts: {daily_cost_usd: -3}", "alerts.daily_cost_usd: must be at least a cent"),
        ("budgets: {workspaces: {Production: much}}", "must be an amount in US dollars"),
        ("budgets: {tags: {research: 300}}", "must be written tag=value"),
        ("budgets: {organization_usd: 0}", "budgets.organization_usd: must be at least a cent"),
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
    found = {budget.name: (budget.scope, budget.whose, int(budget.amount)) for budget in config.budgets}
    assert found == {
        "workspace My Space": ("workspace", "My Space", 500),
        "workspace Other.One": ("workspace", "Other.One", 2),
        "tag team=a": ("tag", "team=a", 3),
    }
    assert [each.get_secret_value() for each in config.alerts.webhooks] == [hook]


def test_alerts_evaluate_says_which_rule_may_have_more_alerts_than_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, cut = every_rule(CONFIG)[:2]
    found = (Alert("2026-11-20", {"day": "2026-11-20", "usd": 60}),)
    verdicts = [Verdict(whole, "fires", found), Verdict(cut, "fires", found, is_cut=True)]
    monkeypatch.setattr("anthropic_metrics.cli.alerts.judge", lambda *_: iter(verdicts))
    there = {"ELASTICSEARCH_URL": "http://localhost:1"}
    shown = CliRunner().invoke(app, ["alerts", "evaluate"], env=there)
    assert f"{cut.key}: one evaluation reads 1,000 rows; there may be more alerts." in shown.stdout
    assert f"{whole.key}: one" not in shown.stdout

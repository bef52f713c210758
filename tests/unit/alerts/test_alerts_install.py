"""Rules in Kibana: created, updated, kept and removed over real HTTP, by what each version takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from anthropic_metrics.alerts.bodies import create_body, rule_id
from anthropic_metrics.alerts.catalog import every_rule, rules
from anthropic_metrics.alerts.files import exported
from anthropic_metrics.alerts.install import apply, plan_install, plan_uninstall
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.cli import app
from anthropic_metrics.config import AlertSettings, Config, RateLimitSettings
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.errors import AuthError, MetricsError
from anthropic_metrics.kibana.client import KibanaClient
from tests.harness.alerts_kibana import configured, install, quiet
from tests.servers.kibana_rules import KEY, KibanaRules, Refused, check_create, kibana_rules

ROOT = Path(__file__).parents[3]
VERSIONS = [(8, 17, 0), (8, 18, 1), (8, 19, 5), (9, 0, 2), (9, 1, 0), (9, 2, 1), (9, 4, 0), (9, 5, 1)]
BUDGETS = old_budgets(organization_usd=900.0, workspaces={"Production": 500.0}, tags={"team=research": 300.0})


def loud(rule: Rule) -> tuple[int, str]:
    """Two rules would begin with alerts."""
    return (17, "would begin with 17 alerts") if rule.key in ("daily_cost", "token_spike") else (0, "")


def enabled(kibana: KibanaRules, key: str) -> bool:
    (rule,) = (rule for rule in every_rule(Config()) if rule.key == key)
    return bool(kibana.rules[rule_id(rule, "default")]["enabled"])


def test_a_rule_that_would_fire_at_once_by_default_waits_disabled_until_its_threshold_is_set() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        config = configured(kibana)
        with KibanaClient(config.kibana) as client:
            changes = plan_install(client, config, loud)
            apply(client, changes)
        said = {change.name: change.detail for change in changes if change.detail}
        assert set(said.values()) == {"disabled: would begin with 17 alerts"}
        assert len(said) == 2
        assert not enabled(kibana, "daily_cost")
        assert not enabled(kibana, "token_spike")
        assert enabled(kibana, "workspace_daily_cost")
        assert set(install(config)) == {"unchanged"}  # a quiet moment enables nothing
        decided = configured(kibana, alerts=AlertSettings(daily_cost_usd=4900.0))
        assert sorted(set(install(decided, loud))) == ["unchanged", "update"]
        assert enabled(kibana, "daily_cost")
        assert not enabled(kibana, "token_spike")
        assert set(install(decided, loud)) == {"unchanged"}


def test_a_waiting_rule_that_a_user_enabled_stays_enabled_and_is_the_users_from_then_on() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        config = configured(kibana)
        install(config, loud)
        (rule,) = (rule for rule in every_rule(Config()) if rule.key == "daily_cost")
        held = kibana.rules[rule_id(rule, "default")]
        held["enabled"] = True
        assert install(config, loud).count("update") == 1
        assert enabled(kibana, "daily_cost")
        kibana.rules[rule_id(rule, "default")]["enabled"] = False
        decided = configured(kibana, alerts=AlertSettings(daily_cost_usd=4900.0))
        install(decided)
        assert not enabled(kibana, "daily_cost")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_every_rule_installs_into_every_version_once_and_a_second_time_changes_nothing(
    version: tuple[int, ...],
) -> None:
    with kibana_rules(version) as kibana:
        config = configured(kibana, budgets=BUDGETS, alerts=AlertSettings(connectors=("log", "chat")))
        assert install(config) == ["create"] * len(rules(config))
        assert len(kibana.rules) == len(rules(config)) == len(every_rule(config)) - 1  # budget for month
        kibana.requests.clear()
        assert set(install(config)) == {"unchanged"}
        assert {method for method, _ in kibana.requests} == {"GET"}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_the_exported_files_are_valid_for_their_version(version: tuple[int, ...]) -> None:
    for name, text in exported(Config(budgets=BUDGETS), version).items():
        if name.endswith(".json"):
            check_create(json.loads(text), version)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_the_files_of_the_repository_are_valid_and_those_in_older_everywhere(
    version: tuple[int, ...],
) -> None:
    assert len(list((ROOT / "alert_rules").glob("*.json"))) == len(every_rule(Config()))
    for path in (ROOT / "alert_rules/older").glob("*.json"):
        check_create(json.loads(path.read_text("utf-8")), version)
    for path in (ROOT / "alert_rules").glob("*.json"):
        if version >= (9, 2):
            check_create(json.loads(path.read_text("utf-8")), version)


def test_a_row_is_an_alert_of_its_own_where_kibana_can() -> None:
    def grouping(version: tuple[int, ...]) -> str:
        return str(create_body(rules(Config())[0], "default", version)["params"]["groupBy"])

    assert {version: grouping(version) for version in VERSIONS} == {
        version: "row" if version[:2] in ((8, 19), (9, 1), (9, 2), (9, 4), (9, 5)) else "all"
        for version in VERSIONS
    }


def test_what_a_user_changed_in_kibana_is_kept_until_told_otherwise() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        config = configured(kibana)
        install(config)
        identity = rule_id(rules(config)[0], "default")
        held = kibana.rules[identity]
        held["params"]["esqlQuery"]["esql"] = held["params"]["esqlQuery"]["esql"].replace("> 50", "> 75")
        assert sorted(install(config))[0] == "keep"
        assert "> 75" in kibana.rules[identity]["params"]["esqlQuery"]["esql"]
        assert sorted(install(config, overwrite=True))[-1] == "update"
        assert "> 50" in kibana.rules[identity]["params"]["esqlQuery"]["esql"]


def test_a_new_threshold_updates_the_rule_and_leaves_it_disabled_if_the_user_disabled_it() -> None:
    with kibana_rules((8, 19, 0)) as kibana:
        install(configured(kibana))
        identity = rule_id(rules(Config())[0], "default")
        kibana.rules[identity]["enabled"] = False
        changed = configured(kibana, alerts=AlertSettings(daily_cost_usd=75.0))
        assert sorted(set(install(changed))) == ["unchanged", "update"]
        assert "> 75" in kibana.rules[identity]["params"]["esqlQuery"]["esql"]
        assert kibana.rules[identity]["enabled"] is False


def test_a_rule_that_the_configuration_no_longer_has_goes_unless_a_user_changed_it() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        both = old_budgets(workspaces={"A": 1.0, "B": 2.0})
        install(configured(kibana, budgets=both))
        (of_a,) = (rule for rule in kibana.rules.values() if rule["name"].endswith("workspace A"))
        of_a["schedule"]["interval"] = "5m"
        actions = install(configured(kibana))
        assert actions.count("delete") == 1
        assert actions.count("keep") == 1
        assert of_a["id"] in kibana.rules


def test_uninstall_removes_the_rules_of_this_namespace_and_no_others() -> None:
    with kibana_rules((9, 4, 0), space="ops") as kibana:
        config = configured(kibana)
        install(config)
        install(configured(kibana, namespace="staging"))
        kibana.rules["f" * 8 + "-ffff-4fff-8fff-" + "f" * 12] = {
            "id": "x",
            "name": "theirs",
            "tags": ["anthropic"],
        }
        with KibanaClient(config.kibana) as client:
            apply(client, plan_uninstall(client, config))
        left = [rule["name"] for rule in kibana.rules.values()]
        assert len(left) == len(rules(config)) + 1
        assert "theirs" in left


def test_a_rule_that_somebody_creates_or_deletes_meanwhile_is_no_failure() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        config = configured(kibana)
        with KibanaClient(config.kibana) as client:
            first = plan_install(client, config, quiet)
            apply(client, first)
            apply(client, first)  # every create is answered 409 now
            assert {method for method, _ in kibana.requests[-2:]} == {"POST", "PUT"}
            gone = plan_uninstall(client, config)
            apply(client, gone)
            apply(client, gone)  # every delete is answered 404 now
        assert kibana.rules == {}


def test_a_refused_key_an_old_kibana_and_a_refused_body_say_what_to_do() -> None:
    with kibana_rules((8, 16, 0)) as kibana:
        with pytest.raises(MetricsError, match=r"too old.*8\.17"):
            install(configured(kibana))
        wrong = configured(kibana).kibana.model_copy(update={"api_key": SecretStr("d3Jvbmc6a2V5")})
        with pytest.raises(AuthError, match=r"kibana\.api_key"):
            install(Config(kibana=wrong))
    with kibana_rules((9, 4, 0)) as kibana:

        def forbid(method: str, path: str) -> None:
            if method == "POST":
                raise Refused(403, 'Unauthorized by "stackAlerts" to create ".es-query" rule')

        kibana.before = forbid
        with pytest.raises(AuthError, match="Stack Rules"):
            install(configured(kibana))


def test_the_commands_install_print_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    with kibana_rules((9, 4, 0)) as kibana:
        monkeypatch.setenv("KIBANA_URL", kibana.url)
        monkeypatch.setenv("KIBANA_API_KEY", KEY)
        dry = runner.invoke(app, ["alerts", "install", "--dry-run"], catch_exceptions=False)
        requests = [json.loads(line) for line in dry.stdout.splitlines()]
        assert [each["method"] for each in requests] == ["POST"] * len(rules(Config()))
        assert kibana.rules == {}
        installed = runner.invoke(app, ["alerts", "install"], catch_exceptions=False)
        assert installed.exit_code == 0
        assert installed.stdout.count("create") == len(kibana.rules) == len(requests)
        removed = runner.invoke(app, ["alerts", "uninstall"], catch_exceptions=False)
        assert removed.stdout.count("delete") == len(requests)
        assert kibana.rules == {}
    written = runner.invoke(app, ["alerts", "export", "out", "--kibana", "8.19"], catch_exceptions=False)
    assert written.exit_code == 0
    assert len(list((tmp_path / "out").glob("*.json"))) == len(requests)
    templates = [json.loads(line) for line in (tmp_path / "out/templates.ndjson").read_text().splitlines()]
    assert {each["type"] for each in templates} == {"alerting_rule_template"}
    assert len({each["id"] for each in templates}) == len(requests)
    assert all(
        each["attributes"].keys() == {"name", "tags", "ruleTypeId", "schedule", "params", "alertDelay"}
        for each in templates
    )


def test_install_and_export_say_which_chosen_rules_are_off_for_want_of_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = RateLimitSettings(enabled=False)
    with kibana_rules((9, 4, 0)) as kibana:
        config = configured(kibana, rate_limits=limits)
        with KibanaClient(config.kibana) as client:
            changes = plan_install(client, config, quiet)
            apply(client, changes)
        off = {change.name: change.detail for change in changes if change.action == "off"}
        assert len(kibana.rules) == len(every_rule(config)) - len(off)
    assert set(off.values()) == {"rate_limits.enabled is false"}
    assert len(off) == 4
    monkeypatch.setenv("ANTHROPIC_METRICS_RATE_LIMITS__ENABLED", "false")
    written = CliRunner().invoke(app, ["alerts", "export", str(tmp_path)], catch_exceptions=False)
    assert "new_workspace is off and left out: rate_limits.enabled is false." in written.stderr
    assert not (tmp_path / "new_workspace.json").exists()

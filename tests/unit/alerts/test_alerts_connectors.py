"""What a rule of Kibana's tells through which connector."""

from __future__ import annotations

import re

import pytest

from anthropic_metrics.alerts.actions import rule_actions
from anthropic_metrics.alerts.bodies import rule_id
from anthropic_metrics.alerts.catalog import every_rule, rules
from anthropic_metrics.config import AlertSettings, Config
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.errors import ConfigError
from tests.harness.alerts_kibana import configured, install
from tests.servers.kibana_actions import problems, rendered
from tests.servers.kibana_ids import ALL_ROWS
from tests.servers.kibana_rules import CONNECTORS, kibana_rules


def test_connectors_get_an_action_for_the_alert_and_one_for_its_end() -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        alerts = AlertSettings(connectors=("log", "mail"), emails=("ops@example.com",))
        install(configured(kibana, alerts=alerts))
        actions = kibana.rules[rule_id(rules(Config())[0], "default")]["actions"]
    assert [(each["id"], each["group"]) for each in actions] == [
        ("log", "query matched"),
        ("log", "recovered"),
        ("mail", "query matched"),
        ("mail", "recovered"),
    ]
    assert actions[0]["params"]["message"].startswith("{{rule.name}}: {{#context.hits}}{{_source.day}} cost")
    assert actions[2]["params"]["to"] == ["ops@example.com"]


LONG = old_budgets(workspaces={"w" * 256: 500.0}, tags={"t=" + "g" * 254: 300.0})


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize("grouping", ["row", "all"])
def test_every_connector_takes_the_message_of_every_rule_with_one_row_and_with_a_hundred(
    rows: int, grouping: str
) -> None:
    settings = AlertSettings(emails=("ops@example.com",))
    kinds = {name: kind for name, kind in CONNECTORS.items() if kind != ".jira"}
    for rule in every_rule(Config(budgets=LONG, namespace="n" * 100)):
        hit = {
            name: f"<{name}> " + "x" * 64 for name in re.findall(r"\w+", f"{rule.subject} {rule.identity}")
        }
        identity = ",".join("i" * 50 for _ in rule.identity) if grouping == "row" else ALL_ROWS
        variables = {
            "rule": {"id": rule_id(rule, "n" * 100), "name": rule.name},
            "alert": {"id": identity},
            "date": "2026-11-20T15:00:00.000Z",
            "context": {"hits": [{"_source": hit}] * rows, "link": "/app/discover#/" + "q" * 2000},
        }
        for action in rule_actions(rule, kinds, settings):
            params = rendered(action["params"], variables)
            assert problems(kinds[action["id"]], params) == [], (rule.key, action["id"])


def test_the_sentence_and_the_link_of_a_page_are_in_its_details() -> None:
    (rule, *_) = every_rule(Config())
    fired, over = rule_actions(rule, {"pager": ".pagerduty"}, AlertSettings())
    assert fired["params"]["summary"] == "{{rule.name}} ({{alert.id}})"
    assert "{{_source.cost_usd}}" in fired["params"]["customDetails"]["message"]
    assert fired["params"]["customDetails"]["link"] == "{{context.link}}"
    assert over["params"].keys() == {"eventAction", "dedupKey"}
    assert over["params"]["dedupKey"] == fired["params"]["dedupKey"]


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        (AlertSettings(connectors=("nowhere",)), "no connector nowhere"),
        (AlertSettings(connectors=("mail",)), "no recipient"),
        (AlertSettings(connectors=("desk",)), "type .jira"),
    ],
)
def test_a_connector_that_cannot_be_used_is_a_configuration_error_before_anything_is_written(
    alerts: AlertSettings, words: str
) -> None:
    with kibana_rules((9, 4, 0)) as kibana:
        with pytest.raises(ConfigError, match=words):
            install(configured(kibana, alerts=alerts))
        assert kibana.rules == {}

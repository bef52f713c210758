"""Alerts of a rule that left the configuration end, with the reason, unless another agent has the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.harness.alerts_office import HOUR, Office, office

__all__ = ["office"]

TURN = timedelta(minutes=15)
GONE = "the rule is off: not in alerts.rules"


def without_the_rule(office: Office) -> Office:
    alerts = office.config.alerts.model_copy(update={"rules": ("daily_cost",)})
    return replace(office, config=office.config.model_copy(update={"alerts": alerts}))


def test_an_alert_whose_rule_left_the_configuration_ends_at_the_next_evaluation_with_the_reason(
    office: Office,
) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.evaluate()
    other = without_the_rule(office)
    tally = other.evaluate()
    assert (tally.done, tally.replaced, tally.open_alerts) == (True, 1, 0)
    (alert,) = office.alerts()
    assert (alert["status"], alert["reason"]) == ("recovered", GONE)
    fired, recovered = office.texts()
    assert recovered == f"{fired.replace('Alert', 'Recovered', 1)} ({GONE})"
    other.clock.advance(TURN)
    assert other.evaluate().replaced == 0
    assert office.texts() == []


def test_many_alerts_of_such_rules_are_one_summary(office: Office) -> None:
    for number in range(3):
        office.use(f"claude-{number}", 900_000)
    office.evaluate()
    office.texts()
    without_the_rule(office).evaluate()
    (text,) = office.texts()
    name = "[Anthropic] Token consumption spike"
    assert text.splitlines()[:2] == [
        "3 alerts are over after a change of the configuration of 1 rule:",
        f"- {name} (token_spike): 3 over ({GONE})",
    ]


def test_an_agent_leaves_alerts_alone_whose_rule_an_agent_of_another_key_has(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    mine, others = without_the_rule(office).watch(owner="mine"), office.watch(owner="others")
    for _ in range(2):
        office.evaluate(mine)
        assert office.evaluate(others).open_alerts == 1
        office.clock.advance(TURN)
    assert office.evaluate(mine).open_alerts == 1
    office.clock.advance(72 * HOUR)
    assert office.evaluate(mine).open_alerts == 0, "the other agent has gone"


def test_an_agent_that_has_just_begun_to_list_rules_leaves_alerts_alone_of_agents_that_list_none_yet(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two agents that are upgraded one after the other, the second one has no list until it is."""
    office.use("claude-haiku-5-5", 900_000)
    mine, old = without_the_rule(office).watch(owner="mine"), office.watch(owner="old")
    monkeypatch.setattr(old, "_end_departed", lambda *_: None)
    office.evaluate(mine)
    office.evaluate(old)
    office.clock.advance(TURN)
    assert office.evaluate(mine).open_alerts == 1
    office.clock.advance(72 * HOUR)
    assert office.evaluate(mine).open_alerts == 0

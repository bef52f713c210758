"""What a rule's first evaluation finds open is one message for each webhook; later changes come singly."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anthropic_metrics.alerts.claims import LEASE
from tests.harness.alerts_office import HOUR, Office, office

__all__ = ["office"]

MODELS = tuple(f"claude-{number}" for number in range(3))
TURN = timedelta(minutes=15)
OVER = timedelta(hours=6)
OPEN = "3 alerts are open after the first evaluation of 1 rule:"


@pytest.fixture
def busy(office: Office) -> Office:
    """An office with three alerts, none of them told yet."""
    for model in MODELS:
        office.use(model, 900_000)
    return office


def test_what_is_open_at_the_first_evaluation_is_one_summary_that_names_rules_counts_and_commands(
    busy: Office,
) -> None:
    tally = busy.evaluate()
    assert (tally.created, tally.open_alerts) == (3, 3)
    assert [path for path, _ in busy.inbox.taken].count("/json") == 1
    (body,) = (body for path, body in busy.inbox.taken if path == "/json")
    name = "[Anthropic] Token consumption spike"
    assert body["rules"] == [{"rule": "token_spike", "name": name, "open": 3, "over": 0}]
    (text,) = busy.texts()
    assert text.splitlines()[:2] == [OPEN, f"- {name} (token_spike): 3 open"]
    assert "`anthropic-metrics alerts evaluate`" in text
    assert "`anthropic-metrics alerts suggest`" in text
    assert [alert["status"] for alert in busy.alerts()] == ["active"] * 3
    assert not any("pending" in alert for alert in busy.alerts())


def test_after_the_summary_a_new_alert_and_each_end_are_told_one_by_one_over_restarts(busy: Office) -> None:
    for _ in range(2):
        busy.evaluate()
        busy.clock.advance(TURN)
    assert len(busy.texts()) == 1
    busy.use("claude-new", 900_000)
    busy.use("claude-newer", 900_000)
    busy.evaluate()
    assert [text.partition(":")[0] for text in busy.texts()] == ["Alert", "Alert"]
    busy.clock.advance(OVER)
    assert busy.evaluate().open_alerts == 0
    assert [text.partition(":")[0] for text in busy.texts()] == ["Recovered"] * 5


def test_a_summary_is_repeated_until_it_is_taken_by_that_webhook_alone_and_then_no_more(busy: Office) -> None:
    busy.inbox.answers = [500, 500, 500]  # every try of one webhook
    assert not busy.evaluate().done
    (first,) = {path for path, _ in busy.inbox.taken}
    for _ in range(3):
        busy.inbox.answers = [404]
        busy.clock.advance(HOUR)
        assert not busy.evaluate().done
    assert len(busy.inbox.taken) == 1
    for _ in range(2):
        assert busy.evaluate().done
    (_, body), (path, repeated) = busy.inbox.taken
    assert path != first
    assert OPEN in body["text"]
    assert OPEN in repeated["text"]


def test_a_summary_that_nobody_took_for_days_is_still_posted_and_says_what_is_over(busy: Office) -> None:
    busy.inbox.answers = [404, 404]
    busy.evaluate()
    busy.clock.advance(3 * timedelta(days=1))
    busy.use("claude-0", 900_000, busy.clock.now() - HOUR)
    assert busy.evaluate().done
    summary, single = busy.texts()
    assert summary.startswith("3 alerts are over after the first evaluation of 1 rule:")
    assert single.startswith("Alert: ")
    assert busy.evaluate().open_alerts == 1
    assert busy.texts() == []


def test_what_an_agent_killed_at_its_first_evaluation_owed_is_one_summary_of_another_after_its_claim(
    busy: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.die_before_posting(monkeypatch)
    assert busy.evaluate().done
    assert busy.texts() == []
    busy.clock.advance(LEASE)
    assert busy.evaluate().done
    assert [text.splitlines()[0] for text in busy.texts()] == [OPEN]


def test_other_thresholds_are_one_summary_of_what_they_open_and_end(busy: Office) -> None:
    busy.use("claude-huge", 5_000_000)
    busy.evaluate()
    busy.texts()
    alerts = busy.config.alerts.model_copy(update={"hourly_tokens": 1_000_000})
    busy.config = busy.config.model_copy(update={"alerts": alerts})
    for _ in range(2):
        busy.clock.advance(TURN)
        busy.evaluate()
    (text,) = busy.texts()
    assert text.startswith("3 alerts are over after the first evaluation of 1 rule:")


def test_while_the_streams_are_being_filled_each_evaluation_counts_as_the_first(office: Office) -> None:
    filling = office.watch(is_settled=False)
    for turn in range(2):
        for number in range(2):
            office.use(f"claude-{turn}-{number}", 900_000)
        office.evaluate(filling)
        office.clock.advance(TURN)
        assert len(office.texts()) == 1
    office.evaluate(office.watch())
    for model in MODELS:
        office.use(model, 900_000)
    office.clock.advance(TURN)
    office.evaluate()
    assert len(office.texts()) == 3

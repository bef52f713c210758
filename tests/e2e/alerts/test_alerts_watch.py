"""The agent as its own alerting: each alert and each end is posted once, whoever runs, stops or refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.claims import LEASE
from anthropic_metrics.alerts.execute import judged, run
from anthropic_metrics.alerts.state import AlertState
from anthropic_metrics.alerts.webhooks import webhooks
from anthropic_metrics.config import (
    AlertSettings,
    CostSettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.errors import NoData
from anthropic_metrics.kernel.ranges import iso
from tests.harness.alerts_office import ELEVEN, HOUR, NOW, Office, office
from tests.harness.world import attempt, world
from tests.servers.webhook import webhook

__all__ = ["office"]


def test_an_alert_is_posted_once_and_its_end_once_over_restarts(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    for _ in range(3):
        assert office.evaluate().done
        office.clock.advance(HOUR)
    office.clock.advance(3 * HOUR)
    for _ in range(2):
        assert office.evaluate().done
    name = "[Anthropic] Token consumption spike"
    words = "claude-haiku-5-5 used 900,000 tokens in the hour from 2026-11-18T11:00Z"
    assert office.inbox.texts("/slack") == [f"Alert: {name}: {words}", f"Recovered: {name}: {words}"]
    (fired, recovered) = [body for path, body in office.inbox.taken if path == "/json"]
    assert (fired["event"], fired["rule"], fired["alert"]) == (
        "fired",
        "token_spike",
        "2026-11-18T11:00Z,claude-haiku-5-5",
    )
    assert fired["row"] == {"tokens": 900_000, "hour": "2026-11-18T11:00Z", "model": "claude-haiku-5-5"}
    assert (recovered["event"], recovered["at"]) == ("recovered", iso(NOW + 6 * HOUR))


def test_two_agents_at_the_same_instant_post_once(office: Office) -> None:
    for number in range(5):
        office.use(f"claude-{number}", 900_000)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            watches = [office.watch() for _ in range(4)]
            assert all(tally.done for tally in pool.map(office.evaluate, watches))
            office.clock.advance(3 * HOUR)
    texts = office.inbox.texts("/slack")
    assert [text.partition(":")[0] for text in texts[1:]] == ["Recovered"] * 5
    assert texts[0].startswith("5 alerts are open after the first evaluation of 1 rule:")
    assert len(set(texts)) == len(office.inbox.texts("/json")) == 6
    assert len(office.alerts()) == 5
    assert {alert["status"] for alert in office.alerts()} == {"recovered"}


def test_an_agent_that_looked_before_another_saw_the_end_does_not_begin_it_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.evaluate()
    slow, fast = office.watch(), office.watch()
    seen = judged(office.es, slow._rules[0], office.clock.now())
    office.clock.advance(6 * HOUR)
    office.evaluate(fast)
    office.clock.advance(-timedelta(seconds=2))
    with monkeypatch.context() as patch:
        patch.setattr("anthropic_metrics.alerts.watch.judged", lambda *_: seen)
        office.evaluate(slow)
    assert [alert["status"] for alert in office.alerts()] == ["recovered"]
    assert len(office.inbox.texts("/slack")) == 2


def test_of_two_agents_that_know_the_same_only_one_fires(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    (rule,) = office.watch()._rules
    (alert,) = run(office.es, rule, NOW)
    states = [AlertState(office.es, office.config.namespace, name) for name in ("one", "two")]
    known = [state.of_rule(rule, [alert.id]) for state in states]
    fired = []
    for state, what in zip(states, known, strict=True):
        fired.append(state.fire(rule, alert, what.episodes(alert.id), NOW, []))
        state.refresh()
    assert fired == [True, False]


def test_a_webhook_that_refuses_gets_it_later_and_the_other_one_only_once(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.inbox.answers = [500, 500, 500]  # every try of the first webhook
    tally = office.evaluate()
    assert not tally.done
    assert "500" in tally.failures[0]
    assert office.inbox.url not in str(tally.failures)
    assert [path for path, _ in office.inbox.taken] == ["/slack"]
    assert office.evaluate().done
    assert [path for path, _ in office.inbox.taken] == ["/slack", "/json"]
    assert "pending" not in office.alerts()[0]


def test_a_short_refusal_is_retried_at_once_and_a_wrong_address_is_not(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.inbox.answers = [503, 429]
    assert office.evaluate().done
    assert office.inbox.asked == 4
    office.use("claude-opus-5-5", 900_000)
    office.inbox.answers = [404, 404]
    assert len(office.evaluate().failures) == 2
    assert office.inbox.asked == 6


def test_what_an_agent_had_claimed_when_it_was_killed_is_posted_by_another_after_its_lease(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.use("claude-quiet", 1)
    office.evaluate()
    office.use("claude-haiku-5-5", 900_000)
    office.die_before_posting(monkeypatch)
    assert office.evaluate().done
    assert office.inbox.taken == []
    office.clock.advance(LEASE)
    assert office.evaluate().done
    assert len(office.inbox.taken) == 2


def test_the_same_alert_after_its_end_is_a_new_one(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    stream = f"metrics-anthropic_metrics.usage-{office.config.namespace}"
    query = {"term": {"anthropic.model": "claude-haiku-5-5"}}
    for _ in range(2):
        office.evaluate()
        for hit in office.es.search(index=stream, query=query)["hits"]["hits"]:
            office.es.delete(index=hit["_index"], id=hit["_id"], refresh=True)
        office.clock.advance(timedelta(minutes=15))
        office.evaluate()
        office.clock.advance(timedelta(minutes=15))
        office.use("claude-haiku-5-5", 900_000)
    assert len(office.inbox.texts("/slack")) == 4
    assert [alert["episode"] for alert in office.alerts()] == [0, 1]


def test_a_rule_that_fails_keeps_its_alerts_and_lets_the_others_run(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.evaluate()
    watch = office.watch()
    (rule,) = watch._rules
    watch._rules = [
        replace(rule, query=rule.query + "\n| WHERE nonsense > 1"),
        replace(rule, key="other"),
    ]
    tally = office.evaluate(watch)
    assert len(tally.failures) == 1
    assert "token_spike" in tally.failures[0]
    assert tally.created == 1
    assert [alert["status"] for alert in office.alerts()] == ["active", "active"]


def test_an_alert_does_not_end_while_its_stream_has_no_fresh_data(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.evaluate()
    office.polled = False
    for _ in range(2):
        office.clock.advance(6 * HOUR)
        assert office.evaluate().done
        assert [alert["status"] for alert in office.alerts()] == ["active"]
    office.polled = True
    office.evaluate()
    assert [alert["status"] for alert in office.alerts()] == ["recovered"]


def test_an_alert_does_not_end_with_its_stream(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.use("claude-haiku-5-5", 900_000)
    office.evaluate()

    def gone(*_: object) -> None:
        raise NoData("There is no stream.")

    monkeypatch.setattr("anthropic_metrics.alerts.watch.judged", gone)
    assert office.evaluate().done
    assert [alert["status"] for alert in office.alerts()] == ["active"]


def test_the_window_is_open_at_its_start_and_closed_at_its_end(office: Office) -> None:
    office.use("claude-haiku-5-5", 900_000)
    (rule,) = office.watch()._rules
    moments = (ELEVEN, ELEVEN + rule.window - timedelta(milliseconds=1), ELEVEN + rule.window)
    assert [len(run(office.es, rule, moment)) for moment in moments] == [1, 1, 0]


def test_a_url_never_shows(office: Office) -> None:
    secret = AlertSettings(webhooks=("https://hooks.example.com/T0/B0/topsecret",))
    assert "topsecret" not in repr(secret) + repr(webhooks(secret)) + secret.model_dump_json()


def test_the_daemon_has_the_evaluation_among_its_jobs_only_where_it_is_on(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    grains = UsageSettings(enabled=False)
    with webhook() as inbox, world(es, elasticsearch_url, namespace, now=NOW, days=3, usage=grains) as w:
        quiet = {"cost": CostSettings(), "rate_limits": RateLimitSettings(enabled=False)}
        w.config = w.config.model_copy(update=quiet)
        with w.agent() as agent:
            assert "alerts" not in {job.name for job in agent.jobs}
        alerts = AlertSettings(evaluate=True, rules=("daily_cost",), slack_webhooks=(f"{inbox.url}/slack",))
        w.config = w.config.model_copy(update={"alerts": alerts})
        with w.agent() as agent:
            attempt(agent, agent.organization.whole(agent.sink))
            es.indices.refresh(index=w.stream("cost"))
            attempt(agent, [job for job in agent.jobs if job.name == "alerts"])
            assert agent.health.as_dict()["pollers"]["alerts"]["facts"]["open_alerts"] == 3
            counted = agent.runtime.registry.get_sample_value
            assert counted("anthropic_metrics_alerts_open", {"poller": "alerts"}) == 3
        (text,) = inbox.texts("/slack")
        assert "(daily_cost): 3 open" in text
        poll = next(
            source
            for source in w.sources("agent")
            if source["anthropic"].get("poll", {}).get("poller") == "alerts"
        )
        assert poll["anthropic"]["poll"]["created"] == 3

"""Why a poll waits stands on the health page while its request is sent again."""

from __future__ import annotations

import pytest

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.places import FROZEN
from anthropic_metrics.config import Config


def test_the_reason_of_a_retry_is_its_own_pollers_until_the_request_is_answered() -> None:
    config = Config.model_validate(
        {
            "anthropic": {"admin_key": "sk-ant-admin01-health-page"},
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        }
    )
    with Agent(config) as agent:
        client, (first, second, *_) = agent.organization.client, agent.jobs
        agent.journal.begin(first)
        assert client._on_retry
        assert client._on_request

        def reasons() -> list[str]:
            pollers = agent.health.as_dict()["pollers"]
            return [pollers[job.name]["reason"] for job in (first, second)]

        client._on_request("429")
        client._on_retry("429", "The Admin API answered 429.", 20)
        assert reasons() == ["The Admin API answered 429.", ""]
        client._on_request("429")
        assert reasons() == ["The Admin API answered 429.", ""]
        client._on_request("200")
        assert reasons() == ["", ""]


def test_a_poll_that_waits_in_the_hold_of_another_has_the_reason_of_the_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Config.model_validate(
        {
            "organizations": [
                {"name": "acme", "admin_key": "sk-ant-admin01-health-acme"},
                {"name": "acme-eu", "admin_key": "sk-ant-admin01-health-acme-eu"},
            ],
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        }
    )
    with Agent(config) as agent:
        waiting, idle, *_ = [job for job in agent.jobs if job.organization == "acme"]
        foreign = next(job for job in agent.jobs if job.organization == "acme-eu")
        for job in (waiting, foreign):
            agent.runtime.health[job.organization].began(job.name)
        agent.organization.client._pacer.hold(600, "The Admin API answered 429.")
        troubles = agent.health.troubles()
        assert (
            troubles[f"acme: {waiting.name}"] == "requests to the Admin API wait: The Admin API answered 429."
        )
        assert troubles[f"acme: {idle.name}"] == "has not succeeded yet"
        assert troubles[f"acme-eu: {foreign.name}"] == "has not succeeded yet"
        agent.runtime.health["acme"].ok(waiting.name)
        page = agent.health.as_dict()["organizations"]["acme"]["pollers"]
        assert page[waiting.name]["reason"] == ""


def test_a_poll_whose_request_is_not_answered_says_for_how_long() -> None:
    config = Config.model_validate(
        {
            "anthropic": {"admin_key": "sk-ant-admin01-health-page"},
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        }
    )
    now = [0.0]
    with Agent(config, monotonic=lambda: now[0]) as agent:
        client, (waiting, idle, *_) = agent.organization.client, agent.jobs
        agent.runtime.health[""].began(waiting.name)
        with client.waiting.call():
            now[0] = FROZEN - 1
            assert agent.health.troubles()[waiting.name] == "has not succeeded yet"
            now[0] = FROZEN + 10
            troubles = agent.health.troubles()
        assert troubles[waiting.name] == "requests to the Admin API wait: no answer for 25 seconds"
        assert troubles[idle.name] == "has not succeeded yet"
        assert agent.health.troubles()[waiting.name] == "has not succeeded yet"

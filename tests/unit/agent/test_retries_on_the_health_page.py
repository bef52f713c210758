"""Why a poll waits stands on the health page while its request is sent again."""

from __future__ import annotations

from anthropic_metrics.agent.core import Agent
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
        agent._count.begin(first)
        assert client._on_retry
        assert client._on_request

        def reasons() -> list[str]:
            pollers = agent.health.as_dict()["pollers"]
            return [pollers[job.name]["reason"] for job in (first, second)]

        client._on_request("429")
        client._on_retry("429", "The Admin API answered 429.")
        assert reasons() == ["The Admin API answered 429.", ""]
        client._on_request("429")
        assert reasons() == ["The Admin API answered 429.", ""]
        client._on_request("200")
        assert reasons() == ["", ""]

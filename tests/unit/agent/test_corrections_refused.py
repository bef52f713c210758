"""A correction that the agent stream does not take is counted for the organization that it is about."""

from __future__ import annotations

from threading import Thread

import pytest
from pydantic_core import to_json

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.outcome import Outcome

AGENT = "metrics-anthropic_metrics.agent-default"


def test_a_refused_correction_counts_for_its_organization_whatever_thread_records_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Config.model_validate(
        {
            "organizations": [
                {"name": "acme", "admin_key": "sk-ant-admin01-refused-acme"},
                {"name": "acme-eu", "admin_key": "sk-ant-admin01-refused-acme-eu"},
            ],
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        }
    )
    correction = Prepared("c1", "digest", to_json({"organization": {"id": "org-2", "name": "acme-eu"}}))
    with Agent(config) as agent:
        monkeypatch.setattr(agent.runtime.store, "append", lambda *_: Outcome(refused=1))
        writer = Thread(target=agent.sink.record, args=([correction],))
        writer.start()
        writer.join()
        labels = {"stream": AGENT, "outcome": "refused"}
        value = agent.runtime.registry.get_sample_value
        total = "anthropic_metrics_documents_total"
        assert value(total, labels | {"organization": "acme-eu"}) == 1
        assert value(total, labels) is None

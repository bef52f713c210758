"""Documents of budgets in the agent stream, and what keeps budgets silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from structlog.testing import capture_logs

from anthropic_metrics.config import (
    UsageSettings,
)
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.simulator import effects, reports
from anthropic_metrics.simulator.costs import cost_rows
from tests.harness.world import World, world

NOW = datetime(2026, 10, 30, 12, tzinfo=UTC)


def test_documents_of_budgets_follow_the_configuration_and_a_past_period_keeps_its_own(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    usage = UsageSettings(enabled=False)
    with world(es, elasticsearch_url, namespace, now=NOW, days=1, usage=usage) as w:
        both: dict[str, Any] = {"organization_usd": 900, "workspaces": {"Production": 500}}
        october = [("2026-10", "organization", 900.0), ("2026-10", "workspace Production", 500.0)]
        assert _poll(w, **both) == october
        assert _poll(w, **both) == october  # a second agent, a restart
        raised = [("2026-10", "organization", 1000.0), october[1]]
        assert _poll(w, **(both | {"organization_usd": 1000})) == raised
        assert _poll(w, organization_usd=1000) == raised  # deleted at the second look only
        assert _poll(w, days=0.5, organization_usd=1000) == raised[:1]
        assert _poll(w, days=3, organization_usd=700) == [raised[0], ("2026-11", "organization", 700.0)]


def _poll(w: World, *, days: float = 0, **budgets: Any) -> list[tuple[str, str, float]]:
    """Costs are polled under these budgets, `days` later; the budgets that the stream holds after it."""
    w.clock.advance(timedelta(days=days))
    w.server.faults.add(effects.status(403), "*/spend_limits", times=None)
    with replace(w, config=w.config.model_copy(update={"budgets": old_budgets(**budgets)})).agent() as agent:
        agent.organization.only(["cost"])
        for job in agent.organization.whole(agent.sink):
            assert agent.attempt(job).failures == []
    sources = w.sources("agent")
    held = [source for source in sources if source["event"]["action"] == "budget"]
    assert not [each for each in sources if "missing_since" in each["anthropic"] and each not in held]
    return sorted(
        (
            source["@timestamp"][:7],
            source["anthropic"]["budget"]["name"],
            source["anthropic"]["budget"]["month_usd"],
        )
        for source in held
    )


def test_what_silences_budgets_is_in_log_metrics_and_agent_stream_at_every_poll(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_euro(*arguments: Any) -> list[dict[str, Any]]:
        """Half of the line items in euro, the others in dollars as a server may write them, too."""
        rows = cost_rows(*arguments)
        return [{**row, "currency": "eur" if n % 2 else "usd"} for n, row in enumerate(rows)]

    monkeypatch.setattr(reports, "cost_rows", in_euro)
    usage = UsageSettings(enabled=False)
    with world(es, elasticsearch_url, namespace, now=NOW, days=1, usage=usage) as w:
        budgets = old_budgets(workspaces={"Prodction": 500.0, "Production": 500.0})
        w.config = w.config.model_copy(update={"budgets": budgets})
        with w.agent() as agent, capture_logs() as logs:
            agent.organization.only(["cost"])
            for _ in range(2):
                for job in agent.organization.whole(agent.sink):
                    agent.attempt(job)
                w.clock.advance(timedelta(hours=1))
            value = agent.runtime.registry.get_sample_value
            jobs = ("cost", "budgets")
            assert [value("anthropic_metrics_alerts_silenced", {"poller": job}) for job in jobs] == [1, 1]
        told = [log["reason"] for log in logs if log["event"] == "alerts_silenced"]
        assert len(told) == 2
        assert "Costs in EUR" in told[0]
        assert "budgets: workspace Prodction: there is no workspace Prodction" in told[1]
        polls = [
            source["anthropic"]["poll"] for source in w.sources("agent") if "poll" in source["anthropic"]
        ]
        assert sorted(said for poll in polls for said in poll["silencing"]) == sorted([*told, *told])
        costs = [source["anthropic"]["cost"] for source in w.sources("cost")]
        assert {cost["currency"] for cost in costs if "amount_usd" in cost} == {"usd"}

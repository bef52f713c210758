"""Budgets reach the agent stream with the costs, follow the configuration and go with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.config import BudgetSettings, UsageSettings
from tests.harness.world import World, world

NOW = datetime(2026, 10, 30, 12, tzinfo=UTC)


def _poll(w: World, *, days: float = 0, **budgets: Any) -> list[tuple[str, str, float]]:
    """Costs are polled under these budgets, `days` later; the budgets that the stream holds after it."""
    w.clock.advance(timedelta(days=days))
    settings = BudgetSettings.model_validate(budgets)
    with replace(w, config=w.config.model_copy(update={"budgets": settings})).agent() as agent:
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


def test_budgets_follow_the_configuration_and_a_past_month_keeps_its_own(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    usage = UsageSettings(enabled=False)
    with world(es, elasticsearch_url, namespace, now=NOW, days=1, usage=usage) as w:
        both: dict[str, Any] = {"organization_usd": 900, "workspaces": {"Production": 500}}
        october = [("2026-10", "Production", 500.0), ("2026-10", "organization", 900.0)]
        assert _poll(w, **both) == october
        assert _poll(w, **both) == october  # a second agent, a restart
        raised = [october[0], ("2026-10", "organization", 1000.0)]
        assert _poll(w, **(both | {"organization_usd": 1000})) == raised
        assert _poll(w, organization_usd=1000) == raised  # deleted at the second look only
        assert _poll(w, days=0.5, organization_usd=1000) == raised[1:]
        assert _poll(w, days=3, organization_usd=700) == [raised[1], ("2026-11", "organization", 700.0)]

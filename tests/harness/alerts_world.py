"""The worlds that replays are played in: an organization with a past, and rules that fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.requests import REQUESTS
from anthropic_metrics.alerts.suggest import settings, suggestions
from anthropic_metrics.config import (
    AlertSettings,
    Backfill,
    Config,
    CostSettings,
    InventorySettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.config.collected import TelemetrySettings
from anthropic_metrics.config.money import SpendSettings
from tests.harness.alerts_replay import HOUR, Replay, Watched
from tests.harness.world import World, world

# Those over traces are played in a world of their own: a query reads the traces of all namespaces.
OF_TRACES = {each.key for each in REQUESTS if each.spans}


def _played(chosen: AlertSettings) -> AlertSettings:
    return chosen.model_copy(update={"rules": tuple(key for key in chosen.rules if key not in OF_TRACES)})


def ours(config: Config) -> list[Watched]:
    """Every rule that is on."""
    return [Watched(rule) for rule in rules(config)]


@contextmanager
def replay(
    es: Elasticsearch,
    url: str,
    *,
    start: datetime,
    alerts: AlertSettings | None = None,
    decided: Mapping[str, Any] | None = None,
    usage_every: timedelta | None,
    watched: Callable[[Config], list[Watched]] = ours,
    cost_every: timedelta | None = HOUR,
    limits_every: timedelta = 6 * HOUR,
    usage_days: int = 8,
    cost_days: int = 45,
    spend: bool = False,
    inventory: timedelta | None = None,
    **simulated: Any,
) -> Iterator[Replay]:
    """A world that stands at `start` with so many days of cost and of usage behind it.

    What is polled at no interval is off. Without `alerts` the thresholds are those that `alerts suggest`
    derives, but for what is `decided`.
    """
    namespace = f"t{uuid4().hex[:8]}"
    grains = UsageSettings(
        granularities=("1h",),
        interval=usage_every or HOUR,
        enabled=bool(usage_every),
        group_by=("model", "workspace_id", "service_tier", "api_key_id"),
    )
    with world(es, url, namespace, now=start, days=cost_days, usage=grains, **simulated) as w:
        w.config = w.config.model_copy(
            update={
                "alerts": _played(alerts or AlertSettings()),
                "cost": CostSettings(enabled=bool(cost_every), interval=cost_every or HOUR),
                "rate_limits": RateLimitSettings(interval=limits_every, workspace_interval=limits_every),
                "telemetry": TelemetrySettings(enabled="false"),
                "spend": SpendSettings(enabled=spend, source="allocation"),
                "inventory": InventorySettings(enabled=bool(inventory), interval=inventory or HOUR),
            }
        )
        _fill(w, "cost", "rate_limits")
        w.config = w.config.model_copy(update={"backfill": Backfill(timedelta(days=usage_days))})
        _fill(w, "usage", *(["spend"] if spend else []), *(["inventory"] if inventory else []))
        es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
        if alerts is None:
            suggested = settings(w.config, suggestions(es, w.config, start, 30))
            chosen = suggested.model_copy(update=dict(decided or {}))
            w.config = w.config.model_copy(update={"alerts": chosen})
        with w.agent() as agent:
            yield Replay(w, agent, watched(w.config))


def _fill(w: World, *pollers: str) -> None:
    with w.agent() as agent:
        agent.organization.only(list(pollers))
        for job in agent.organization.whole(agent.sink):
            assert agent.attempt(job).done

"""Every rule, played again: silent over a quiet fortnight, heard once and in time when something happens."""

from __future__ import annotations

from alerts_replay import DAY, HOUR, Watched, at, replay
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.config import AlertSettings, Config

# Above what the simulated organization spends on a busy weekday without an incident.
LIMITS = AlertSettings(
    daily_cost_usd=5000,
    monthly_budget_usd=90_000,
    workspace_daily_cost_usd=2500,
    hourly_tokens=250_000_000,
    unattributed_tokens=20_000_000,
    schedules={"no_fresh_data": HOUR},
)


def ours(config: Config) -> list[Watched]:
    return [Watched(rule) for rule in rules(config)]


def test_a_quiet_fortnight_over_a_month_of_31_days_and_two_clock_changes_is_silent(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    # Europe's clocks change on 25 October, America's on 1 November.
    with replay(
        es,
        elasticsearch_url,
        namespace,
        start=at("2026-10-20"),
        alerts=LIMITS,
        usage_every=2 * HOUR,
        cost_every=3 * HOUR,
        rules=ours,
        arrivals="usual",
        revisions="usual",
    ) as played:
        played.until(at("2026-10-20") + 14 * DAY)
        assert played.heard == []
        assert played.ticks["token_spike"] == 14 * 24 * 4
        assert played.ticks["daily_cost"] == 14 * 24

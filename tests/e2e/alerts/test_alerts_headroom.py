"""The headroom rule over the headroom stream as the agent keeps it: one minute near a limit is heard once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import every_rule
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.kernel.jobs import Kind
from tests.harness.alerts_replay import heard_by
from tests.harness.world import attempt, world

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
FABLE = "claude-fable-5-2"
STEP = timedelta(minutes=5)


def test_a_minute_near_its_limit_is_heard_once_and_ends(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    grains = UsageSettings(
        granularities=("1m",),
        group_by=("model", "workspace_id", "service_tier"),
        minute_backfill=timedelta(hours=2),
    )
    start = MIDNIGHT + timedelta(minutes=30)
    with world(es, elasticsearch_url, namespace, now=start, days=0, usage=grains, arrivals="usual") as w:
        (rule,) = [rule for rule in every_rule(w.config) if rule.key == "rate_limit_headroom"]
        (group,) = {
            each.group_id for each in w.simulation.organization().rate_limits if FABLE in (each.models or ())
        }
        burst = MIDNIGHT + timedelta(minutes=47)
        limits = {name: value for each in w.simulation.organization().rate_limits if each.group_id == group
                  for name, value in each.limits}  # fmt: skip
        tokens = {"output_tokens": int(0.9 * limits["output_tokens_per_minute"])}
        with w.agent() as agent:
            heard = []
            active: set[str] = set()
            w.simulation.edits.add_usage(burst, {"model": FABLE}, tokens)
            while (now := w.clock.now()) < MIDNIGHT + timedelta(hours=2):
                attempt(agent, [job for job in agent.jobs if job.kind is Kind.live])
                es.indices.refresh(index=w.stream("headroom"))
                if now.minute % 15 == 0:
                    active, news = heard_by(es, rule, now, active)
                    heard += [(now, *each) for each in news]
                w.clock.advance(STEP)
    mine = [each for each in heard if group in each[2] and each[2].startswith("organization")]
    assert [kind for _, kind, _ in mine] == ["new", "recovered"]
    told = burst.replace(minute=50) + STEP  # the window's end and the documented lag
    assert mine[0][0] - told <= STEP + rule.schedule
    assert mine[0][2] == f"organization,{group},output_tokens_per_minute"

"""Nothing of one organization in any alert of another."""

from __future__ import annotations

import json
from typing import Any

from anthropic_metrics.alerts.catalog import every_rule, off_because
from anthropic_metrics.alerts.execute import MOST_ALERTS
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import AlertSettings
from anthropic_metrics.elastic.query import esql
from anthropic_metrics.errors import NoData
from anthropic_metrics.kernel.ranges import iso
from tests.harness.organizations import NOW, Several

# So low that whatever a rule can count fires.
LOW = AlertSettings(
    daily_cost_usd=0.01,
    monthly_budget_usd=0.01,
    workspace_daily_cost_usd=0.01,
    hourly_tokens=1,
    cache_hit_percent=100,
    cache_floor_tokens=0,
    dominance_percent=50,
    dominance_floor_tokens=0,
    baseline_factor=1,
    baseline_floor_usd=0.01,
    headroom_percent=100,
    unattributed_tokens=0,
    key_expires_days=10_000,
    key_unused_days=1,
)

# With these rules silent, the rest would prove little.
ENOUGH = {
    "daily_cost",
    "key_unused",
    "model_dominance",
    "month_end_forecast",
    "monthly_budget",
    "rate_limit_headroom",
    "token_spike",
    "unattributed_usage",
    "workspace_daily_cost",
}


def answer(two: Several, rule: Rule, organization_id: str | None = None) -> list[dict[str, Any]]:
    """The rows of a rule, over the documents of one organization only or of all."""
    start, end = iso(NOW - rule.window), iso(NOW)
    wanted: list[dict[str, Any]] = [{"range": {"@timestamp": {"gt": start, "lte": end}}}]
    if organization_id is not None:
        wanted.append({"term": {"organization.id": organization_id}})
    columns, rows = esql(
        two.es,
        f"{rule.query}\n| LIMIT {MOST_ALERTS}",
        doing="Asking",
        filter={"bool": {"filter": wanted}},
        params={"_tend": end} if "?_tend" in rule.query else {},
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def plain(rows: list[dict[str, Any]]) -> list[str]:
    """The rows without their organization, in no order; sums of doubles depend on theirs."""
    shown = [
        {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in row.items()
            if name not in ("organization", "organization_id")
        }
        for row in rows
    ]
    return sorted(json.dumps(row, sort_keys=True) for row in shown)


def test_every_rule_says_of_each_organization_what_it_would_say_alone(two: Several) -> None:
    config = two.config.model_copy(update={"alerts": LOW})
    fired: set[str] = set()
    for name, world in two.each.items():
        alone = world.config.model_copy(update={"alerts": LOW})
        for single in every_rule(alone):
            if single.spans:  # they are the whole cluster's
                continue
            keys = (single.key, f"{single.key}, {name}")
            (rule,) = (each for each in every_rule(config) if each.key in keys)
            assert bool(off_because(rule, config)) == bool(off_because(single, alone)), rule.key
            wanted, held = _or_none(two, single, world.id), _or_none(two, rule)
            if not rule.organization:
                held = [row for row in held if row["organization_id"] == world.id]
                assert {row["organization"] for row in held} <= {name}
            assert plain(held) == plain(wanted), rule.key
            fired.update([rule.plain_key] if wanted else [])
    assert fired > ENOUGH


def _or_none(two: Several, rule: Rule, organization_id: str | None = None) -> list[dict[str, Any]]:
    try:
        return answer(two, rule, organization_id)
    except NoData:
        return []


def test_a_budget_of_one_name_fires_for_the_organization_that_exceeds_it(two: Several) -> None:
    budgets = {rule.organization: rule for rule in every_rule(two.config) if rule.key.startswith("budget ")}
    rows = {name: answer(two, rule) for name, rule in budgets.items()}
    assert rows["acme"] == []
    assert {row["budget"] for row in rows["acme-eu"]} == {1}

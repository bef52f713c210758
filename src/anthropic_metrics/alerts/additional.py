"""The rules that go further: own baselines, forecast, unknown spenders, silence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from anthropic_metrics.alerts.integration import DAY, MONTH_AND_GRACE, WORKSPACE
from anthropic_metrics.alerts.rule import QUARTERLY, Definition, Limit, Values, above, number, text
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.config import Config
from anthropic_metrics.headroom.derivation import Headroom
from anthropic_metrics.kernel.datasets import (
    AGENT,
    COST,
    HEADROOM,
    INVENTORY,
    PEOPLE,
    RATE_LIMIT,
    SPEND,
    USAGE,
    stream_name,
)
from anthropic_metrics.reports.views import views

_TODAY = "DATE_TRUNC(1 day, $now)"
# A day counts as closed six hours after its end: earlier its costs may not be there.
_AS_OF = "$now - 6 hours"
_CLOSED, _MONTH = f"DATE_TRUNC(1 day, {_AS_OF})", f"DATE_TRUNC(1 month, {_AS_OF})"
_LATEST = f"day >= {_CLOSED} - 14 days"
# Polls that may fail in a row before the agent counts as silent.
_INTERVALS = 3
_RECORD = timedelta(days=7)


def _budget(config: Config) -> Values:
    budget = config.month_budget
    return {"budget": number(budget.amount if budget else config.alerts.monthly_budget_usd)}


def _patience(config: Config) -> dict[str, float]:
    """The streams that polls keep, and after how many minutes without success each counts as silent."""
    intervals = {view.stream: view.interval for view in views(config)}
    if config.rate_limits.enabled:
        intervals[stream_name(RATE_LIMIT, config.namespace)] = config.rate_limits.interval
    if config.inventory.enabled:
        intervals[stream_name(INVENTORY, config.namespace)] = config.inventory.interval
    if config.people.enabled:
        intervals[stream_name(PEOPLE, config.namespace)] = config.people.interval
    if collects_spend(config):
        intervals[stream_name(SPEND, config.namespace)] = config.usage.interval
    if Headroom.of(config) is not None:
        intervals[stream_name(HEADROOM, config.namespace)] = config.usage.interval
    return {name: _INTERVALS * every.total_seconds() / 60 for name, every in sorted(intervals.items())}


def _streams(config: Config) -> Values:
    """Every expected stream with its latest success; one that never had any counts from the first poll."""
    patience = _patience(config)
    latest = ", ".join(
        f"s{n} = MAX(CASE(anthropic.poll.stream == {text(name)} AND succeeded, @timestamp))"
        for n, name in enumerate(patience)
    )
    entries = [
        f"CONCAT({text(f'{name} {number(minutes)} ')}, COALESCE(TO_STRING(s{n}), TO_STRING(began)))"
        for n, (name, minutes) in enumerate(patience.items())
    ]
    joined = entries[0] if entries else "null"
    for entry in entries[1:]:
        joined = f"MV_APPEND({joined}, {entry})"
    return {"latest": latest or "none = COUNT(*)", "entries": joined}


def _never_written(config: Config) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {"stream": name, "silent_minutes": _RECORD.total_seconds() / 60, "limit_minutes": minutes}
        for name, minutes in _patience(config).items()
    )


ADDITIONAL_RULES = (
    Definition(
        key="workspace_baseline",
        title="Workspace spend against its own four weeks",
        threshold="$baseline_factor times the usual, and $baseline_floor_usd USD above it",
        reads=(COST,),
        query=(
            f'EVAL age_days = DATE_DIFF("day", @timestamp, {_TODAY}), {WORKSPACE}',
            "WHERE age_days % 7 <= 3 AND age_days < 32",
            "STATS usd = SUM(anthropic.cost.amount_usd), workspace = MAX(anthropic.workspace.name) "
            "BY age_days, workspace_id",
            "EVAL slot = age_days % 7",
            f'EVAL day = DATE_FORMAT("yyyy-MM-dd", TO_DATETIME(TO_LONG({_TODAY}) - slot * 86400000))',
            "STATS cost_usd = SUM(CASE(age_days < 7, usd, 0.0)), "
            "usual_usd = MEDIAN(CASE(age_days >= 7, usd)), "
            "weeks = COUNT(CASE(age_days >= 7, usd)), workspace = MAX(workspace) BY day, workspace_id",
            "WHERE weeks >= 3 AND cost_usd > $baseline_factor * usual_usd "
            "AND cost_usd - usual_usd > $baseline_floor_usd",
            "EVAL factor = ROUND(cost_usd / usual_usd, 1), cost_usd = ROUND(cost_usd, 2), "
            "usual_usd = ROUND(usual_usd, 2)",
        ),
        identity=("day", "workspace_id"),
        subject="{{workspace}} ({{workspace_id}}) cost {{cost_usd}} USD on {{day}}, usually {{usual_usd}} "
        "USD",
        window=timedelta(days=33),
        limit=Limit("baseline_factor", "factor", unit="factor", by_day=False),
    ),
    Definition(
        key="month_end_forecast",
        title="Month-end forecast above budget",
        threshold="$budget USD a month",
        reads=(COST,),
        fill=_budget,
        query=(
            f"WHERE @timestamp < {_CLOSED}",
            "EVAL day = DATE_TRUNC(1 day, @timestamp)",
            "STATS usd = SUM(anthropic.cost.amount_usd) BY day",
            f'EVAL month = DATE_FORMAT("yyyy-MM", {_AS_OF})',
            f"STATS spent_usd = SUM(CASE(day >= {_MONTH}, usd, 0.0)), "
            f"recent_usd = SUM(CASE({_LATEST}, usd, 0.0)), "
            f"dearest_usd = MAX(CASE({_LATEST}, usd, 0.0)) BY month",
            f'EVAL days_left = DATE_DIFF("day", {_CLOSED}, {_MONTH} + 1 month)',
            "EVAL forecast_usd = ROUND(spent_usd + (recent_usd - dearest_usd) / 13 * days_left, 2), "
            "spent_usd = ROUND(spent_usd, 2)",
            "WHERE forecast_usd > $budget",
            "KEEP month, forecast_usd, spent_usd, days_left",
        ),
        identity=("month",),
        subject="{{month}} is on its way to {{forecast_usd}} USD",
        window=MONTH_AND_GRACE,
        limit=Limit("monthly_budget_usd", "forecast_usd", by_day=False, weekly=0),
    ),
    Definition(
        key="rate_limit_headroom",
        title="Rate-limit headroom low at the peak minute",
        threshold="$headroom_percent % left",
        reads=(HEADROOM,),
        query=(
            "WHERE anthropic.headroom.complete AND NOT anthropic.headroom.unmapped",
            "EVAL scope = anthropic.headroom.scope, group_id = anthropic.headroom.group_id, "
            "limit_type = anthropic.headroom.limit_type, workspace_id = anthropic.headroom.workspace_id",
            "STATS least_share = MIN(anthropic.headroom.headroom_share), "
            "limit_group = MAX(anthropic.headroom.group_name), workspace = MAX(anthropic.workspace.name) "
            "BY scope, group_id, limit_type, workspace_id",
            "EVAL headroom_percent = ROUND(100 * least_share, 1)",
            "WHERE headroom_percent < $headroom_percent",
        ),
        identity=("scope", "group_id", "limit_type", "workspace_id"),
        subject="{{scope}} {{workspace}}, {{limit_group}}: {{limit_type}} had {{headroom_percent}} % left",
        # A window of five minutes, the documented lag and the poll after it, the schedule, and as much again.
        window=timedelta(minutes=45),
        polled=lambda config: config.usage.interval,
        schedule=QUARTERLY,
        limit=Limit("headroom_percent", "headroom_percent", above=False, unit="percent"),
    ),
    Definition(
        key="new_workspace",
        title="New workspace without a limit",
        threshold="first spend within 7 days",
        reads=(COST, RATE_LIMIT),
        query=(
            'WHERE anthropic.workspace.id != "Default"',
            "EVAL spent_at = CASE(anthropic.cost.amount_usd > 0, @timestamp), "
            "own = CASE(@timestamp > $now - $limits_read, MV_MAX(anthropic.rate_limit.limits.source)), "
            f"{WORKSPACE}",
            "STATS first_spend = MIN(spent_at), own = MAX(own), workspace = MAX(anthropic.workspace.name) "
            "BY workspace_id",
            "WHERE first_spend IS NOT NULL",
            'EVAL entry = CONCAT(workspace_id, " ", TO_STRING(first_spend), " ", COALESCE(own, "none"), " ", '
            'COALESCE(workspace, ""))',
            "STATS began = MIN(first_spend), entry = VALUES(entry)",
            "WHERE began < $now - 14 days",
            "MV_EXPAND entry",
            'DISSECT entry "%{workspace_id} %{first_spend} %{own} %{workspace}"',
            'WHERE TO_DATETIME(first_spend) > $now - 7 days AND own != "workspace"',
            "STATS first_spend = MAX(first_spend), workspace = MAX(workspace) BY workspace_id",
        ),
        identity=("workspace_id",),
        subject="{{workspace}} ({{workspace_id}}) spends since {{first_spend}} and has no limit of its own",
        window=timedelta(days=35),
    ),
    Definition(
        key="unattributed_usage",
        title="Usage by the Console or an unknown key",
        threshold="$unattributed_tokens tokens a day and key",
        reads=(USAGE,),
        groups=("api_key_id",),
        query=(
            'WHERE anthropic.api_key.id == "Console" OR anthropic.api_key.name IS NULL',
            "WHERE anthropic.api_key.id IS NOT NULL",
            f"EVAL day = {DAY}, api_key_id = anthropic.api_key.id",
            *above("$unattributed_tokens", "tokens", "anthropic.usage.total_tokens", ("day", "api_key_id")),
        ),
        identity=("day", "api_key_id"),
        subject="{{api_key_id}} used {{tokens}} tokens on {{day}}",
        # The day, and a second one in which its sum only shrinks as the window moves on.
        window=timedelta(hours=50),
        limit=Limit("unattributed_tokens", "tokens"),
    ),
    Definition(
        key="no_fresh_data",
        title="No fresh data: the agent is silent or behind",
        threshold=f"{_INTERVALS} intervals",
        reads=(AGENT,),
        fill=_streams,
        unwritten=_never_written,
        query=(
            'WHERE event.action == "poll"',
            'EVAL succeeded = event.outcome == "success"',
            f"STATS began = COALESCE(MIN(@timestamp), $now - {_RECORD.days} days), $latest",
            "EVAL entry = $entries",
            "MV_EXPAND entry",
            'DISSECT entry "%{stream} %{limit} %{since}"',
            'EVAL silent_minutes = DATE_DIFF("minute", TO_DATETIME(since), $now), '
            "limit_minutes = TO_DOUBLE(limit)",
            "WHERE silent_minutes > limit_minutes",
            "STATS silent_minutes = MAX(silent_minutes), limit_minutes = MAX(limit_minutes) BY stream",
        ),
        identity=("stream",),
        subject="{{stream}}: no successful poll for {{silent_minutes}} minutes",
        window=_RECORD,
        schedule=QUARTERLY,
    ),
)

"""The rules that go further: own baselines, forecast, unknown spenders, silence."""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.announced import DAY, HOURLY, MONTH_AND_GRACE, QUARTERLY
from anthropic_metrics.alerts.rule import NOW, Rule, lines, number, stream, text
from anthropic_metrics.config import Config
from anthropic_metrics.headroom.build import DATASET as HEADROOM
from anthropic_metrics.headroom.poller import HeadroomPoller
from anthropic_metrics.limits.poller import DATASET as LIMITS
from anthropic_metrics.reports.views import views

_TODAY = f"DATE_TRUNC(1 day, {NOW})"
# Polls that may fail in a row before the agent counts as silent.
_INTERVALS = 3


def workspace_baseline(config: Config) -> Rule:
    factor, floor = number(config.alerts.baseline_factor), number(config.alerts.baseline_floor_usd)
    return Rule(
        "workspace_baseline",
        "Workspace spend against its own four weeks",
        "On one of the last four UTC days a workspace cost far more than on the same weekday of the four "
        "weeks before (their median). Judged only where at least three of those weeks have spend, so that a "
        "new workspace pages nobody.",
        f"{factor} times the usual, and {floor} USD above it",
        lines(
            f"FROM {stream('cost', config.namespace)}",
            f'EVAL age_days = DATE_DIFF("day", @timestamp, {_TODAY})',
            "WHERE age_days % 7 <= 3 AND age_days < 32",
            "STATS usd = SUM(anthropic.cost.amount_usd), workspace = MAX(anthropic.workspace.name) "
            "BY age_days, workspace_id = anthropic.workspace.id",
            "EVAL slot = age_days % 7",
            f'EVAL day = DATE_FORMAT("yyyy-MM-dd", TO_DATETIME(TO_LONG({_TODAY}) - slot * 86400000))',
            "STATS cost_usd = SUM(CASE(age_days < 7, usd, 0.0)), "
            "usual_usd = MEDIAN(CASE(age_days >= 7, usd)), "
            "weeks = COUNT(CASE(age_days >= 7, usd)), workspace = MAX(workspace) BY day, workspace_id",
            f"WHERE weeks >= 3 AND cost_usd > {factor} * usual_usd AND cost_usd - usual_usd > {floor}",
            "EVAL cost_usd = ROUND(cost_usd, 2), usual_usd = ROUND(usual_usd, 2)",
            "SORT day, workspace_id",
        ),
        timedelta(days=33),
        HOURLY,
        "{{workspace}} ({{workspace_id}}) cost {{cost_usd}} USD on {{day}}, usually {{usual_usd}} USD",
    )


def month_end_forecast(config: Config) -> Rule:
    limit = number(config.budgets.organization_usd or config.alerts.monthly_budget_usd)
    # A day counts as closed six hours after its end: earlier its costs may not be there.
    as_of = f"{NOW} - 6 hours"
    closed, month = f"DATE_TRUNC(1 day, {as_of})", f"DATE_TRUNC(1 month, {as_of})"
    recent = f"day >= {closed} - 14 days"
    return Rule(
        "month_end_forecast",
        "Month-end forecast above budget",
        "What the closed days of the month have cost, and every day that is left at the average of the last "
        "fourteen (the dearest of them left out), comes to more than the budget.",
        f"{limit} USD a month",
        lines(
            f"FROM {stream('cost', config.namespace)}",
            f"WHERE @timestamp < {closed}",
            "STATS usd = SUM(anthropic.cost.amount_usd) BY day = DATE_TRUNC(1 day, @timestamp)",
            f"STATS spent_usd = SUM(CASE(day >= {month}, usd, 0.0)), "
            f"recent_usd = SUM(CASE({recent}, usd, 0.0)), dearest_usd = MAX(CASE({recent}, usd, 0.0)) "
            f'BY month = DATE_FORMAT("yyyy-MM", {as_of})',
            f'EVAL days_left = DATE_DIFF("day", {closed}, {month} + 1 month)',
            "EVAL forecast_usd = ROUND(spent_usd + (recent_usd - dearest_usd) / 13 * days_left, 2), "
            "spent_usd = ROUND(spent_usd, 2)",
            f"WHERE forecast_usd > {limit}",
            "KEEP month, forecast_usd, spent_usd, days_left",
        ),
        MONTH_AND_GRACE,
        HOURLY,
        "{{month}} is on its way to {{forecast_usd}} USD",
    )


def rate_limit_headroom(config: Config) -> Rule:
    limit = number(config.alerts.headroom_percent)
    return Rule(
        "rate_limit_headroom",
        "Rate-limit headroom low at the peak minute",
        "In the last three quarters of an hour one minute came closer to a rate limit than that.",
        f"{limit} % left",
        lines(
            f"FROM {stream('headroom', config.namespace)}",
            "WHERE anthropic.headroom.complete AND NOT anthropic.headroom.unmapped",
            "STATS least_share = MIN(anthropic.headroom.headroom_share), "
            "limit_group = MAX(anthropic.headroom.group_name), workspace = MAX(anthropic.workspace.name) "
            "BY scope = anthropic.headroom.scope, group_id = anthropic.headroom.group_id, "
            "limit_type = anthropic.headroom.limit_type, workspace_id = anthropic.headroom.workspace_id",
            "EVAL headroom_percent = ROUND(100 * least_share, 1)",
            f"WHERE headroom_percent < {limit}",
            "SORT headroom_percent",
        ),
        # A window of five minutes, the documented lag and the poll after it, the schedule, and as much again.
        timedelta(minutes=45),
        QUARTERLY,
        "{{scope}} {{workspace}}, {{limit_group}}: {{limit_type}} had {{headroom_percent}} % left",
    )


def new_workspace(config: Config) -> Rule:
    return Rule(
        "new_workspace",
        "New workspace without a limit",
        "A workspace that had no spend in the four weeks before spends now, and has no rate limit of its "
        "own. Silent while the stream itself holds less than two weeks.",
        "first spend within 7 days",
        lines(
            f"FROM {stream('cost', config.namespace)}, {stream('rate_limit', config.namespace)}",
            'WHERE anthropic.workspace.id != "Default"',
            "EVAL spent_at = CASE(anthropic.cost.amount_usd > 0, @timestamp), "
            f"own = CASE(@timestamp > {NOW} - 1 day, MV_MAX(anthropic.rate_limit.limits.source))",
            "STATS first_spend = MIN(spent_at), own = MAX(own), workspace = MAX(anthropic.workspace.name) "
            "BY workspace_id = anthropic.workspace.id",
            "WHERE first_spend IS NOT NULL",
            'EVAL entry = CONCAT(workspace_id, " ", TO_STRING(first_spend), " ", COALESCE(own, "none"), " ", '
            'COALESCE(workspace, ""))',
            "STATS began = MIN(first_spend), entry = VALUES(entry)",
            f"WHERE began < {NOW} - 14 days",
            "MV_EXPAND entry",
            'DISSECT entry "%{workspace_id} %{first_spend} %{own} %{workspace}"',
            f'WHERE TO_DATETIME(first_spend) > {NOW} - 7 days AND own != "workspace"',
            "STATS first_spend = MAX(first_spend), workspace = MAX(workspace) BY workspace_id",
            "SORT workspace_id",
        ),
        timedelta(days=35),
        HOURLY,
        "{{workspace}} ({{workspace_id}}) spends since {{first_spend}} and has no limit of its own",
    )


def unattributed_usage(config: Config) -> Rule:
    limit = number(config.alerts.unattributed_tokens)
    return Rule(
        "unattributed_usage",
        "Usage by the Console or an unknown key",
        "Use without an API key (the Console), or by a key that is not in the organization's list, was more "
        "than the limit in a UTC day. In tokens: the bill does not name keys.",
        f"{limit} tokens a day and key",
        lines(
            f"FROM {stream('usage', config.namespace)}",
            'WHERE anthropic.api_key.id == "Console" OR anthropic.api_key.name IS NULL',
            "WHERE anthropic.api_key.id IS NOT NULL",
            "STATS tokens = SUM(anthropic.usage.total_tokens) "
            f"BY day = {DAY}, api_key_id = anthropic.api_key.id",
            f"WHERE tokens > {limit}",
            "SORT day, api_key_id",
        ),
        # The day, and a second one in which its sum only shrinks as the window moves on.
        timedelta(hours=50),
        HOURLY,
        "{{api_key_id}} used {{tokens}} tokens on {{day}}",
    )


def no_fresh_data(config: Config) -> Rule:
    limits = {view.stream: view.interval for view in views(config)}
    if config.rate_limits.enabled:
        limits[f"metrics-{LIMITS}-{config.namespace}"] = config.rate_limits.interval
    if HeadroomPoller.enabled(config):
        limits[f"metrics-{HEADROOM}-{config.namespace}"] = config.usage.interval
    cases = ", ".join(
        f"stream == {text(name)}, {number(_INTERVALS * interval.total_seconds() / 60)}"
        for name, interval in sorted(limits.items())
    )
    return Rule(
        "no_fresh_data",
        "No fresh data: the agent is silent or behind",
        "No poll of a stream has succeeded for three of its intervals. Judged by the agent's own record of "
        "the last week. An agent that is down cannot say so itself: let Kibana run this one.",
        f"{_INTERVALS} intervals",
        lines(
            f"FROM {stream('agent', config.namespace)}",
            'WHERE event.action == "poll" AND event.outcome == "success"',
            "STATS last_success = MAX(@timestamp) BY stream = anthropic.poll.stream",
            f'EVAL silent_minutes = DATE_DIFF("minute", last_success, {NOW}), '
            f"limit_minutes = CASE({cases or 'false, 0'})",
            "WHERE silent_minutes > limit_minutes",
            "SORT stream",
        ),
        timedelta(days=7),
        QUARTERLY,
        "{{stream}}: no successful poll for {{silent_minutes}} minutes",
    )


FURTHER = (
    workspace_baseline,
    month_end_forecast,
    rate_limit_headroom,
    new_workspace,
    unattributed_usage,
    no_fresh_data,
)

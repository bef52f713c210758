"""The six rules that Elastic's announcement names, each with a window that the data can reach.

A document's `@timestamp` is its bucket's start and it is there only after the bucket's end, so a window must
hold the bucket, the lag, the poll and the schedule. The bucket itself stands in BY: each is judged alone, and
its alert keeps its id. BY holds plain names only: Kibana 8.19 and 9.1 to 9.4 see no others.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.rule import QUARTERLY, RUNNING, Definition, Limit, above
from anthropic_metrics.kernel.datasets import COST, USAGE

# A cost day, the two days in which Anthropic revises it, and room for poll and schedule.
DAYS_OF_COST = timedelta(days=4)
# After its end a month is still judged for so long: its last day arrives late and is revised.
GRACE = "3 days"
MONTH_AND_GRACE = timedelta(days=36)
# An hour, rows up to three hours late, poll and schedule.
HOURS_OF_USAGE = timedelta(hours=5)
DAY = 'DATE_FORMAT("yyyy-MM-dd", @timestamp)'
MONTH = 'DATE_FORMAT("yyyy-MM", @timestamp)'
HOUR = "DATE_FORMAT(\"yyyy-MM-dd'T'HH:mm'Z'\", DATE_TRUNC(1 hour, @timestamp))"
WORKSPACE = "workspace_id = anthropic.workspace.id"
THIS_MONTH = f"WHERE @timestamp >= DATE_TRUNC(1 month, $now - {GRACE})"
# How often the past of a rule over six hours is judged.
_LOOK = timedelta(hours=2)
_RECENT, _BEFORE = "@timestamp > $now - 7 hours", "@timestamp <= $now - 7 hours"

INTEGRATION_RULES = (
    Definition(
        key="daily_cost",
        title="Cost anomaly: a day above its limit",
        threshold="$daily_cost_usd USD a day",
        reads=(COST,),
        query=(
            f"EVAL day = {DAY}",
            *above("$daily_cost_usd", "cost_usd", "anthropic.cost.amount_usd", ("day",)),
        ),
        identity=("day",),
        subject="{{day}} cost {{cost_usd}} USD",
        window=DAYS_OF_COST,
        limit=Limit("daily_cost_usd", "cost_usd"),
    ),
    Definition(
        key="monthly_budget",
        title="Monthly budget spend limit",
        threshold="$monthly_budget_usd USD a month",
        reads=(RUNNING,),
        query=(
            THIS_MONTH,
            f"EVAL month = {MONTH}",
            *above("$monthly_budget_usd", "cost_usd", "$dollars", ("month",)),
        ),
        identity=("month",),
        subject="{{month}} has cost {{cost_usd}} USD so far",
        window=MONTH_AND_GRACE,
        limit=Limit("monthly_budget_usd", "cost_usd", by_day=False, weekly=0),
        own=True,
    ),
    Definition(
        key="workspace_daily_cost",
        title="Workspace daily cost spike",
        threshold="$workspace_daily_cost_usd USD a day and workspace",
        reads=(COST,),
        query=(
            f"EVAL day = {DAY}, {WORKSPACE}",
            *above(
                "$workspace_daily_cost_usd",
                "cost_usd",
                "anthropic.cost.amount_usd",
                ("day", "workspace_id"),
                names=", workspace = MAX(anthropic.workspace.name)",
            ),
        ),
        identity=("day", "workspace_id"),
        subject="{{workspace}} ({{workspace_id}}) cost {{cost_usd}} USD on {{day}}",
        window=DAYS_OF_COST,
        limit=Limit("workspace_daily_cost_usd", "cost_usd"),
    ),
    Definition(
        key="token_spike",
        title="Token consumption spike",
        threshold="$hourly_tokens tokens an hour and model",
        reads=(USAGE,),
        groups=("model",),
        query=(
            f"EVAL hour = {HOUR}, model = anthropic.model",
            *above("$hourly_tokens", "tokens", "anthropic.usage.total_tokens", ("hour", "model")),
        ),
        identity=("hour", "model"),
        subject="{{model}} used {{tokens}} tokens in the hour from {{hour}}",
        window=HOURS_OF_USAGE,
        polled=lambda config: config.usage.interval,
        schedule=QUARTERLY,
        limit=Limit("hourly_tokens", "tokens"),
    ),
    Definition(
        key="cache_hit_rate",
        title="Cache hit rate drop",
        threshold="$cache_hit_percent % of at least $cache_floor_tokens input tokens",
        reads=(USAGE,),
        groups=("model", "workspace_id"),
        query=(
            'WHERE anthropic.usage.bucket_complete AND COALESCE(anthropic.usage.service_tier, "") != "batch"',
            f"EVAL {WORKSPACE}, model = anthropic.model",
            f"STATS input_tokens = SUM(CASE({_RECENT}, anthropic.usage.input_tokens, 0)), "
            f"cached_tokens = SUM(CASE({_RECENT}, anthropic.usage.cached_input_tokens, 0)), "
            f"usual_input_tokens = SUM(CASE({_BEFORE}, anthropic.usage.input_tokens, 0)), "
            f"usual_cached_tokens = SUM(CASE({_BEFORE}, anthropic.usage.cached_input_tokens, 0)), "
            "workspace = MAX(anthropic.workspace.name) BY workspace_id, model",
            "WHERE input_tokens > $cache_floor_tokens AND usual_input_tokens > $cache_floor_tokens",
            "EVAL hit_percent = ROUND(100.0 * cached_tokens / input_tokens, 1), "
            "usual_hit_percent = ROUND(100.0 * usual_cached_tokens / usual_input_tokens, 1)",
            "WHERE hit_percent < $cache_hit_percent AND hit_percent < usual_hit_percent / 2",
        ),
        identity=("workspace_id", "model"),
        subject="{{workspace}} ({{workspace_id}}), {{model}}: the cache served {{hit_percent}} % of the "
        "input, usually {{usual_hit_percent}} %",
        window=timedelta(days=7),
        schedule=QUARTERLY,
        limit=Limit("cache_hit_percent", "hit_percent", False, unit="percent", by_day=False, step=_LOOK),
    ),
    Definition(
        key="model_dominance",
        title="Single model dominance",
        threshold="$dominance_percent % of at least $dominance_floor_tokens tokens",
        reads=(USAGE,),
        groups=("model",),
        query=(
            "WHERE anthropic.usage.bucket_complete",
            "EVAL model = anthropic.model",
            "STATS tokens = SUM(anthropic.usage.total_tokens) BY model",
            "WHERE tokens > 0",
            # The largest entry names the model that has the most tokens.
            'EVAL entry = CONCAT(RIGHT(CONCAT("000000000000000000", TO_STRING(tokens)), 18), model)',
            "STATS total_tokens = SUM(tokens), most_tokens = MAX(tokens), models = COUNT(*), "
            "largest = MAX(entry)",
            "EVAL model = SUBSTRING(largest, 19), "
            "share_percent = ROUND(100.0 * most_tokens / total_tokens, 1)",
            "WHERE share_percent > $dominance_percent AND total_tokens > $dominance_floor_tokens "
            "AND models >= 2",
            "STATS share_percent = MAX(share_percent), total_tokens = MAX(total_tokens), "
            "models = MAX(models) BY model",
        ),
        identity=("model",),
        subject="{{model}} used {{share_percent}} % of {{total_tokens}} tokens, of {{models}} models",
        window=timedelta(hours=7),
        schedule=QUARTERLY,
        limit=Limit("dominance_percent", "share_percent", unit="percent", by_day=False, step=_LOOK),
    ),
)

"""The six rules that Elastic's announcement names, each with a window that the data can reach.

A document's `@timestamp` is its bucket's start and it is there only after the bucket's end, so a window must
hold the bucket, the lag, the poll and the schedule. The bucket itself stands in BY: each is judged alone, and
its alert keeps its id.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.rule import NOW, Rule, lines, number, stream
from anthropic_metrics.config import Config

HOURLY, QUARTERLY = timedelta(hours=1), timedelta(minutes=15)
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


def daily_cost(config: Config) -> Rule:
    limit = number(config.alerts.daily_cost_usd)
    return Rule(
        "daily_cost",
        "Cost anomaly: a day above its limit",
        "A UTC day cost more than the limit.",
        f"{limit} USD a day",
        lines(
            f"FROM {stream('cost', config.namespace)}",
            f"STATS cost_usd = SUM(anthropic.cost.amount_usd) BY day = {DAY}",
            f"WHERE cost_usd > {limit}",
            "EVAL cost_usd = ROUND(cost_usd, 2)",
            "SORT day",
        ),
        DAYS_OF_COST,
        HOURLY,
        "{{day}} cost {{cost_usd}} USD",
    )


def monthly_budget(config: Config) -> Rule:
    limit = number(config.alerts.monthly_budget_usd)
    return Rule(
        "monthly_budget",
        "Monthly budget spend limit",
        "The calendar month (UTC) has cost more than the limit so far.",
        f"{limit} USD a month",
        lines(
            f"FROM {stream('cost', config.namespace)}",
            f"WHERE @timestamp >= DATE_TRUNC(1 month, {NOW} - {GRACE})",
            f"STATS cost_usd = SUM(anthropic.cost.amount_usd) BY month = {MONTH}",
            f"WHERE cost_usd > {limit}",
            "EVAL cost_usd = ROUND(cost_usd, 2)",
            "SORT month",
        ),
        MONTH_AND_GRACE,
        HOURLY,
        "{{month}} has cost {{cost_usd}} USD so far",
    )


def workspace_daily_cost(config: Config) -> Rule:
    limit = number(config.alerts.workspace_daily_cost_usd)
    return Rule(
        "workspace_daily_cost",
        "Workspace daily cost spike",
        "One workspace cost more than the limit in a UTC day.",
        f"{limit} USD a day and workspace",
        lines(
            f"FROM {stream('cost', config.namespace)}",
            "STATS cost_usd = SUM(anthropic.cost.amount_usd), workspace = MAX(anthropic.workspace.name) "
            f"BY day = {DAY}, workspace_id = anthropic.workspace.id",
            f"WHERE cost_usd > {limit}",
            "EVAL cost_usd = ROUND(cost_usd, 2)",
            "SORT day, workspace_id",
        ),
        DAYS_OF_COST,
        HOURLY,
        "{{workspace}} ({{workspace_id}}) cost {{cost_usd}} USD on {{day}}",
    )


def token_spike(config: Config) -> Rule:
    limit = number(config.alerts.hourly_tokens)
    return Rule(
        "token_spike",
        "Token consumption spike",
        "One model used more tokens, input and output, in an hour than the limit.",
        f"{limit} tokens an hour and model",
        lines(
            f"FROM {stream('usage', config.namespace)}",
            f"STATS tokens = SUM(anthropic.usage.total_tokens) BY hour = {HOUR}, model = anthropic.model",
            f"WHERE tokens > {limit}",
            "SORT hour, model",
        ),
        HOURS_OF_USAGE,
        QUARTERLY,
        "{{model}} used {{tokens}} tokens in the hour from {{hour}}",
    )


def cache_hit_rate(config: Config) -> Rule:
    limit, floor = number(config.alerts.cache_hit_percent), number(config.alerts.cache_floor_tokens)
    recent, before = f"@timestamp > {NOW} - 7 hours", f"@timestamp <= {NOW} - 7 hours"
    return Rule(
        "cache_hit_rate",
        "Cache hit rate drop",
        "In the last six closed hours the cache served less of a model's input in a workspace than the limit "
        "and less than half of what it served over the week before. Batch work is left out.",
        f"{limit} % of at least {floor} input tokens",
        lines(
            f"FROM {stream('usage', config.namespace)}",
            'WHERE anthropic.usage.bucket_complete AND COALESCE(anthropic.usage.service_tier, "") != "batch"',
            f"STATS input_tokens = SUM(CASE({recent}, anthropic.usage.input_tokens, 0)), "
            f"cached_tokens = SUM(CASE({recent}, anthropic.usage.cached_input_tokens, 0)), "
            f"usual_input_tokens = SUM(CASE({before}, anthropic.usage.input_tokens, 0)), "
            f"usual_cached_tokens = SUM(CASE({before}, anthropic.usage.cached_input_tokens, 0)), "
            "workspace = MAX(anthropic.workspace.name) "
            "BY workspace_id = anthropic.workspace.id, model = anthropic.model",
            f"WHERE input_tokens > {floor} AND usual_input_tokens > {floor}",
            "EVAL hit_percent = ROUND(100.0 * cached_tokens / input_tokens, 1), "
            "usual_hit_percent = ROUND(100.0 * usual_cached_tokens / usual_input_tokens, 1)",
            f"WHERE hit_percent < {limit} AND hit_percent < usual_hit_percent / 2",
            "SORT workspace_id, model",
        ),
        timedelta(days=7),
        QUARTERLY,
        "{{workspace}} ({{workspace_id}}), {{model}}: the cache served {{hit_percent}} % of the input, "
        "usually {{usual_hit_percent}} %",
    )


def model_dominance(config: Config) -> Rule:
    limit, floor = number(config.alerts.dominance_percent), number(config.alerts.dominance_floor_tokens)
    return Rule(
        "model_dominance",
        "Single model dominance",
        "Of several models one used nearly all tokens of the last six closed hours.",
        f"{limit} % of at least {floor} tokens",
        lines(
            f"FROM {stream('usage', config.namespace)}",
            "WHERE anthropic.usage.bucket_complete",
            "STATS tokens = SUM(anthropic.usage.total_tokens) BY model = anthropic.model",
            "WHERE tokens > 0",
            # The largest entry names the model that has the most tokens.
            'EVAL entry = CONCAT(RIGHT(CONCAT("000000000000000000", TO_STRING(tokens)), 18), model)',
            "STATS total_tokens = SUM(tokens), most_tokens = MAX(tokens), models = COUNT(*), "
            "largest = MAX(entry)",
            "EVAL model = SUBSTRING(largest, 19), "
            "share_percent = ROUND(100.0 * most_tokens / total_tokens, 1)",
            f"WHERE share_percent > {limit} AND total_tokens > {floor} AND models >= 2",
            "STATS share_percent = MAX(share_percent), total_tokens = MAX(total_tokens), "
            "models = MAX(models) BY model",
        ),
        timedelta(hours=7),
        QUARTERLY,
        "{{model}} used {{share_percent}} % of {{total_tokens}} tokens, of {{models}} models",
    )


ANNOUNCED = (
    daily_cost,
    monthly_budget,
    workspace_daily_cost,
    token_spike,
    cache_hit_rate,
    model_dominance,
)

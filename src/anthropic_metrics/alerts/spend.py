"""The rules over spend: what burns now, what has no price, how far estimates were off, the Console's limits.

An hour has its dollars with the poll of usage that brings it, so these rules fire within a poll and a
schedule where the bill takes a day.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.integration import DAY
from anthropic_metrics.alerts.rule import QUARTERLY, Definition, Limit, Values, above
from anthropic_metrics.config import Config
from anthropic_metrics.kernel.datasets import AGENT, SPEND

# A UTC day is judged so long after its end, for rows that come up to three hours late.
_LATE = "5 hours"
_FIRST_DAY = f"DATE_TRUNC(1 day, $now - {_LATE})"
_A_KEY = 'WHERE anthropic.api_key.id != "Unattributed"'
_NAMED = "key = MAX(anthropic.api_key.name), workspace = MAX(anthropic.workspace.name)"
_KEY = "API key {{key}} ({{key_id}})"
_HOUR = "DATE_FORMAT(\"yyyy-MM-dd'T'HH:mm'Z'\", hour)"
# How long a drift is heard, from the moment on at which its day is settled.
_HEARD = timedelta(days=4)


def _sortable(usd: str) -> str:
    """An ES|QL text of dollars whose largest one is that of the largest amount."""
    return f'RIGHT(CONCAT("000000000000000000", TO_STRING(TO_LONG({usd} * 1000000))), 18)'


def _reach(config: Config) -> Values:
    hours = (timedelta(days=1) + config.spend.settle_after + _HEARD) / timedelta(hours=1)
    return {"reach": f"{hours:.0f} hours"}


SPEND_RULES = (
    Definition(
        key="spend_spike",
        title="Spend spike of an API key",
        threshold="$spike_factor times the usual, and $spike_floor_usd USD above it",
        reads=(SPEND,),
        groups=("api_key_id",),
        query=(
            f"WHERE @timestamp >= {_FIRST_DAY} - 7 days",
            _A_KEY,
            "EVAL hour = DATE_TRUNC(1 hour, @timestamp), key_id = anthropic.api_key.id",
            f"STATS usd = SUM(anthropic.spend.amount_usd), {_NAMED} BY hour, key_id",
            "WHERE usd > 0",
            f'EVAL date = DATE_TRUNC(1 day, hour), entry = CONCAT({_sortable("usd")}, " ", {_HOUR})',
            "STATS peak = MAX(usd), entry = MAX(entry), key = MAX(key), workspace = MAX(workspace) "
            "BY date, key_id",
            f"STATS usual_usd = MEDIAN(CASE(date < {_FIRST_DAY}, peak)), "
            f"days = COUNT(CASE(date < {_FIRST_DAY}, peak)), "
            f"entry = VALUES(CASE(date >= {_FIRST_DAY}, entry)), "
            "key = MAX(key), workspace = MAX(workspace) BY key_id",
            "WHERE days >= 5 AND entry IS NOT NULL",
            "MV_EXPAND entry",
            'DISSECT entry "%{micros} %{hour}"',
            "EVAL day = SUBSTRING(hour, 1, 10), cost_usd = TO_LONG(micros) / 1000000.0",
            "WHERE cost_usd > $spike_factor * usual_usd AND cost_usd - usual_usd > $spike_floor_usd",
            "STATS cost_usd = ROUND(MAX(cost_usd), 2), usual_usd = ROUND(MAX(usual_usd), 2), "
            "factor = ROUND(MAX(cost_usd / usual_usd), 1), hour = MAX(hour), key = MAX(key), "
            "workspace = MAX(workspace) BY day, key_id",
        ),
        identity=("day", "key_id"),
        subject=_KEY + " in {{workspace}} cost {{cost_usd}} USD in the hour from {{hour}}, usually "
        "{{usual_usd}} USD at most",
        window=timedelta(days=9),
        schedule=QUARTERLY,
        limit=Limit("spike_factor", "factor", unit="factor", by_day=False),
    ),
    Definition(
        key="daily_spend",
        title="Today's spend above the daily limit",
        threshold="$daily_cost_usd USD a day",
        reads=(SPEND,),
        query=(
            f"WHERE @timestamp >= {_FIRST_DAY}",
            f"EVAL day = {DAY}",
            *above("$daily_cost_usd", "cost_usd", "anthropic.spend.amount_usd", ("day",)),
        ),
        identity=("day",),
        subject="{{day}} has cost {{cost_usd}} USD so far",
        window=timedelta(hours=30),
        schedule=QUARTERLY,
        limit=Limit("daily_cost_usd", "cost_usd"),
    ),
    Definition(
        key="key_begins_to_spend",
        title="API key begins to spend",
        threshold="$new_spend_usd USD within 7 days",
        reads=(SPEND,),
        groups=("api_key_id",),
        query=(
            'WHERE NOT anthropic.api_key.id IN ("Console", "Unattributed")',
            "WHERE anthropic.spend.amount_usd > 0",
            "EVAL key_id = anthropic.api_key.id",
            "STATS first_spend = MIN(@timestamp), usd = SUM(anthropic.spend.amount_usd), "
            "key = MAX(anthropic.api_key.name) BY key_id",
            'EVAL entry = CASE(first_spend > $now - 7 days AND usd > $new_spend_usd, CONCAT(key_id, " ", '
            'TO_STRING(first_spend), " ", TO_STRING(ROUND(usd, 2)), " ", COALESCE(key, key_id)))',
            "STATS began = MIN(first_spend), entry = VALUES(entry)",
            "WHERE began < $now - 14 days AND entry IS NOT NULL",
            "MV_EXPAND entry",
            'DISSECT entry "%{key_id} %{first_spend} %{usd} %{key}"',
            "STATS first_spend = MAX(first_spend), cost_usd = MAX(TO_DOUBLE(usd)), key = MAX(key) BY key_id",
        ),
        identity=("key_id",),
        subject=_KEY + " spends since {{first_spend}}, {{cost_usd}} USD so far",
        window=timedelta(days=35),
        schedule=QUARTERLY,
    ),
    Definition(
        key="unpriced_model",
        title="Tokens without a price",
        threshold="any tokens",
        reads=(SPEND,),
        groups=("model",),
        query=(
            "WHERE anthropic.spend.unpriced_tokens > 0",
            "EVAL model = anthropic.model",
            "STATS tokens = SUM(anthropic.spend.unpriced_tokens), since = MIN(@timestamp) BY model",
        ),
        identity=("model",),
        subject="{{model}} has used {{tokens}} tokens without a price since {{since}}",
        window=timedelta(days=4),
    ),
    Definition(
        key="estimate_drift",
        title="Estimates of spend off",
        threshold="$estimate_drift_percent % of a workspace's bill",
        reads=(AGENT,),
        needs=(SPEND,),
        fill=_reach,
        query=(
            'WHERE event.action == "estimate_check" AND @timestamp >= $now - $reach - 1 day',
            "EVAL off_usd = ABS(anthropic.estimate_check.difference_usd), "
            "off_percent = 100 * ABS(anthropic.estimate_check.difference_share)",
            "EVAL drifts = CASE(off_percent > $estimate_drift_percent AND off_usd > 1, 1, 0)",
            f'EVAL entry = CASE(drifts == 1, CONCAT({_sortable("off_usd")}, " ", '
            'COALESCE(anthropic.workspace.name, "the organization"), ": ", anthropic.estimate_check.cell))',
            # Each day also counts as the day before the next one.
            "EVAL later = [0, 1]",
            "MV_EXPAND later",
            "EVAL date = TO_DATETIME(TO_LONG(@timestamp) + later * 86400000)",
            "STATS drifts = SUM(CASE(later == 0, drifts, 0)), before = SUM(CASE(later == 1, drifts, 0)), "
            "drift_percent = MAX(CASE(later == 0 AND drifts == 1, off_percent)), "
            "estimated_usd = SUM(CASE(later == 0, anthropic.estimate_check.estimated_usd, 0.0)), "
            "billed_usd = SUM(CASE(later == 0, anthropic.estimate_check.billed_usd, 0.0)), "
            "entry = MAX(CASE(later == 0, entry)) BY date",
            "WHERE drifts > 0 AND before == 0 AND date >= $now - $reach",
            'DISSECT entry "%{micros} %{cell}"',
            'EVAL day = DATE_FORMAT("yyyy-MM-dd", date)',
            "STATS drift_percent = ROUND(MAX(drift_percent), 1), "
            "estimated_usd = ROUND(MAX(estimated_usd), 2), billed_usd = ROUND(MAX(billed_usd), 2), "
            "cell = MAX(cell) BY day",
        ),
        identity=("day",),
        subject="{{day}} was estimated at {{estimated_usd}} USD and billed at {{billed_usd}} USD, one "
        "workspace off by {{drift_percent}} %; largest cause: {{cell}}",
        # As far back as spend is computed anew.
        window=timedelta(days=36),
    ),
    Definition(
        key="spend_limit",
        title="Spend limit of the Console near",
        threshold="$spend_limit_percent and 100 % of the limit",
        reads=(AGENT,),
        query=(
            'WHERE event.action == "budget" AND anthropic.budget.read_only',
            "WHERE anthropic.budget.period_end > $now",
            f"EVAL period = {DAY}, limit_id = COALESCE(anthropic.workspace.id, anthropic.budget.name), "
            "used = 100.0 * anthropic.budget.used, level_percent = [$spend_limit_percent, 100]",
            "MV_EXPAND level_percent",
            "WHERE used >= level_percent",
            "STATS used_percent = ROUND(MAX(used), 1), limit_usd = MAX(anthropic.budget.limit_usd), "
            "spent_usd = ROUND(MAX(anthropic.budget.spent_usd), 2), limit_name = MAX(anthropic.budget.name) "
            "BY limit_id, period, level_percent",
        ),
        identity=("limit_id", "period", "level_percent"),
        subject="{{limit_name}}: {{spent_usd}} of {{limit_usd}} USD since {{period}}, {{used_percent}} % "
        "(level {{level_percent}} %)",
        # A budget's document stands at the start of its period.
        window=timedelta(days=32),
        schedule=QUARTERLY,
    ),
)

"""The six templates that Elastic's package ships, by their windows, schedules and delays, in our own words.

Their thresholds are set to ours, so that what differs is only when they look, at how much, and what makes an
alert the same alert. They read the same documents as our rules do.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.rule import NOW, Rule, lines, number
from anthropic_metrics.config import Config
from anthropic_metrics.kernel.datasets import COST, USAGE, stream_name
from tests.harness.alerts_replay import Watched

PREFIX = "rival "
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def rivals(config: Config) -> list[Watched]:
    """One for each of the six rules that we have, too, under the same key after `rival `."""
    return [*_of_cost(config), *_of_usage(config)]


def _of_cost(config: Config) -> list[Watched]:
    limits, usd = config.alerts, "anthropic.cost.amount_usd"
    cost = f"FROM {stream_name(COST, config.namespace)}"
    return [
        _watched(
            "daily_cost",
            lines(cost, f"STATS usd = SUM({usd})", f"WHERE usd > {number(limits.daily_cost_usd)}"),
            (24 * HOUR, HOUR, 1),
        ),
        _watched(
            "workspace_daily_cost",
            lines(
                cost,
                f"STATS usd = SUM({usd}) BY anthropic.cost.workspace_id",
                f"WHERE usd > {number(limits.workspace_daily_cost_usd)}",
            ),
            (24 * HOUR, HOUR, 1),
        ),
        _watched(
            "monthly_budget",
            lines(
                cost,
                f"WHERE @timestamp >= DATE_TRUNC(1 month, {NOW})",
                f"STATS usd = SUM({usd})",
                f"WHERE usd > {number(limits.monthly_budget_usd)}",
            ),
            (30 * 24 * HOUR, 6 * HOUR, 1),
        ),
    ]


def _of_usage(config: Config) -> list[Watched]:
    limits, tokens = config.alerts, "anthropic.usage.total_tokens"
    usage = f"FROM {stream_name(USAGE, config.namespace)}"
    return [
        _watched(
            "token_spike",
            lines(
                usage,
                f"STATS tokens = SUM({tokens}) BY anthropic.usage.model",
                f"WHERE tokens > {limits.hourly_tokens}",
            ),
            (HOUR, 5 * MINUTE, 2),
        ),
        _watched(
            "cache_hit_rate",
            lines(
                usage,
                "STATS cached = SUM(anthropic.usage.cached_input_tokens), given = "
                "SUM(anthropic.usage.input_tokens)",
                f"WHERE given > 0 AND 100.0 * cached / given < {limits.cache_hit_percent}",
            ),
            (HOUR, 5 * MINUTE, 3),
        ),
        _watched(
            "model_dominance",
            lines(
                usage,
                "EVAL used = anthropic.usage.uncached_input_tokens + anthropic.usage.cached_input_tokens "
                "+ anthropic.usage.output_tokens",
                "STATS used = SUM(used) BY anthropic.usage.model",
                "SORT used DESC",
                "LIMIT 20",
                "STATS most = MAX(used), total = SUM(used)",
                f"WHERE total > 0 AND 100.0 * most / total > {limits.dominance_percent}",
            ),
            (6 * HOUR, 15 * MINUTE, 3),
        ),
    ]


def _watched(key: str, query: str, times: tuple[timedelta, timedelta, int]) -> Watched:
    window, schedule, delay = times
    return Watched(Rule(PREFIX + key, key, "", query, window, schedule, "", identity=()), delay, ours=False)

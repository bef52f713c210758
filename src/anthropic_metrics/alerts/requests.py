"""The rules over the API's own traces: errors, latency, 429 and 529, requests a minute, delivery.

Spans arrive within minutes; nothing says how late at most, so each window is several schedules long. Groups
of few requests are not judged: one refusal of three is no rate.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.rule import QUARTERLY, Definition, Limit
from anthropic_metrics.kernel.datasets import AGENT, RATE_LIMIT
from anthropic_metrics.telemetry.rpm import BY_GROUP

_HALF_HOUR = timedelta(minutes=30)
_RECENT = "@timestamp > $now - 1 hour"


def _share(key: str, condition: str, *, setting: str, title: str, ended: str) -> Definition:
    """A rule over the share of each model's requests, in per cent, that meet the ES|QL condition."""
    return Definition(
        key=key,
        title=title,
        threshold=f"${setting} % of at least $request_floor requests",
        reads=(),
        spans=True,
        query=(
            "EVAL model = call_model",
            f"STATS requests = COUNT_DISTINCT(call_id), matched = COUNT_DISTINCT(CASE({condition}, call_id)) "
            "BY model",
            "EVAL share_percent = ROUND(100.0 * matched / requests, 1)",
            f"WHERE requests >= $request_floor AND share_percent > ${setting}",
        ),
        identity=("model",),
        subject=f"{{{{model}}}}: {{{{share_percent}}}} % of {{{{requests}}}} requests {ended}",
        window=_HALF_HOUR,
        schedule=QUARTERLY,
        limit=Limit(setting, "share_percent", unit="percent", step=_HALF_HOUR, sliced=True),
    )


REQUESTS = (
    _share(
        "request_errors",
        "failed",
        setting="request_error_percent",
        title="Requests that fail",
        ended="failed",
    ),
    Definition(
        key="request_latency",
        title="Latency against its own week",
        threshold="$latency_factor times the usual, of at least $request_floor requests",
        reads=(),
        spans=True,
        query=(
            "WHERE NOT failed",
            "EVAL model = call_model, waited = CASE(streamed, first_token, seconds), "
            f"recent = CASE({_RECENT}, waited), before = CASE({_RECENT}, null, waited)",
            "STATS requests = COUNT(recent), usual_requests = COUNT(before), p95 = PERCENTILE(recent, 95), "
            "usual_p95 = PERCENTILE(before, 95) BY model",
            "EVAL factor = p95 / usual_p95",
            "WHERE requests >= $request_floor AND usual_requests >= $request_floor "
            "AND factor > $latency_factor",
            "EVAL p95_seconds = ROUND(p95, 2), usual_seconds = ROUND(usual_p95, 2)",
        ),
        identity=("model",),
        subject="{{model}}: 95 % of requests waited up to {{p95_seconds}} s, usually {{usual_seconds}} s",
        window=timedelta(days=6, hours=1),
        schedule=QUARTERLY,
        limit=Limit("latency_factor", "factor", unit="factor", by_day=False, step=timedelta(hours=6)),
    ),
    _share(
        "rate_limited",
        'error_kind == "rate limit (429)"',
        setting="rate_limited_percent",
        title="Requests refused by a rate limit (429)",
        ended="got a 429",
    ),
    _share(
        "overloaded",
        'error_kind == "overloaded (529)"',
        setting="overloaded_percent",
        title="Requests refused by overload (529)",
        ended="got a 529",
    ),
    Definition(
        key="rpm_headroom",
        title="Requests a minute near their limit",
        threshold="$headroom_percent % left",
        reads=(RATE_LIMIT,),
        spans=True,
        query=(
            *BY_GROUP,
            "EVAL limit_group = group_name",
            "STATS most_share = MAX(rpm_share), requests = MAX(requests), rpm_limit = MAX(rpm_limit) "
            "BY limit_group",
            "EVAL headroom_percent = ROUND(100 * (1 - most_share), 1)",
            "WHERE headroom_percent < $headroom_percent",
        ),
        identity=("limit_group",),
        subject="{{limit_group}}: {{requests}} of {{rpm_limit}} requests in a minute",
        window=timedelta(minutes=45),
        polled=lambda config: config.rate_limits.interval,
        schedule=QUARTERLY,
        limit=Limit("headroom_percent", "headroom_percent", above=False, unit="percent"),
    ),
    Definition(
        key="telemetry_destination",
        title="Traces do not arrive: destination disabled or failing",
        threshold="any destination",
        reads=(AGENT,),
        query=(
            'WHERE event.action == "telemetry"',
            # The newest state: a filter on what DISSECT takes out of an aggregate never returns on 8.19.
            "EVAL destination_id = anthropic.telemetry.destination_id, "
            'stamped = TO_LONG(@timestamp) * 10 + CASE(anthropic.telemetry.health == "disabled", 2, '
            'anthropic.telemetry.health == "failing", 1, 0)',
            "STATS stamped = MAX(stamped), destination = MAX(anthropic.telemetry.name) BY destination_id",
            "WHERE stamped % 10 > 0",
            'EVAL health = CASE(stamped % 10 == 2, "disabled", "failing")',
            "KEEP destination_id, destination, health",
        ),
        identity=("destination_id",),
        subject="{{destination}} ({{destination_id}}) is {{health}}: its spans are lost",
        window=timedelta(hours=1),
        polled=lambda config: config.telemetry.interval,
        schedule=QUARTERLY,
    ),
)

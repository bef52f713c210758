"""Requests a minute beside the RPM limits, in ES|QL.

Version 8.17 joins nothing, so the limits and the calls are read together: each model takes its minutes along,
packed into one number each, until the limits have told its group.
"""

from __future__ import annotations

_LIMITS = (
    '(anthropic.rate_limit.scope == "organization" AND anthropic.rate_limit.group_type == "model_group" '
    "AND anthropic.rate_limit.requests_per_minute IS NOT NULL)"
)
_MINUTE, _LIMIT = 60_000, 1_000_000_000  # milliseconds; above any limit
_COUNT = 1_000_000  # above any number of requests a minute

# Commands of a query `FROM calls, <rate limits>`. What comes out, by limit group and minute (its number since
# 1970) with requests: `requests`, `rpm_limit` (the organization's newest in the range) and `rpm_share`.
# Arithmetic alone tells limits from requests: a CASE is evaluated row by row, which took six times as long as
# all the rest.
BY_GROUP = (
    f"WHERE call_id IS NOT NULL OR {_LIMITS}",
    "EVAL is_request = call_id IS NOT NULL, model = COALESCE(call_model, anthropic.rate_limit.models), "
    f"stamped = TO_LONG(@timestamp) / 1000 * {_LIMIT} + anthropic.rate_limit.requests_per_minute",
    # All limits have minute 0, or each snapshot would be a group.
    f"EVAL minute = TO_LONG(@timestamp) / {_MINUTE} * TO_LONG(is_request)",
    # A limit has several models, and counts in the group of each.
    "STATS requests = COUNT_DISTINCT(call_id), rpm_limit = MAX(stamped), "
    "group_name = MAX(anthropic.rate_limit.group_name) BY model, minute",
    f"EVAL packed = minute * {_COUNT} + requests",
    "STATS packed = VALUES(packed), rpm_limit = MAX(rpm_limit), group_name = MAX(group_name) BY model",
    "WHERE rpm_limit IS NOT NULL",
    "MV_EXPAND packed",
    "WHERE packed > 0",
    f"EVAL minute = packed / {_COUNT}, requests = packed % {_COUNT}, rpm_limit = rpm_limit % {_LIMIT}",
    "STATS requests = SUM(requests), rpm_limit = MAX(rpm_limit) BY group_name, minute",
    "EVAL rpm_share = TO_DOUBLE(requests) / rpm_limit",
)

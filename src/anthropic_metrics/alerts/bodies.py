"""A rule as Kibana's alerting API takes it, by Kibana's version.

Two things came late: one alert per row (`groupBy: row`, 8.19 and 9.1), and `?_tend` in rules (9.2, pull
request 236355 of elastic/kibana; before it such a rule fails at every run). An older Kibana gets one alert
for all rows, and `NOW()`.
"""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

from anthropic_metrics.alerts.rule import NOW, Rule
from anthropic_metrics.config import format_duration
from anthropic_metrics.kernel import digests

Version = tuple[int, ...]
Body = dict[str, Any]

TAG = "anthropic-metrics"
NEWEST: Version = (9, 2)
_DIGEST_TAG = f"{TAG}-"
# On a rule that was created disabled because its default threshold would have fired at once.
DISABLED_TAG = f"{_DIGEST_TAG}disabled"
_ONLY_AT_CREATION = ("rule_type_id", "consumer", "enabled")
_FIRED, _RECOVERED = "query matched", "recovered"


def knows_rows(version: Version) -> bool:
    """Whether each row can be an alert of its own."""
    return (8, 19) <= version < (9, 0) or version >= (9, 1)


def knows_window_end(version: Version) -> bool:
    """Whether Kibana fills in `?_tend`."""
    return version >= (9, 2)


def query(rule: Rule, version: Version) -> str:
    return rule.query if knows_window_end(version) else rule.query.replace(NOW, "NOW()")


def rule_id(rule: Rule, namespace: str) -> str:
    """The same at every install; one set of rules per namespace. A UUID of version 4 in shape."""
    return str(UUID(bytes=digests.digest(f"{TAG} {namespace} {rule.key}"), version=4))


def namespace_tag(namespace: str) -> str:
    return f"{TAG}:{namespace}"


def create_body(
    rule: Rule, namespace: str, version: Version = NEWEST, actions: list[Body] | None = None
) -> Body:
    """For `POST /api/alerting/rule/{id}`. The last tag is the digest of what the agent wrote."""
    tags = [TAG, namespace_tag(namespace)]
    body: Body = {
        "name": rule.name,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "enabled": True,
        "tags": tags,
        "schedule": {"interval": format_duration(rule.schedule)},
        "params": _params(rule, version),
        "alert_delay": {"active": 1},
        "actions": actions or [],
    }
    return body | {"tags": [*tags, _DIGEST_TAG + digest(body)]}


def update_body(created: Body) -> Body:
    """For `PUT /api/alerting/rule/{id}`: what only creation may say is left out."""
    return {name: value for name, value in created.items() if name not in _ONLY_AT_CREATION}


def digest(body: Body) -> str:
    """Of all that a user could change and the agent would overwrite; also of what Kibana answers."""
    params = body.get("params") or {}
    said = {
        "name": body.get("name"),
        "tags": sorted(tag for tag in body.get("tags", ()) if not tag.startswith(_DIGEST_TAG)),
        "schedule": (body.get("schedule") or {}).get("interval"),
        "query": (params.get("esqlQuery") or {}).get("esql"),
        "params": {name: params.get(name) for name in ("timeWindowSize", "timeWindowUnit", "groupBy")},
        "delay": (body.get("alert_delay") or {}).get("active"),
        "actions": [
            [action.get("id"), action.get("group"), action.get("params")]
            for action in body.get("actions", ())
        ],
    }
    return digests.hex_digest(json.dumps(said, sort_keys=True), size=6)


def is_untouched(stored: Body) -> bool:
    """Whether a rule that Kibana holds is as the agent wrote it."""
    return _DIGEST_TAG + digest(stored) in stored.get("tags", ())


def template(rule: Rule, namespace: str) -> Body:
    """An `alerting_rule_template` saved object, for Kibana 9.2.1 and newer: a form filled in.

    The first builds of 9.2 ask for a `consumer`, which every later one refuses: no template suits both.
    """
    return {
        "id": f"anthropic-metrics-{namespace}-{re.sub(r'[^a-z0-9]+', '-', rule.key.lower()).strip('-')}",
        "type": "alerting_rule_template",
        "managed": False,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "10.1.0",
        "references": [],
        "attributes": {
            "name": rule.name,
            "tags": [TAG],
            "ruleTypeId": ".es-query",
            "schedule": {"interval": format_duration(rule.schedule)},
            "params": _params(rule, NEWEST),
            "alertDelay": {"active": 1},
        },
    }


def actions(rule: Rule, connector: str, fired: Body, recovered: Body) -> list[Body]:
    """Two actions of one connector: once per new alert and once per recovery."""
    frequency = {"summary": False, "notify_when": "onActionGroupChange", "throttle": None}
    return [
        {"id": connector, "group": group, "frequency": frequency, "params": params}
        for group, params in ((_FIRED, fired), (_RECOVERED, recovered))
    ]


def _params(rule: Rule, version: Version) -> Body:
    window = format_duration(rule.window)
    return {
        "searchType": "esqlQuery",
        "esqlQuery": {"esql": query(rule, version)},
        "timeField": "@timestamp",
        "timeWindowSize": int(window[:-1]),
        "timeWindowUnit": window[-1],
        "size": 0,
        "threshold": [0],
        "thresholdComparator": ">",
        "groupBy": "row" if knows_rows(version) else "all",
        "aggType": "count",
        "excludeHitsFromPreviousRun": False,
    }

"""What Kibana's connectors are to send, by the connector's type.

Kibana checks an action's parameters only when it fires, after the text is rendered. So what grows with the
rows (the message, and the link, which holds the whole query) stays out of fields that have a limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from anthropic_metrics.alerts.bodies import Body, actions
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import AlertSettings
from anthropic_metrics.errors import BadRequest, ConfigError
from anthropic_metrics.kibana.client import KibanaClient

_PLAIN = (".slack", ".teams")


def connector_types(kibana: KibanaClient, connectors: Iterable[str]) -> dict[str, str]:
    """The type of each connector; ConfigError naming those that Kibana does not have."""
    types, absent = {}, []
    for connector in connectors:
        try:
            types[connector] = str(
                kibana.request("GET", f"/api/actions/connector/{connector}")["connector_type_id"]
            )
        except BadRequest as error:
            if error.status != 404:
                raise
            absent.append(connector)
    if absent:
        raise ConfigError(
            f"alerts.connectors: Kibana has no connector {', '.join(absent)} in this space.",
            cure="Copy the id from the connector's page under Stack Management > Connectors.",
        )
    return types


def rule_actions(rule: Rule, types: dict[str, str], settings: AlertSettings) -> list[Body]:
    """The actions of all connectors. Raises ConfigError for a type that needs more than a message."""
    bodies: list[Body] = []
    for connector, kind in types.items():
        fired = _params(kind, connector, rule, settings, over=False)
        recovered = _params(kind, connector, rule, settings, over=True)
        bodies += actions(rule, connector, fired, recovered)
    return bodies


def _params(kind: str, connector: str, rule: Rule, settings: AlertSettings, *, over: bool) -> Body:
    message = _message(rule, over=over)
    if kind in _PLAIN:
        return {"message": message}
    if kind == ".server-log":
        return {"level": "info" if over else "warn", "message": message}
    if kind == ".index":
        return {"documents": [_fields(rule, over=over)]}
    if kind == ".webhook":
        return {"body": json.dumps(_fields(rule, over=over))}
    if kind == ".pagerduty":
        key: Body = {"eventAction": "resolve" if over else "trigger", "dedupKey": "{{rule.id}}:{{alert.id}}"}
        if over:
            return key
        details = {"message": _message(rule, over=False, link=""), "link": "{{context.link}}"}
        summary = "{{rule.name}} ({{alert.id}})"
        return {**key, "summary": summary, "severity": "warning", "customDetails": details}
    if kind == ".email":
        return {"to": _recipients(connector, settings), "subject": rule.name, "message": message}
    raise ConfigError(
        f"alerts.connectors: {connector} is of the type {kind}, which needs more than a message.",
        cure="Add it to the rules in Kibana; `alerts install` keeps a rule that was changed there.",
    )


def _recipients(connector: str, settings: AlertSettings) -> list[str]:
    if not settings.emails:
        raise ConfigError(f"alerts.emails: connector {connector} sends e-mail, but there is no recipient.")
    return list(settings.emails)


def _message(rule: Rule, *, over: bool, link: str = "{{context.link}}") -> str:
    """Mustache over the rows of the alert; at a recovery Kibana has no rows any more."""
    if over:
        return "Recovered: {{rule.name}} ({{alert.id}})"
    # One row where each row is an alert of its own, every row on an older Kibana.
    row = re.sub(r"\{\{(\w+)\}\}", r"{{_source.\1}}", rule.subject)
    return "{{rule.name}}: {{#context.hits}}" + row + ". {{/context.hits}}" + link


def _fields(rule: Rule, *, over: bool) -> Body:
    return {
        "@timestamp": "{{date}}",
        "event": "recovered" if over else "fired",
        "rule": "{{rule.name}}",
        "alert": "{{alert.id}}",
        "message": _message(rule, over=over),
    }

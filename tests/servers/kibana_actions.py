"""What Kibana's connectors take: parameters after the text is rendered, which is when Kibana checks them.

From the schemas of elastic/kibana (kbn-connector-schemas): unknown keys are refused, and so is what is longer
than the connector allows. A rule whose action is refused is made without complaint and fails when it fires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_KEYS = {
    ".server-log": {"level", "message"},
    ".slack": {"message"},
    ".teams": {"message"},
    ".webhook": {"body"},
    ".index": {"documents", "indexOverride"},
    ".email": {"to", "cc", "bcc", "subject", "message", "messageHTML", "kibanaFooterLink"},
    ".pagerduty": {
        "eventAction", "dedupKey", "summary", "source", "severity", "timestamp", "component", "group",
        "class", "links", "customDetails",
    },
}  # fmt: skip
_SECTION = re.compile(r"\{\{#([\w.]+)\}\}(.*?)\{\{/\1\}\}", re.DOTALL)
_VALUE = re.compile(r"\{\{([\w.]+)\}\}")


def rendered(params: Any, variables: Mapping[str, Any]) -> Any:
    """Every text of the parameters, filled in as by Mustache."""
    if isinstance(params, str):
        return _fill(params, variables)
    if isinstance(params, dict):
        return {name: rendered(value, variables) for name, value in params.items()}
    if isinstance(params, list):
        return [rendered(value, variables) for value in params]
    return params


def problems(kind: str, params: Mapping[str, Any]) -> list[str]:
    """Why the connector would refuse these rendered parameters."""
    found = [f"unknown key {name}" for name in params.keys() - _KEYS[kind]]
    if kind in (".server-log", ".slack", ".teams", ".email") and not params["message"].strip():
        found.append("empty message")
    if kind == ".server-log" and params["level"] not in ("trace", "debug", "info", "warn", "error", "fatal"):
        found.append("no such level")
    if kind == ".webhook":
        json.loads(params["body"])
    if kind == ".index" and not all(isinstance(each, dict) for each in params["documents"]):
        found.append("documents are no objects")
    if kind == ".email":
        addresses = [*params["to"], *params.get("cc", ()), *params.get("bcc", ())]
        if not addresses or len(addresses) > 100 or max(map(len, addresses)) > 512:
            found.append("addresses")
    return found + (_pagerduty(params) if kind == ".pagerduty" else [])


def _pagerduty(params: Mapping[str, Any]) -> list[str]:
    found = []
    if params["eventAction"] not in ("trigger", "resolve", "acknowledge"):
        found.append("no such event action")
    if params["eventAction"] != "trigger" and not params.get("dedupKey"):
        found.append("no dedupKey")
    if len(params.get("dedupKey", "")) > 255:
        found.append(f"dedupKey of {len(params['dedupKey'])} characters")
    if len(params.get("summary", "")) > 1024:
        found.append(f"summary of {len(params['summary'])} characters")
    if params.get("severity", "info") not in ("critical", "error", "warning", "info"):
        found.append("no such severity")
    if any(each.keys() != {"href", "text"} for each in params.get("links", ())):
        found.append("links")
    return found


def _fill(text: str, variables: Mapping[str, Any]) -> str:
    def repeat(match: re.Match[str]) -> str:
        rows = _lookup(match[1], variables) or []
        return "".join(_fill(match[2], {**variables, **row}) for row in rows)

    return _VALUE.sub(lambda match: _shown(_lookup(match[1], variables)), _SECTION.sub(repeat, text))


def _lookup(path: str, variables: Mapping[str, Any]) -> Any:
    """Mustache walks dots: a column with a dot in its name cannot be reached."""
    value: Any = variables
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> str:
    return "" if value is None else json.dumps(str(value), ensure_ascii=False)[1:-1]

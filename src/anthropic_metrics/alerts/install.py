"""Creates, updates and removes the rules in Kibana, leaving alone what a user changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from anthropic_metrics.alerts.actions import connector_types, rule_actions
from anthropic_metrics.alerts.bodies import (
    DISABLED_TAG,
    Body,
    create_body,
    is_untouched,
    namespace_tag,
    rule_id,
    update_body,
)
from anthropic_metrics.alerts.catalog import left_out, rules
from anthropic_metrics.alerts.evaluation import first_impression, has_default
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.steps import DONE, Step
from anthropic_metrics.errors import BadRequest, BrokenContract, MetricsError
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

_PAGE = 100


Action = Literal["create", "update", "delete", "keep", "unchanged", "off"]


@dataclass(frozen=True)
class Request:
    """One request to Kibana."""

    method: str
    path: str
    body: Body | None = None


@dataclass(frozen=True)
class Change:
    """What becomes of one rule, and the requests that it takes."""

    action: Action
    name: str
    detail: str = ""
    requests: tuple[Request, ...] = ()


# How many alerts a rule would begin with under a default threshold, and what to say about it.
Impression = Callable[[Rule], tuple[int, str]]


def impression(es: Client | None, config: Config, now: datetime) -> Impression:
    """Asks the documents that are there; without Elasticsearch a default threshold is not judged."""
    if es is None:
        said = "its default threshold was not evaluated: there is no elasticsearch.hosts"
        return lambda rule: (0, said if has_default(rule, config) else "")
    return lambda rule: first_impression(es, rule, config, now)


def plan_install(
    kibana: KibanaClient, config: Config, judge: Impression, *, overwrite: bool = False
) -> list[Change]:
    """What `apply` would do; only reads.

    A rule that was changed in Kibana is kept as it is unless `overwrite`. A new rule whose default threshold
    would fire at once is created disabled; once its threshold is set it is enabled. Any other rule is enabled
    or disabled as the user has it. Rules of ours that the configuration no longer has are deleted, if nobody
    changed them.
    """
    version = kibana.version()
    if version < OLDEST_ELASTIC:
        raise MetricsError(
            "This Kibana is too old for the rules.", cure=f"Use Kibana {OLDEST_TEXT} or newer."
        )
    types = connector_types(kibana, config.alerts.connectors)
    stored_rules = {stored["id"]: stored for stored in _ours(kibana, config.namespace)}
    changes = []
    for rule in rules(config):
        identity = rule_id(rule, config.namespace)
        body = create_body(rule, config.namespace, version, rule_actions(rule, types, config.alerts))
        stored = stored_rules.pop(identity, None) or _get(kibana, identity)
        if stored is None:
            changes.append(_creation(identity, body, *judge(rule)))
        else:
            changes.append(_change(body, stored, default=has_default(rule, config), overwrite=overwrite))
    off = [Change("off", rule.name, why) for rule, why in left_out(config)]
    return [*changes, *off, *(_removal(stored, overwrite=overwrite) for stored in stored_rules.values())]


def install_rules(config: Config, es: Client, now: datetime, *, dry_run: bool) -> list[Step]:
    """What `setup` does about the rules, a step for each. Raises nothing of ours.

    One message and one cure, however many rules it keeps out; those that came before it stay.
    """
    try:
        with KibanaClient(config.kibana) as kibana:
            changes = plan_install(kibana, config, impression(es, config, now))
            if not dry_run:
                apply(kibana, changes)
    except MetricsError as error:
        return [Step("alert rule", "all", "create", error.message, status="failed", cure=error.cure)]
    return [_step(change, dry_run=dry_run) for change in changes]


def _step(change: Change, *, dry_run: bool) -> Step:
    action = "skip" if change.action == "keep" or change.action == "off" else change.action
    return Step("alert rule", change.name, action, change.detail, status=None if dry_run else DONE[action])


def plan_uninstall(kibana: KibanaClient, config: Config) -> list[Change]:
    """Delete every rule of ours of this namespace, changed or not."""
    return [_delete(stored["id"], stored["name"], "") for stored in _ours(kibana, config.namespace)]


def apply(kibana: KibanaClient, changes: list[Change]) -> None:
    """Send the requests. Raises what the client raises; repeating it finishes what is left.

    A rule that somebody else created in the meantime (409) is updated, one that is already gone is done.
    """
    for change in changes:
        for request in change.requests:
            try:
                kibana.request(request.method, request.path, json=request.body)
            except BadRequest as error:
                if change.action == "create" and error.status == 409 and request.body is not None:
                    kibana.request("PUT", request.path, json=update_body(request.body))
                elif not (change.action == "delete" and error.status == 404):
                    raise


def _creation(identity: str, body: Body, count: int, said: str) -> Change:
    if count:
        body = {**body, "enabled": False, "tags": [*body["tags"], DISABLED_TAG]}
        said = f"disabled: {said}"
    return Change("create", str(body["name"]), said, (Request("POST", _path(identity), body),))


def _change(body: Body, stored: Body, *, default: bool, overwrite: bool) -> Change:
    path, name = _path(stored["id"]), str(body["name"])
    if not is_untouched(stored) and not overwrite:
        return Change("keep", name, "changed in Kibana; --overwrite puts it back")
    waits = DISABLED_TAG in stored.get("tags", ()) and not stored.get("enabled")
    if waits and default:
        body = {**body, "tags": [*body["tags"], DISABLED_TAG]}
    said = "disabled: its threshold is still the default; see `alerts suggest`" if waits and default else ""
    if stored.get("tags") == body["tags"] and is_untouched(stored):
        return Change("unchanged", name, said)
    requests = [Request("PUT", path, update_body(body))]
    if waits and not default:
        requests.append(Request("POST", f"{path}/_enable"))
        said = "enabled: its threshold is set"
    return Change("update", name, said, tuple(requests))


def _removal(stored: Body, *, overwrite: bool) -> Change:
    if is_untouched(stored) or overwrite:
        return _delete(stored["id"], stored["name"], "not in the configuration any more")
    return Change("keep", stored["name"], "not in the configuration any more, but changed in Kibana")


def _delete(identity: str, name: str, detail: str) -> Change:
    return Change("delete", name, detail, (Request("DELETE", _path(identity)),))


def _path(identity: str) -> str:
    return f"/api/alerting/rule/{identity}"


def _get(kibana: KibanaClient, identity: str) -> Body | None:
    """A rule whose tags a user took away is found by its id."""
    try:
        stored: Body = kibana.request("GET", _path(identity))
    except BadRequest as error:
        if error.status != 404:
            raise
        return None
    return stored


def _ours(kibana: KibanaClient, namespace: str) -> Iterator[Body]:
    """Every rule with this namespace's tag, page by page."""
    page, seen = 1, 0
    while True:
        params: dict[str, Any] = {
            "filter": f'alert.attributes.tags:"{namespace_tag(namespace)}"',
            "per_page": _PAGE,
            "page": page,
            "sort_field": "name",
        }
        answer = kibana.request("GET", "/api/alerting/rules/_find", params=params)
        if not isinstance(answer, dict) or not isinstance(rules := answer.get("data"), list):
            raise BrokenContract("GET /api/alerting/rules/_find: the answer is not a page of rules.")
        yield from (rule for rule in rules if isinstance(rule, dict) and "id" in rule)
        seen += len(rules)
        if not rules or seen >= answer.get("total", 0):
            return
        page += 1

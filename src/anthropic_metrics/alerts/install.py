"""Creates, updates and removes the rules in Kibana, leaving alone what a user changed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anthropic_metrics.alerts.actions import connector_types, rule_actions
from anthropic_metrics.alerts.bodies import (
    Body,
    create_body,
    is_untouched,
    namespace_tag,
    rule_id,
    update_body,
)
from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.steps import DONE, Step
from anthropic_metrics.errors import BadRequest, MetricsError
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

_PAGE = 100


Action = Literal["create", "update", "delete", "keep", "unchanged"]


@dataclass(frozen=True)
class Change:
    """What is to become of one rule. To create, update or delete it there is a request."""

    action: Action
    name: str
    detail: str = ""
    method: str = ""
    path: str = ""
    body: Body | None = None


def plan_install(kibana: KibanaClient, config: Config, *, overwrite: bool = False) -> list[Change]:
    """What `apply` would do; only reads.

    A rule that was changed in Kibana is kept as it is unless `overwrite`; whether it is enabled is always
    the user's. Rules of ours that the configuration no longer has are deleted, if nobody changed them.
    """
    version = kibana.version()
    if version < OLDEST_ELASTIC:
        raise MetricsError(
            "This Kibana is too old for the rules.", cure=f"Use Kibana {OLDEST_TEXT} or newer."
        )
    types = connector_types(kibana, config.alerts.connectors)
    held = {found["id"]: found for found in _ours(kibana, config.namespace)}
    changes = []
    for rule in rules(config):
        identity = rule_id(rule, config.namespace)
        body = create_body(rule, config.namespace, version, rule_actions(rule, types, config.alerts))
        found = held.pop(identity, None) or _get(kibana, identity)
        changes.append(_change(identity, body, found, overwrite=overwrite))
    return [*changes, *(_removal(found, overwrite=overwrite) for found in held.values())]


def install_rules(config: Config, *, dry_run: bool) -> list[Step]:
    """What `setup` does about the rules, a step for each. Raises nothing of ours.

    One message and one cure, however many rules it keeps out; those that came before it stay.
    """
    try:
        with KibanaClient(config.kibana) as kibana:
            changes = plan_install(kibana, config)
            if not dry_run:
                apply(kibana, changes)
    except MetricsError as error:
        return [Step("alert rule", "all", "create", error.message, status="failed", cure=error.cure)]
    return [_step(change, dry_run=dry_run) for change in changes]


def _step(change: Change, *, dry_run: bool) -> Step:
    action = "skip" if change.action == "keep" else change.action
    return Step("alert rule", change.name, action, change.detail, status=None if dry_run else DONE[action])


def plan_uninstall(kibana: KibanaClient, config: Config) -> list[Change]:
    """Delete every rule of ours of this namespace, changed or not."""
    return [_delete(found["id"], found["name"], "") for found in _ours(kibana, config.namespace)]


def apply(kibana: KibanaClient, changes: list[Change]) -> None:
    """Send the requests. Raises what the client raises; repeating it finishes what is left.

    A rule that somebody else created in the meantime (409) is updated, one that is already gone is done.
    """
    for change in changes:
        if not change.method:
            continue
        try:
            kibana.request(change.method, change.path, json=change.body)
        except BadRequest as error:
            if change.action == "create" and error.status == 409 and change.body is not None:
                kibana.request("PUT", change.path, json=update_body(change.body))
            elif not (change.action == "delete" and error.status == 404):
                raise


def _change(identity: str, body: Body, found: Body | None, *, overwrite: bool) -> Change:
    path, name = f"/api/alerting/rule/{identity}", str(body["name"])
    if found is None:
        return Change("create", name, "", "POST", path, body)
    if not is_untouched(found) and not overwrite:
        return Change("keep", name, "changed in Kibana; --overwrite puts it back")
    if found.get("tags") == body["tags"] and is_untouched(found):
        return Change("unchanged", name)
    return Change("update", name, "", "PUT", path, update_body(body))


def _removal(found: Body, *, overwrite: bool) -> Change:
    if is_untouched(found) or overwrite:
        return _delete(found["id"], found["name"], "not in the configuration any more")
    return Change("keep", found["name"], "not in the configuration any more, but changed in Kibana")


def _delete(identity: str, name: str, detail: str) -> Change:
    return Change("delete", name, detail, "DELETE", f"/api/alerting/rule/{identity}")


def _get(kibana: KibanaClient, identity: str) -> Body | None:
    """A rule whose tags a user took away is found by its id."""
    try:
        found: Body = kibana.request("GET", f"/api/alerting/rule/{identity}")
    except BadRequest as error:
        if error.status != 404:
            raise
        return None
    return found


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
        yield from answer["data"]
        seen += len(answer["data"])
        if not answer["data"] or seen >= answer["total"]:
            return
        page += 1

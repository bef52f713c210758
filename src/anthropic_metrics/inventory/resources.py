"""Resources from the lists of the Admin API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from anthropic_metrics.admin_api.replies import ApiKey, ServiceAccount, User, Workspace
from anthropic_metrics.documents.inventory import Use
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE

Facts = Mapping[str, Any]


class Kind(StrEnum):
    """What a resource is."""

    organization = "organization"
    workspace = "workspace"
    api_key = "api_key"
    user = "user"
    service_account = "service_account"


@dataclass(frozen=True)
class Resource:
    """One resource: `facts` are fields of `documents.inventory.InventoryFields`.

    `workspace_id` is the workspace that rows of usage name for it, `Default` for the default one. `by` is who
    made it as it is now, where the API says so. `carried`: it is no longer listed and stands as it last did.
    """

    kind: Kind
    id: str
    facts: Facts
    workspace_id: str | None = None
    by: str | None = None
    carried: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart from all others of the organization."""
        return self.kind, self.id

    def having(self, **facts: Any) -> Resource:
        """The same with these facts changed."""
        return replace(self, facts={**self.facts, **facts})


@dataclass(frozen=True)
class Listed:
    """One list as it was read. `clean`: every entry could be read, so what is not in it is gone."""

    kind: Kind
    resources: Sequence[Resource] = ()
    clean: bool = True


@dataclass(frozen=True)
class Owners:
    """Names of users and service accounts by id, as far as they may be shown."""

    names: Mapping[str, str] = field(default_factory=dict)


def of_organization(id_: str, name: str | None) -> Resource:
    """The organization itself."""
    return Resource(Kind.organization, id_, {"name": name, "state": "active"})


def of_workspace(space: Workspace, default: str | None) -> Resource:
    """A workspace; `default` is the id of the default one."""
    residency = space.data_residency or {}
    geos = residency.get("allowed_inference_geos")
    is_default = space.id == default
    facts = {
        "name": space.name,
        "state": "archived" if space.archived_at else "active",
        "created_at": space.created_at,
        "archived_at": space.archived_at,
        "is_default": True if is_default else None,
        "workspace_geo": _text(residency.get("workspace_geo")),
        "default_inference_geo": _text(residency.get("default_inference_geo")),
        "allowed_inference_geos": sorted(filter(None, map(_text, geos)))
        if isinstance(geos, list)
        else [text]
        if (text := _text(geos))
        else None,
    }
    return Resource(Kind.workspace, space.id, facts, DEFAULT_WORKSPACE if is_default else space.id)


def of_api_key(key: ApiKey, default: str | None, owners: Owners) -> Resource:
    """An API key's entry. In the older shape no workspace means the default one."""
    scope = _text((key.scope or {}).get("type")) or "workspace"
    creator, principal = key.created_by or {}, key.principal or {}
    created_by = _text(creator.get("id"))
    owner = _text(principal.get("user_id")) or _text(principal.get("service_account_id")) or created_by
    workspace = None if scope == "organization" else key.workspace_id or default
    facts = {
        "name": key.name,
        "state": key.status or "active",
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "scope": scope,
        "workspace_id": workspace,
        "created_by_id": created_by,
        "created_by_type": _text(creator.get("type")),
        "owner_id": owner,
        "owner_name": owners.names.get(owner or ""),
    }
    shown = None if scope == "organization" else DEFAULT_WORKSPACE if workspace == default else workspace
    return Resource(Kind.api_key, key.id, facts, shown, by=created_by)


def of_user(user: User, *, named: bool) -> Resource:
    """A member; the name only where it may be shown, the e-mail address never."""
    facts = {
        "name": user.name if named else None,
        "state": "active",
        "created_at": user.added_at,
        "role": user.role,
    }
    return Resource(Kind.user, user.id, facts)


def of_service_account(account: ServiceAccount) -> Resource:
    """A service account."""
    facts = {
        "name": account.name,
        "state": "archived" if account.archived_at else "active",
        "created_at": account.created_at,
        "archived_at": account.archived_at,
        "created_by_id": account.created_by_actor_id,
        "role": account.organization_role,
    }
    by = account.archived_by_actor_id or account.updated_by_actor_id or account.created_by_actor_id
    return Resource(Kind.service_account, account.id, facts, by=by)


def of_document(anthropic: Facts) -> Resource:
    """A resource as its latest document has it, without what was joined to it."""
    facts = dict(anthropic["inventory"])
    for name in (*Use.model_fields, "expires_in_days", "own_limits", "lists", "refused_lists"):
        facts.pop(name, None)
    kind, id_ = Kind(facts.pop("type")), facts.pop("id")
    workspace = anthropic.get("workspace") or {}
    return Resource(kind, id_, facts, workspace.get("id"), carried=True)


def gone(
    listed: Listed, before: Mapping[tuple[str, str], Facts], now: datetime, patience: float
) -> list[Resource]:
    """What the list no longer has: as it last stood, from the second look on (`patience` seconds after the
    first) as deleted. `before` are the latest documents' `anthropic` by kind and id.

    A list that could not be read to its last entry says nothing of what it lacks.
    """
    present = {resource.id for resource in listed.resources}
    resources = []
    for (kind, id_), anthropic in before.items():
        if kind != listed.kind or id_ in present or anthropic["inventory"]["state"] == "deleted":
            continue
        resource = of_document(anthropic)
        if listed.clean:
            since = resource.facts.get("absent_since")
            absent = None if since is None else (now - datetime.fromisoformat(since)).total_seconds()
            # An absence that begins in the future was noted by a clock that was wrong.
            if absent is None or absent < 0:
                resource = resource.having(absent_since=now)
            elif absent >= patience:
                resource = resource.having(state="deleted")
        resources.append(resource)
    return resources


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

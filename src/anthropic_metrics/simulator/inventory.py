"""How workspaces, API keys and spend limits are written by the API, in the `new` and the `old` shape."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from anthropic_metrics.simulator.clock import epoch, iso

from .identity import tagged
from .organization import ApiKey, Organization, ServiceAccount, SpendLimit, User, Workspace


def workspace_row(seed: int, workspace: Workspace, at: datetime | None, shape: str) -> dict[str, Any]:
    archived = workspace.archived_at
    shown = archived if archived is not None and (at is None or archived <= at) else None
    row: dict[str, Any] = {
        "id": workspace.id,
        "type": "workspace",
        "name": workspace.name,
        "created_at": _time(workspace.created_at),
        "archived_at": _time(shown),
        "display_color": workspace.display_color,
        "data_residency": {
            "workspace_geo": "us",
            "allowed_inference_geos": "unrestricted",
            "default_inference_geo": workspace.default_geo,
        },
    }
    if shape == "old":
        return row
    return {
        **row,
        "tags": dict(workspace.tags),
        "compartment_id": tagged("cmpt", seed, workspace.id),
        "external_key_id": None,
        "user_profile_id": None,
    }


def api_key_row(key: ApiKey, organization: Organization, shape: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": key.id,
        "type": "api_key",
        "name": key.name,
        "status": key.status,
        "partial_key_hint": key.hint,
        "created_at": _time(key.created_at),
        "created_by": {"id": key.created_by, "type": "user"},
        "expires_at": _time(key.expires_at),
    }
    workspace = None if key.workspace_id is None else organization.workspace(key.workspace_id)
    if shape == "old":
        # Older answers have no id for the default workspace.
        return {**row, "workspace_id": None if workspace is None else workspace.report_id}
    account = key.service_account_id
    principal = None if account is None else {"type": "service_account_actor", "service_account_id": account}
    if key.workspace_id is None:
        return {**row, "scope": {"type": "organization"}, "principal": principal}
    scope = {"type": "workspace", "workspace_id": key.workspace_id}
    return {**row, "scope": scope, "principal": principal}


def user_row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "type": "user",
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "added_at": _time(user.added_at),
    }


def service_account_row(account: ServiceAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "type": "service_account",
        "name": account.name,
        "description": None,
        "organization_role": account.role,
        "created_at": _time(account.created_at),
        "created_by_actor_id": account.created_by,
        "updated_at": _time(account.archived_at or account.created_at),
        "updated_by_actor_id": account.created_by,
        "archived_at": _time(account.archived_at),
        "archived_by_actor_id": account.created_by if account.archived_at else None,
    }


def spend_limit_row(limit: SpendLimit) -> dict[str, Any]:
    scope = {"type": "organization"}
    if limit.workspace_id is not None:
        scope = {"type": "workspace", "workspace_id": limit.workspace_id}
    return {
        "id": limit.id,
        "type": "spend_limit",
        "amount": limit.amount,
        "currency": "USD",
        "period": limit.period,
        "scope": scope,
        "is_enabled": True,
        "created_at": _time(limit.created_at),
        "updated_at": _time(limit.created_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(int(epoch(moment)))

"""The Admin API's small lists, whole and typed. Reports by buckets are read by `pages.read_buckets`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import read_list
from anthropic_metrics.admin_api.replies import (
    ApiKey,
    Organization,
    RateLimit,
    RateLimitGroup,
    ServiceAccount,
    SpendLimit,
    User,
    Workspace,
)
from anthropic_metrics.admin_api.reply import parse_row, parse_rows
from anthropic_metrics.errors import BadRequest, BrokenContract
from anthropic_metrics.kernel.problems import Problems

__all__ = [
    "api_keys",
    "organization",
    "organization_rate_limits",
    "service_accounts",
    "spend_limits",
    "users",
    "workspace_rate_limits",
    "workspaces",
]

_BASE = "/v1/organizations"
_SPEND_LIMITS = "spend-limit-reads-2026-09-26"
_LARGEST_PAGE = ("limit", "1000")


def organization(client: AdminClient) -> Organization:
    """The organization of the key. Raises BrokenContract when the answer is not an organization."""
    problems = Problems()
    organizations = parse_rows(Organization, [client.get(f"{_BASE}/me")], "organization", problems)
    if not organizations:
        reason = problems.bad_rows[0][1]
        raise BrokenContract(f"The Admin API's answer to {_BASE}/me is not an organization: {reason}.")
    return organizations[0]


def workspaces(client: AdminClient, *, problems: Problems, default: bool = False) -> list[Workspace]:
    """All workspaces that can be listed, archived ones too, so that old usage keeps its name.

    With `default` also the default workspace, under its own id: usage and costs name it by null.
    """
    with_default = (("include_default", "true"),) if default else ()
    params = (("include_archived", "true"), *with_default, _LARGEST_PAGE)
    return parse_rows(Workspace, read_list(client, f"{_BASE}/workspaces", params), "workspaces", problems)


def api_keys(client: AdminClient, *, problems: Problems) -> list[ApiKey]:
    """All API keys in whatever state; in the older shape, no `workspace_id` means the default workspace."""
    return parse_rows(ApiKey, read_list(client, f"{_BASE}/api_keys", (_LARGEST_PAGE,)), "api_keys", problems)


def users(client: AdminClient, *, problems: Problems) -> list[User]:
    """The organization's members."""
    return parse_rows(User, read_list(client, f"{_BASE}/users", (_LARGEST_PAGE,)), "users", problems)


def service_accounts(client: AdminClient, *, problems: Problems) -> list[ServiceAccount]:
    """All service accounts, archived ones too; an Admin API key may be refused (AuthError, 403)."""
    params = (("include_archived", "true"), _LARGEST_PAGE)
    entries = read_list(client, f"{_BASE}/service_accounts", params)
    return parse_rows(ServiceAccount, entries, "service_accounts", problems)


def organization_rate_limits(client: AdminClient, *, problems: Problems) -> list[RateLimitGroup]:
    """The organization's limits as they stand now, one entry per group."""
    return _groups(read_list(client, f"{_BASE}/rate_limits"), "rate_limits", problems)


def workspace_rate_limits(
    client: AdminClient, workspace_id: str, *, problems: Problems
) -> list[RateLimitGroup]:
    """A workspace's limits, inherited ones too (`source` tells); none for a workspace that answers 404.

    An archived workspace answers 404, which says nothing about the others. Raises BrokenContract for an id
    that would lead to another path.
    """
    if workspace_id in (".", ".."):
        raise BrokenContract(
            f"The Admin API lists a workspace whose id cannot be used in a request: {workspace_id!r}."
        )
    path = f"{_BASE}/workspaces/{quote(workspace_id, safe='')}/rate_limits"
    try:
        entries = list(read_list(client, path, (("include_inherited", "true"),)))
    except BadRequest as refusal:
        if refusal.status != 404:
            raise
        return []
    # The older shape does not repeat whose limits these are.
    owned = [{"workspace_id": workspace_id, **x} if isinstance(x, dict) else x for x in entries]
    return _groups(owned, f"rate_limits of {workspace_id}", problems)


def spend_limits(client: AdminClient, *, problems: Problems) -> list[SpendLimit]:
    """The spend limits that the Console has, where the organization takes part in their preview.

    Raises AuthError or BadRequest (403, 400, 404) where it does not.
    """
    entries = read_list(client, f"{_BASE}/spend_limits", headers=(("anthropic-beta", _SPEND_LIMITS),))
    return parse_rows(SpendLimit, entries, "spend_limits", problems)


def _groups(entries: Iterable[Any], where: str, problems: Problems) -> list[RateLimitGroup]:
    """The groups; a limit that cannot be read costs itself, not its group."""
    readable = [
        _with_good_limits(entry, f"{where} row {number}", problems) for number, entry in enumerate(entries)
    ]
    return parse_rows(RateLimitGroup, readable, where, problems)


def _with_good_limits(entry: Any, where: str, problems: Problems) -> Any:
    limits = entry.get("limits") if isinstance(entry, dict) else None
    if not isinstance(limits, list):
        return entry
    good = [
        limit
        for number, limit in enumerate(limits)
        if parse_row(RateLimit, limit, f"{where} limit {number}", problems)
    ]
    return {**entry, "limits": good}

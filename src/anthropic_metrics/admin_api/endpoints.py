"""The Admin API's small lists, whole and typed. Reports by buckets are read by `pages.read_buckets`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

import structlog

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import read_list
from anthropic_metrics.admin_api.replies import (
    ApiKey,
    Organization,
    Problems,
    RateLimitGroup,
    Reply,
    Workspace,
    parse_rows,
)
from anthropic_metrics.errors import BadRequest, BrokenContract

__all__ = ["api_keys", "organization", "organization_rate_limits", "workspace_rate_limits", "workspaces"]

_BASE = "/v1/organizations"
_LARGEST_PAGE = ("limit", "1000")

R = TypeVar("R", bound=Reply)

log = structlog.get_logger(__name__)


def organization(client: AdminClient) -> Organization:
    """The organization of the key. Raises BrokenContract when the answer is no organization."""
    problems = Problems()
    found = parse_rows(Organization, [client.get(f"{_BASE}/me")], "organization", problems)
    if not found:
        reason = problems.bad_rows[0][1]
        raise BrokenContract(f"The Admin API's answer to {_BASE}/me is no organization: {reason}.")
    return found[0]


def workspaces(client: AdminClient, *, problems: Problems | None = None) -> list[Workspace]:
    """All workspaces that can be listed, archived ones too, so that old usage keeps its name."""
    params = (("include_archived", "true"), _LARGEST_PAGE)
    return _rows(Workspace, read_list(client, f"{_BASE}/workspaces", params), "workspaces", problems)


def api_keys(client: AdminClient, *, problems: Problems | None = None) -> list[ApiKey]:
    """All API keys in whatever state; in the older shape, no `workspace_id` means the default workspace."""
    return _rows(ApiKey, read_list(client, f"{_BASE}/api_keys", (_LARGEST_PAGE,)), "api_keys", problems)


def organization_rate_limits(
    client: AdminClient, *, problems: Problems | None = None
) -> list[RateLimitGroup]:
    """The organization's limits as they stand now, one entry per group."""
    return _rows(RateLimitGroup, read_list(client, f"{_BASE}/rate_limits"), "rate_limits", problems)


def workspace_rate_limits(
    client: AdminClient, workspace_id: str, *, problems: Problems | None = None
) -> list[RateLimitGroup]:
    """A workspace's limits, inherited ones too (`source` tells); none for a workspace that answers 404.

    An archived workspace answers 404, which says nothing about the others.
    """
    path = f"{_BASE}/workspaces/{quote(workspace_id, safe='')}/rate_limits"
    try:
        entries = list(read_list(client, path, (("include_inherited", "true"),)))
    except BadRequest as refusal:
        if refusal.status != 404:
            raise
        return []
    # The older shape does not repeat whose limits these are.
    owned = [{"workspace_id": workspace_id, **x} if isinstance(x, dict) else x for x in entries]
    return _rows(RateLimitGroup, owned, f"rate_limits of {workspace_id}", problems)


def _rows(model: type[R], entries: Iterable[Any], where: str, problems: Problems | None) -> list[R]:
    found = problems or Problems()
    rows = parse_rows(model, entries, where, found)
    if problems is None and found.total:
        log.warning("rows_refused", where=where, count=found.total, reasons=found.bad_rows[:3])
    return rows

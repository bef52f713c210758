"""Rate-limit documents from the API's limit groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.rate_limit import KNOWN_LIMITS, RateLimitDocument
from anthropic_metrics.documents.writing import Values
from anthropic_metrics.kernel.frame import Frame, workspace_fields
from anthropic_metrics.limits.groups import group_key, shown_name


def rate_limit_documents(frame: Frame, groups: Iterable[RateLimitGroup]) -> list[Prepared]:
    """One document per limit group at one poll; the frame's bucket is the poll's slot.

    The slot, the poll's time snapped to its interval, is part of the identity, not the second: two agents
    and a repeated poll keep one document.
    """
    names = frame.names

    def build(group: RateLimitGroup) -> tuple[dict[str, str | None], Values, Values]:
        models = list(group.models or [])
        scope = "workspace" if group.workspace_id else "organization"
        limits = {limit.type: limit.value for limit in group.limits if limit.type in KNOWN_LIMITS}
        anthropic = workspace_fields(group.workspace_id, names) | {
            "model": models or None,
            "rate_limit": {
                "type": group.type,
                "scope": scope,
                "workspace_id": group.workspace_id,
                "group_id": group.group_id,
                "group_type": group.group_type,
                "group_name": shown_name(group),
                "models": models or None,
                "limits": [
                    {
                        "type": limit.type,
                        "value": limit.value,
                        "organization_value": limit.organization_value,
                        "source": limit.source,
                    }
                    for limit in group.limits
                ],
                **limits,
            },
        }
        grouped = {
            "scope": scope,
            "workspace_id": group.workspace_id,
            "group": group_key(group.group_id, group.group_type, models),
        }
        return grouped, anthropic, {}

    return frame.prepared(RateLimitDocument, map(build, groups), category="configuration")

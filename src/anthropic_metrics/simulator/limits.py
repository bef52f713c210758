"""Rate limits of the simulated organization: groups, overrides of workspaces, and both shapes of the
answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .identity import tagged

Limits = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One group's limits; `group_id` is the same in every organization, `id` is not."""

    id: str
    group_id: str
    group_type: str
    display_name: str | None
    models: tuple[str, ...] | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class Override:
    """What one workspace has instead of, or beside, the organization's limits of one group."""

    workspace_id: str
    group_id: str
    limits: Limits


def _model_limits(requests: int, tokens_in: int, tokens_out: int, *fast: tuple[str, int]) -> Limits:
    return (
        ("requests_per_minute", requests),
        ("input_tokens_per_minute_cache_aware", tokens_in),
        ("output_tokens_per_minute", tokens_out),
        *fast,
    )


# group type, display name, models with their aliases, limits
_GROUPS: tuple[tuple[str, str | None, tuple[str, ...] | None, Limits], ...] = (
    (
        "model_group",
        "Claude Fable 5.x",
        ("claude-fable-5-2", "claude-fable-5-1"),
        _model_limits(1000, 400_000, 80_000),
    ),
    (
        "model_group",
        "Claude Opus 4.x and 5.x",
        ("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-6"),
        _model_limits(2000, 1_500_000, 250_000, ("fast_itpmca", 100_000), ("fast_otpm", 20_000)),
    ),
    (
        "model_group",
        "Claude Sonnet 4.x and 5.x",
        ("claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        _model_limits(4000, 1_200_000, 160_000),
    ),
    ("model_group", "Claude Haiku 5.x", ("claude-haiku-5-5",), _model_limits(4000, 4_000_000, 800_000)),
    (
        "model_group",
        "Claude Haiku 4.x",
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        _model_limits(4000, 1_000_000, 200_000),
    ),
    ("batch", None, None, (("requests_per_minute", 4000), ("enqueued_batch_requests", 500_000))),
    ("token_count", None, None, (("requests_per_minute", 8000),)),
    ("files", None, None, (("requests_per_minute", 500),)),
    ("skills", None, None, (("requests_per_minute", 500),)),
    ("web_search", None, None, (("tool_uses_per_second", 30),)),
)

# workspace, display name of the group, limits
_OVERRIDES: tuple[tuple[str, str, Limits], ...] = (
    ("Production", "Claude Sonnet 4.x and 5.x", (("requests_per_minute", 3000),)),
    ("Staging", "Claude Opus 4.x and 5.x", _model_limits(200, 80_000, 16_000)),
    # A plain input limit beside the organization's cache-aware one: it has no counterpart above.
    ("Staging", "Claude Sonnet 4.x and 5.x", (("input_tokens_per_minute", 250_000),)),
    ("Data Science", "Claude Fable 5.x", (("output_tokens_per_minute", 40_000),)),
)


def _group_id(group_type: str, name: str | None) -> str:
    return tagged("rlg", "every organization", group_type, name)


def default_rate_limits(seed: int) -> tuple[RateLimit, ...]:
    return tuple(
        RateLimit(tagged("rl", seed, kind, name), _group_id(kind, name), kind, name, models, limits)
        for kind, name, models, limits in _GROUPS
    )


def default_overrides(workspace_ids: Mapping[str, str]) -> tuple[Override, ...]:
    return tuple(
        Override(workspace_ids[workspace], _group_id("model_group", group), limits)
        for workspace, group, limits in _OVERRIDES
    )


def with_limit(limits: Limits, limit_type: str, value: int | None) -> Limits:
    """`limits` with one type set, or taken out by None."""
    rest = tuple(limit for limit in limits if limit[0] != limit_type)
    return rest if value is None else (*rest, (limit_type, value))


def changed(
    rate_limits: tuple[RateLimit, ...], group_id: str, limit_type: str, value: int | None
) -> tuple[RateLimit, ...]:
    """The same groups with one limit of one group set, or taken out by None."""
    return tuple(
        replace(group, limits=with_limit(group.limits, limit_type, value))
        if group.group_id == group_id
        else group
        for group in rate_limits
    )


def overridden(
    overrides: tuple[Override, ...], workspace_id: str, group_id: str, limit_type: str, value: int | None
) -> tuple[Override, ...]:
    """The same overrides with one limit of one workspace and group set, or taken out by None."""
    rest = tuple(
        override
        for override in overrides
        if (override.workspace_id, override.group_id) != (workspace_id, group_id)
    )
    limits = next((override.limits for override in overrides if override not in rest), ())
    return (*rest, Override(workspace_id, group_id, with_limit(limits, limit_type, value)))


def organization_row(entry: RateLimit, shape: str) -> dict[str, Any]:
    """One entry of `/rate_limits`, in the `new` or the `old` shape."""
    limits = [{"type": kind, "value": value} for kind, value in entry.limits]
    models = None if entry.models is None else list(entry.models)
    if shape == "old":
        return {"type": "rate_limit", "group_type": entry.group_type, "models": models, "limits": limits}
    return {
        "id": entry.id,
        "type": "rate_limit",
        "group": _group(entry),
        "models": models,
        "limits": limits,
    }


def workspace_row(
    entry: RateLimit, own: Limits, workspace_id: str, *, inherited: bool, shape: str
) -> dict[str, Any] | None:
    """One entry of a workspace's limits, None when it would list nothing."""
    of_organization = dict(entry.limits)
    values = [
        _workspace_value(kind, value, of_organization.get(kind), "workspace", shape) for kind, value in own
    ]
    if inherited:
        own_kinds = {kind for kind, _ in own}
        values += [
            _workspace_value(kind, value, value, "organization", shape)
            for kind, value in entry.limits
            if kind not in own_kinds
        ]
    if not values:
        return None
    models = None if entry.models is None else list(entry.models)
    if shape == "old":
        return {
            "type": "workspace_rate_limit",
            "group_type": entry.group_type,
            "models": models,
            "limits": values,
        }
    return {
        "type": "workspace_rate_limit",
        "rate_limit_id": entry.id,
        "workspace_id": workspace_id,
        "group": _group(entry),
        "models": models,
        "limits": values,
    }


def _workspace_value(kind: str, value: int, org_limit: int | None, source: str, shape: str) -> dict[str, Any]:
    row: dict[str, Any] = {"type": kind, "value": value, "org_limit": org_limit}
    return row if shape == "old" else {**row, "source": {"type": source}}


def _group(entry: RateLimit) -> dict[str, Any]:
    group = {"id": entry.group_id, "type": entry.group_type}
    return group if entry.display_name is None else {**group, "display_name": entry.display_name}

"""Limit groups, read once from a reply or from a document of the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.kernel.questions import Row, Scope


@dataclass(frozen=True, slots=True)
class LimitGroup:
    """A group of one scope: `kind` is its type and its models, `limits` are the scope's own values by type.

    Of a workspace only those that are its own. The older shape does not say whose a value is: one that
    equals the organization's is taken as inherited.
    """

    key: str
    name: str
    kind: tuple[str, tuple[str, ...]]
    limits: dict[str, int]

    @property
    def models(self) -> tuple[str, ...]:
        """The models and aliases that count against it, sorted."""
        return self.kind[1]

    @classmethod
    def of_reply(cls, group: RateLimitGroup) -> LimitGroup:
        """As the API gives it."""
        kind = group.group_type, tuple(sorted(group.models or ()))
        values = ((limit.type, limit.value, limit.organization_value, limit.source) for limit in group.limits)
        return cls(
            group_key(group.group_id, *kind),
            shown_name(group),
            kind,
            _own(values, of_workspace=group.workspace_id is not None),
        )

    @classmethod
    def of_row(cls, row: Row) -> LimitGroup:
        """As a document of the stream has it."""
        kind = row["group_type"], tuple(sorted(row.get("models") or ()))
        values = (
            (limit["type"], limit.get("value"), limit.get("organization_value"), limit.get("source"))
            for limit in row["limits"]
        )
        return cls(
            group_key(row.get("group_id"), *kind),
            row.get("group_name") or row["group_type"],
            kind,
            _own(values, of_workspace=row["scope"] == "workspace"),
        )


@dataclass(frozen=True, slots=True)
class LimitSnapshot:
    """What the API says of one scope at one poll. `clean`: every limit of it could be read."""

    scope: Scope
    replies: Sequence[RateLimitGroup]
    clean: bool = True

    @property
    def groups(self) -> list[LimitGroup]:
        """Its groups, in the order of the reply."""
        return [LimitGroup.of_reply(group) for group in self.replies]


def group_key(group_id: str | None, group_type: str, models: Sequence[str]) -> str:
    """The group's id; where the API gives none, its type and models."""
    return group_id or f"{group_type}:{','.join(sorted(models))}"


def shown_name(group: RateLimitGroup) -> str:
    """The group's display name; where the API gives none, its models, else its type."""
    return group.group_name or ", ".join(group.models or []) or group.group_type


def _own(
    values: Iterable[tuple[str, int | None, int | None, str | None]], *, of_workspace: bool
) -> dict[str, int]:
    """Values by type, from (type, value, the organization's value, source)."""
    return {
        kind: value
        for kind, value, organization_value, source in values
        if value is not None and not (of_workspace and (source != "workspace" or organization_value == value))
    }

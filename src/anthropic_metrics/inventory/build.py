"""Inventory documents, and the use that is joined to them from our own streams. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.documents.inventory import InventoryDocument
from anthropic_metrics.inventory.resources import Kind, Resource
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE, Frame, paid_fields
from anthropic_metrics.kernel.questions import Used
from anthropic_metrics.kernel.ranges import DAY, floor

_HUNDREDTH_OF_A_CENT = Decimal("0.0001")


@dataclass(frozen=True)
class Uses:
    """What our own streams say, by kind and id; a kind that usage is not split by is missing.

    `began` is the first bucket of usage that is held, None without usage. `workspaces` names those whose
    usage is collected, empty for all. `limits` has by workspace the number of its own rate limits.
    """

    tokens: Mapping[Kind, Mapping[str, Used]] = field(default_factory=dict)
    dollars: Mapping[Kind, Mapping[str, Used]] = field(default_factory=dict)
    began: datetime | None = None
    workspaces: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)

    def of(self, resource: Resource, day: datetime) -> dict[str, Any]:
        """The fields of `documents.inventory.Use`."""
        if self.began is None or resource.kind not in self.tokens or not self._collected(resource):
            return {}
        tokens = self._of(self.tokens[resource.kind], resource)
        created = resource.facts.get("created_at")
        if isinstance(created, str):
            created = datetime.fromisoformat(created)
        since = tokens.last if tokens else max(created or self.began, self.began)
        fields: dict[str, Any] = {
            "first_used": tokens.first if tokens else None,
            "last_used": tokens.last if tokens else None,
            "days_unused": max(0, (day - floor(since, DAY)) // DAY),
            "tokens_30d": round(tokens.total) if tokens else 0,
        }
        if resource.kind in self.dollars:
            spent = self._of(self.dollars[resource.kind], resource)
            amount = Decimal(repr(spent.total)) if spent else Decimal(0)
            fields["spend_usd_30d"] = amount.quantize(_HUNDREDTH_OF_A_CENT)
        return fields

    def _collected(self, resource: Resource) -> bool:
        """Whether its usage is collected: not of every workspace where only some are asked for."""
        if not self.workspaces:
            return True
        return resource.kind in (Kind.workspace, Kind.api_key) and resource.workspace_id in self.workspaces

    def _of(self, used: Mapping[str, Used], resource: Resource) -> Used | None:
        """Its use; the default workspace goes by two ids."""
        ids = {resource.id}
        if resource.kind is Kind.workspace and resource.workspace_id is not None:
            ids.add(resource.workspace_id)
        uses = [used[id_] for id_ in sorted(ids) if id_ in used]
        if not uses:
            return None
        return Used(
            min(use.first for use in uses),
            max(use.last for use in uses),
            sum(use.total for use in uses),
        )


def inventory_documents(frame: Frame, resources: Iterable[Resource], uses: Uses) -> list[Prepared]:
    """One document per resource; the frame's bucket is the UTC day.

    A resource that an answer has twice counts once: its first entry.
    """
    common = frame.envelope(category="configuration")
    once = {resource.key: resource for resource in reversed(list(resources))}

    def build(resource: Resource) -> Prepared:
        shown: dict[str, str | None] = {"workspace_id": resource.workspace_id}
        if resource.kind is Kind.api_key:
            shown["api_key_id"] = resource.id
        day = frame.bucket.start
        fields = {"type": resource.kind, "id": resource.id, **resource.facts, **uses.of(resource, day)}
        if (days := _days_left(resource.facts, day)) is not None:
            fields["expires_in_days"] = days
        if _may_have_limits(resource):
            fields["own_limits"] = uses.limits.get(resource.id)
        anthropic = _shared(resource, shown, frame) | {"inventory": fields}
        document = InventoryDocument.model_validate({**common, "anthropic": anthropic, "gen_ai": {}})
        return prepare(frame.identity({"type": resource.kind, "id": resource.id}), document)

    return [build(resource) for resource in once.values()]


def _shared(resource: Resource, shown: Mapping[str, str | None], frame: Frame) -> dict[str, Any]:
    """The shared fields; a team only where there is a workspace or a key that can belong to one."""
    if resource.kind in (Kind.workspace, Kind.api_key):
        fields = paid_fields(shown, frame.names)
        if resource.kind is Kind.api_key:
            fields["api_key"] = {"id": resource.id, "name": resource.facts.get("name")}
        if resource.kind is Kind.workspace and resource.workspace_id != DEFAULT_WORKSPACE:
            fields["workspace"] = {**fields["workspace"], "name": resource.facts.get("name")}
        return fields
    return {}


def _days_left(facts: Mapping[str, Any], day: datetime) -> int | None:
    expires = facts.get("expires_at")
    if facts.get("state") != "active" or expires is None:
        return None
    moment = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
    left = (floor(moment, DAY) - day) // DAY
    return left if left >= 0 else None


def _may_have_limits(resource: Resource) -> bool:
    return (
        resource.kind is Kind.workspace
        and resource.facts.get("state") == "active"
        and resource.workspace_id != DEFAULT_WORKSPACE
    )

"""The Admin API's rows as pydantic models, in the older and the newer shape, tolerant of what is new.

Enumerations are open sets, so their fields are plain strings. `reply` says how fields and rows are read.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from anthropic_metrics.admin_api.reply import (
    LARGEST,
    AmountText,
    Count,
    Currency,
    LimitValue,
    Moment,
    Object,
    Reply,
    Text,
)
from anthropic_metrics.kernel.names import Identity

__all__ = [
    "ApiKey",
    "CacheCreation",
    "CostRow",
    "LimitGroup",
    "Organization",
    "RateLimit",
    "RateLimitGroup",
    "ServerToolUse",
    "ServiceAccount",
    "SpendLimit",
    "UsageRow",
    "User",
    "Workspace",
]


class CacheCreation(Reply):
    """Tokens written to the cache, by how long they stay; priced apart, so never summed before pricing."""

    ephemeral_5m_input_tokens: Count
    ephemeral_1h_input_tokens: Count

    @property
    def other_input_tokens(self) -> int:
        """Tokens of lifetimes that this version does not know, by the names of their fields."""
        return sum(
            value
            for name, value in (self.__pydantic_extra__ or {}).items()
            if name.endswith("_input_tokens") and type(value) is int and 0 <= value <= LARGEST
        )


class ServerToolUse(Reply):
    """Uses of server tools."""

    web_search_requests: Count


class UsageRow(Reply):
    """A result of the Messages usage report. None in a dimension: not grouped by it, or the null group."""

    nested = ("cache_creation", "server_tool_use")

    uncached_input_tokens: Count
    cache_read_input_tokens: Count
    cache_creation: CacheCreation
    output_tokens: Count
    server_tool_use: ServerToolUse
    account_id: str | None = None
    api_key_id: str | None = None
    service_account_id: str | None = None
    workspace_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    speed: str | None = None


class CostRow(Reply):
    """A result of the cost report. `amount_text` is the amount in cents exactly as received."""

    amount_text: AmountText = Field(alias="amount")
    currency: Currency
    cost_type: str | None = None
    description: str | None = None
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    workspace_id: str | None = None

    @property
    def amount(self) -> Decimal:
        """Cents: "123.78912" is $1.2378912."""
        return Decimal(self.amount_text)


class RateLimit(Reply):
    """One limit of a group; `source` says whose value it is, the organization's or the workspace's."""

    type: str
    value: LimitValue
    organization_value: LimitValue | None = Field(default=None, alias="org_limit")
    source: str = "organization"

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(source := data.get("source"), dict):
            return {**data, "source": source.get("type")}
        return data


class LimitGroup(Reply):
    """What a group's limits apply to; `id` is the same in every organization."""

    type: str
    id: str | None = None
    display_name: Text = None


class RateLimitGroup(Reply):
    """A group's limits, of the organization or (with `workspace_id`) of a workspace, from either shape.

    `rate_limit_id` is the entry's own id, which differs per organization; the older shape has no ids.
    """

    nested = ("group", "limits")

    group: LimitGroup
    models: tuple[str, ...] = ()
    limits: tuple[RateLimit, ...]
    rate_limit_id: Text = None
    workspace_id: str | None = None
    type: Text = None

    @property
    def group_id(self) -> str | None:
        """Identifier of the group, the same in every organization; None in the older shape."""
        return self.group.id

    @property
    def group_type(self) -> str:
        """model_group, batch, token_count, files, skills, web_search, or what comes next."""
        return self.group.type

    @property
    def group_name(self) -> str | None:
        """For people; may change."""
        return self.group.display_name

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        row = dict(data)
        older = row.pop("group_type", None)
        if row.get("group") is None:
            row["group"] = {"type": older}
        if "id" in row:
            row.setdefault("rate_limit_id", row.pop("id"))
        if row.get("models") is None:
            row["models"] = ()
        if row.get("workspace_id") is not None and isinstance(limits := row.get("limits"), list):
            # Without a source the row comes from an API that lists nothing but the workspace's own values.
            row["limits"] = [{"source": "workspace", **x} if isinstance(x, dict) else x for x in limits]
        return row


class Workspace(Reply):
    """A workspace; archived ones keep their name for the usage they had. `tags` are as received."""

    id: str
    name: str
    type: Text = None
    created_at: Moment = None
    archived_at: Moment = None
    display_color: Text = None
    tags: Annotated[
        dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})
    ] = Field(default_factory=dict)
    data_residency: Object = None
    compartment_id: Text = None
    external_key_id: Text = None
    user_profile_id: Text = None


class ApiKey(Reply):
    """An API key's entry, not the key. `workspace_id` is read from either shape; None: default or none."""

    id: str
    name: str
    status: Text = None
    type: Text = None
    workspace_id: Text = None
    scope: Object = None
    principal: Object = None
    partial_key_hint: Text = None
    created_at: Moment = None
    created_by: Object = None
    expires_at: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _workspace_of_scope(cls, data: Any) -> Any:
        scope = data.get("scope") if isinstance(data, dict) else None
        if isinstance(scope, dict) and data.get("workspace_id") is None:
            return {**data, "workspace_id": scope.get("workspace_id")}
        return data


class User(Reply):
    """A member of the organization. E-mail address and name come with it; what keeps them is the reader's
    choice."""

    id: str
    email: Text = None
    name: Text = None
    role: Text = None
    added_at: Moment = None
    type: Text = None


class ServiceAccount(Reply):
    """A service account; its list needs an OAuth token with org:admin."""

    id: str
    name: str
    description: Text = None
    organization_role: Text = None
    created_at: Moment = None
    created_by_actor_id: Text = None
    archived_at: Moment = None
    archived_by_actor_id: Text = None
    updated_at: Moment = None
    updated_by_actor_id: Text = None
    type: Text = None


class Organization(Reply):
    """The organization that the key belongs to."""

    id: str = Field(min_length=1)
    name: Text = None
    type: Text = None

    @property
    def identity(self) -> Identity:
        """The part of it that documents show."""
        return Identity(self.id, self.name)


class SpendLimit(Reply):
    """A cap on spend for one scope and period; `amount_text` in cents, None: no cap."""

    id: str
    amount_text: AmountText | None = Field(default=None, alias="amount")
    currency: Currency
    period: str
    scope: dict[str, Any]
    is_enabled: bool = True
    type: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None

    @property
    def amount(self) -> Decimal | None:
        """Cents; None: no cap."""
        return None if self.amount_text is None else Decimal(self.amount_text)

    @property
    def scope_type(self) -> str:
        """organization, workspace, user, seat_tier, rbac_group, usage_tier, or what comes next."""
        return str(self.scope.get("type", ""))

    @property
    def scope_id(self) -> str | None:
        """The id within the scope, whatever its name there; None where the scope is a whole."""
        return next((str(value) for name, value in self.scope.items() if name != "type" and value), None)

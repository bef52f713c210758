"""The Admin API's rows as pydantic models, in the older and the newer shape, tolerant of what is new.

Enumerations are open sets, so their fields are plain strings. Unknown fields are kept (`model_extra`) and
counted. Numbers are not tolerant: a token count that is missing or no whole number makes its row a bad row,
because a zero in its place would be a silent loss.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from anthropic_metrics.redaction import excerpt

__all__ = [
    "ApiKey",
    "CacheCreation",
    "CostRow",
    "Organization",
    "Problems",
    "RateLimit",
    "RateLimitGroup",
    "Reply",
    "ServerToolUse",
    "ServiceAccount",
    "SpendLimit",
    "UsageRow",
    "User",
    "Workspace",
    "parse_rows",
]

# 35 million million tokens in a row are a mistake, and panels add up in Elasticsearch's long: the sum over
# 50,000 such rows still fits.
_LARGEST = 2**45
# A limit may be as good as none; no limits are added up.
_LARGEST_LIMIT = 2**60
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_MOST_NAMED = 20
_MOST_UNKNOWN = 200
_LONGEST_REASON = 200

Count = Annotated[int, Field(strict=True, ge=0, le=_LARGEST)]
LimitValue = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_LIMIT)]


def _amount_text(value: object) -> object:
    """The decimal text as received. A JSON number is taken too, as the shortest text that means it."""
    if isinstance(value, float) and math.isfinite(value):
        value = format(Decimal(repr(value)), "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return value
    raise ValueError("an amount is a decimal number as text")


AmountText = Annotated[str, BeforeValidator(_amount_text)]


def _or_nothing(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


# A field that is shown at most: another shape than the documented one costs the field, not its row.
Passed = WrapValidator(_or_nothing)
Text = Annotated[str | None, Passed]
Moment = Annotated[AwareDatetime | None, Passed]
Object = Annotated[dict[str, Any] | None, Passed]


class Reply(BaseModel):
    """Base of all rows: immutable, unknown fields kept. `nested` names the fields that hold replies."""

    model_config = ConfigDict(extra="allow", frozen=True)
    nested: ClassVar[tuple[str, ...]] = ()

    def unknown_fields(self) -> list[str]:
        """Dotted names of fields that this version does not know, nested ones too."""
        names = list(self.__pydantic_extra__ or ())
        for name in self.nested:
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                names += [f"{name}.{inner}" for inner in item.unknown_fields()]
        return names


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
            if name.endswith("_input_tokens") and type(value) is int and 0 <= value <= _LARGEST
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
    currency: str
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
    ] = {}
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


class SpendLimit(Reply):
    """A cap on spend for one scope and period; `amount_text` in cents, None: no cap."""

    id: str
    amount_text: AmountText | None = Field(default=None, alias="amount")
    currency: str
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


@dataclass
class Problems:
    """What was not understood: unknown fields by name, and bad rows, all counted and the first ones named."""

    unknown_fields: Counter[str] = field(default_factory=Counter)
    bad_rows: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0

    def unknown(self, names: Iterable[str]) -> None:
        """Count fields that this version does not know, by name within bounds."""
        for name in names:
            self._count(name, 1)

    def refuse(self, where: str, reason: str) -> None:
        """Count a bad row and remember where and why, within bounds."""
        self.total += 1
        if len(self.bad_rows) < _MOST_NAMED:
            self.bad_rows.append((where, reason))

    def add(self, other: Problems) -> None:
        """Count what another answer had wrong or new besides."""
        for name, count in other.unknown_fields.items():
            self._count(name, count)
        self.total += other.total
        self.bad_rows += other.bad_rows[: _MOST_NAMED - len(self.bad_rows)]

    def _count(self, name: str, count: int) -> None:
        known = name in self.unknown_fields or len(self.unknown_fields) < _MOST_UNKNOWN
        self.unknown_fields[name if known else "others"] += count

    def __str__(self) -> str:
        """One sentence: how many rows were refused, and the first of them with its reason; empty if none."""
        if not self.total:
            return ""
        where, reason = self.bad_rows[0]
        rows = "1 row" if self.total == 1 else f"{self.total:,} rows"
        first = "" if self.total == 1 else "the first: "
        return f"{rows} of the Admin API could not be read ({first}{where}: {reason})."


R = TypeVar("R", bound=Reply)


def parse_rows(model: type[R], rows: Iterable[Any], where: str, problems: Problems) -> list[R]:
    """The good rows as `model`, in order; bad ones are counted in `problems`, named by `where` and number."""
    good: list[R] = []
    for number, row in enumerate(rows):
        reply = parse_row(model, row, f"{where} row {number}", problems)
        if reply is not None:
            problems.unknown(reply.unknown_fields())
            good.append(reply)
    return good


def parse_row(model: type[R], row: Any, where: str, problems: Problems) -> R | None:
    """The row as `model`; None, and counted in `problems` under the name `where`, if it is bad."""
    try:
        return model.model_validate(row)
    except ValidationError as error:
        problems.refuse(where, _reason(error))
        return None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or "row"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    got = excerpt(repr(first["input"]), 40) if first["type"] != "missing" else "nothing"
    return excerpt(f"{name}: {first['msg']}, got {got}{more}", _LONGEST_REASON)

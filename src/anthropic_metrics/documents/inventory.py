"""`anthropic_metrics.inventory`: one resource of the organization as it stood on a UTC day."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import (
    Count,
    Date,
    Document,
    Flag,
    GenAi,
    Keyword,
    Keywords,
    Money,
    Paid,
    Part,
)


class Use(Part):
    """What our own streams say of a resource. Absent where usage is not split by it."""

    first_used: Date | None = Field(
        None, description="Start of the first bucket with use in the usage stream."
    )
    last_used: Date | None = Field(None, description="Start of the last bucket with use.")
    days_unused: Count | None = Field(
        None,
        description="Whole UTC days since the last use; where there is none, since the creation or the first "
        "bucket of usage that is held, whichever is later.",
    )
    tokens_30d: Count | None = Field(None, description="Tokens of this UTC day and the 29 before.")
    spend_usd_30d: Money | None = Field(
        None, description="Spend of the same days in US dollars, to the hundredth of a cent."
    )


class InventoryFields(Use):
    """A resource. What the Admin API does not tell is absent."""

    type: Keyword = Field(description="`organization`, `workspace`, `api_key`, `user` or `service_account`.")
    id: Keyword = Field(description="The resource's id; the default workspace has an id of its own here.")
    name: Keyword | None = Field(
        None, description="Its name; of a user only with `inventory.people: name`. Never an e-mail address."
    )
    state: Keyword = Field(
        description="`active`, `inactive`, `archived`, `expired`, or `deleted` on the day of the deletion."
    )
    created_at: Date | None = Field(
        None, description="When it was created; for a user, when the user was added."
    )
    archived_at: Date | None = Field(None, description="When it was archived.")
    expires_at: Date | None = Field(None, description="When the key expires.")
    expires_in_days: Count | None = Field(None, description="UTC days until an active key expires.")
    absent_since: Date | None = Field(
        None, description="Set while the API no longer lists it; after a second read it is `deleted`."
    )
    workspace_id: Keyword | None = Field(
        None, description="The id of a key's workspace; the default workspace has an id of its own here."
    )
    is_default: Flag | None = Field(
        None, description="True for the default workspace, which `anthropic.workspace.id` calls `Default`."
    )
    scope: Keyword | None = Field(None, description="Of a key: `workspace` or `organization`.")
    created_by_id: Keyword | None = Field(None, description="Who created it: a user or a service account.")
    created_by_type: Keyword | None = Field(None, description="`user` or `service_account`.")
    owner_id: Keyword | None = Field(
        None, description="For whom a key acts; if the API does not say, who created it."
    )
    owner_name: Keyword | None = Field(None, description="The owner's name, if it is known.")
    role: Keyword | None = Field(None, description="The role of a user or of a service account.")
    workspace_geo: Keyword | None = Field(None, description="Where a workspace's data is stored.")
    default_inference_geo: Keyword | None = Field(None, description="A workspace's default geography.")
    allowed_inference_geos: Keywords | None = Field(
        None, description="The geographies a workspace may use; `unrestricted` is all."
    )
    own_limits: Count | None = Field(None, description="How many rate limits a workspace has of its own.")
    lists: Keywords | None = Field(
        None, description="For the organization: the lists that the key could read."
    )
    refused_lists: Keywords | None = Field(
        None, description="For the organization: the lists that the key may not read."
    )


class InventoryAnthropic(Paid):
    inventory: InventoryFields


class InventoryDocument(Document):
    """One resource on one UTC day."""

    anthropic: InventoryAnthropic
    gen_ai: GenAi

"""`anthropic_metrics.rate_limit`: one limit group as it stood at one poll."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import Count, Document, GenAi, Keyword, Keywords, Part, Shared


class Limit(Part):
    type: Keyword = Field(description="What is limited; the API may add values.")
    value: Count | None = Field(None, description="The limit in force.")
    organization_value: Count | None = Field(
        None, description="The organization's limit, in a workspace's document."
    )
    source: Keyword | None = Field(None, description="Where a workspace's limit is set.")


class KnownLimits(Part):
    """Each limit type known today, a number of its own."""

    requests_per_minute: Count | None = Field(None, description="RPM.")
    input_tokens_per_minute: Count | None = Field(None, description="ITPM, all input.")
    input_tokens_per_minute_cache_aware: Count | None = Field(None, description="ITPM without cache reads.")
    output_tokens_per_minute: Count | None = Field(None, description="OTPM.")
    enqueued_batch_requests: Count | None = Field(None, description="Batch requests in the queue.")
    tokens_per_day: Count | None = Field(None, description="Tokens per day.")
    tokens_per_minute: Count | None = Field(None, description="Tokens per minute.")
    fast_itpmca: Count | None = Field(None, description="Fast mode: cache-aware ITPM.")
    fast_otpm: Count | None = Field(None, description="Fast mode: OTPM.")
    tool_uses_per_second: Count | None = Field(None, description="Tool uses per second.")


KNOWN_LIMITS = frozenset(KnownLimits.model_fields)


class RateLimitFields(KnownLimits):
    """One group."""

    type: Keyword | None = Field(None, description="The API's type of this entry.")
    scope: Keyword = Field(description="`organization` or `workspace`.")
    workspace_id: Keyword | None = Field(None, description="The workspace, for the scope `workspace`.")
    group_id: Keyword | None = Field(None, description="The group's id, if the API gives one.")
    group_type: Keyword = Field(description="`model_group`, `batch`, `token_count`, `files` and others.")
    group_name: Keyword | None = Field(
        None, description="The group's display name, or its models if it has none."
    )
    models: Keywords | None = Field(None, description="Ids and aliases that count against the group.")
    limits: list[Limit] = Field(description="All limits, unknown types too.")


class RateLimitAnthropic(Shared):
    rate_limit: RateLimitFields


class RateLimitDocument(Document):
    """One limit group at one poll."""

    anthropic: RateLimitAnthropic
    gen_ai: GenAi

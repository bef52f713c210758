"""`anthropic_metrics.usage`, `usage_1m` and `usage_1d`: one result row of one bucket of the usage report."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import (
    Count,
    Date,
    Document,
    Flag,
    GenAi,
    Keyword,
    Paid,
    Part,
)

# The report's own numbers; the others are sums of them.
NUMBERS = (
    "anthropic.usage.uncached_input_tokens",
    "anthropic.usage.cached_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "anthropic.usage.output_tokens",
    "anthropic.usage.server_tool_use.web_search_requests",
)


class CacheCreation(Part):
    ephemeral_5m_input_tokens: Count = Field(description="Tokens written to the cache for five minutes.")
    ephemeral_1h_input_tokens: Count = Field(description="Tokens written to the cache for an hour.")


class ServerToolUse(Part):
    web_search_requests: Count = Field(description="Web searches that the models made.")


class UsageFields(Part):
    """The report's row. A dimension that was not grouped by is absent."""

    bucket_start_time: Date = Field(description="The bucket's start, inclusive, UTC.")
    bucket_end_time: Date = Field(description="The bucket's end, exclusive, UTC.")
    bucket_width: Keyword = Field(description="`1m`, `1h` or `1d`.")
    bucket_complete: Flag = Field(
        description="Whether the bucket had ended five minutes, the documented lag, before the reading."
    )
    model: Keyword | None = Field(None, description="The model's id.")
    workspace_id: Keyword | None = Field(
        None, description="The workspace's id; `Default` is the default workspace."
    )
    api_key_id: Keyword | None = Field(None, description="The API key's id; `Console` is use without a key.")
    account_id: Keyword | None = Field(None, description="The account's id.")
    service_account_id: Keyword | None = Field(None, description="The service account's id.")
    service_tier: Keyword | None = Field(None, description="`standard`, `batch`, `priority` and others.")
    context_window: Keyword | None = Field(None, description="`0-200k` or `200k-1M`.")
    inference_geo: Keyword | None = Field(None, description="`global`, `us` or `not_available`.")
    speed: Keyword | None = Field(None, description="`standard` or `fast`.")
    uncached_input_tokens: Count = Field(description="Input tokens that no cache held.")
    cached_input_tokens: Count = Field(description="Input tokens read from the cache.")
    cache_creation_input_tokens: Count = Field(
        description="Input tokens written to the cache (5m + 1h, and lifetimes not known yet).",
    )
    cache_creation: CacheCreation
    output_tokens: Count = Field(description="Output tokens.")
    server_tool_use: ServerToolUse
    input_tokens: Count = Field(description="All input: uncached + cached + cache creation.")
    total_tokens: Count = Field(description="All input and output.")


class GenAiUsage(Part):
    input_tokens: Count = Field(description="The same as `anthropic.usage.input_tokens`.")
    output_tokens: Count = Field(description="The same as `anthropic.usage.output_tokens`.")


class UsageGenAi(GenAi):
    usage: GenAiUsage


class UsageAnthropic(Paid):
    usage: UsageFields


class UsageDocument(Document):
    """One row of one bucket."""

    anthropic: UsageAnthropic
    gen_ai: UsageGenAi

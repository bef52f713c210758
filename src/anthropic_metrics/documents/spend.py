"""`anthropic_metrics.spend`: what one row of usage cost, or a part of a bill that no row can carry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anthropic_metrics.documents.base import (
    Count,
    Date,
    Document,
    Flag,
    GenAi,
    Keyword,
    Money,
    Paid,
    Part,
)

Basis = Literal["estimated", "allocated", "billed"]


class SpendFields(Part):
    """A row of `anthropic_metrics.usage` in dollars. A dimension that usage is not grouped by is absent."""

    bucket_start_time: Date = Field(description="The bucket's start, inclusive, UTC.")
    bucket_end_time: Date = Field(
        description="The bucket's end, exclusive, UTC: an hour later, for `Unattributed` allocated a day."
    )
    bucket_width: Keyword = Field(description="`1h`; `1d` where it is allocated and the key `Unattributed`.")
    bucket_complete: Flag = Field(description="The same as in the row of usage.")
    model: Keyword | None = Field(None, description="The model's id.")
    workspace_id: Keyword | None = Field(
        None, description="The workspace's id; `Default` is the default workspace."
    )
    api_key_id: Keyword | None = Field(
        None,
        description="The API key's id; `Console` is use without a key, `Unattributed` a part of the bill "
        "that no row of usage can carry.",
    )
    account_id: Keyword | None = Field(None, description="The account's id.")
    service_account_id: Keyword | None = Field(None, description="The service account's id.")
    service_tier: Keyword | None = Field(None, description="`standard`, `batch`, `priority` and others.")
    context_window: Keyword | None = Field(None, description="`0-200k` or `200k-1M`.")
    inference_geo: Keyword | None = Field(None, description="`global`, `us` or `not_available`.")
    speed: Keyword | None = Field(None, description="`standard` or `fast`.")
    cost_type: Keyword | None = Field(
        None,
        description="Of an `Unattributed` part: `tokens`, `web_search`, `code_execution`, `session_usage`.",
    )
    amount_usd: Money | None = Field(
        None, description="What the row cost in US dollars; absent if no price is known."
    )
    amount_exact: Keyword | None = Field(None, description="The same in all its digits, a decimal text.")
    uncached_input_usd: Money | None = Field(
        None, description="The part of the amount for input that no cache held."
    )
    cache_read_usd: Money | None = Field(
        None, description="The part of the amount for input read from the cache."
    )
    cache_write_5m_usd: Money | None = Field(
        None, description="The part of the amount for writes to the 5m cache."
    )
    cache_write_1h_usd: Money | None = Field(
        None, description="The part of the amount for writes to the 1h cache."
    )
    output_usd: Money | None = Field(None, description="The part of the amount for output.")
    web_search_usd: Money | None = Field(None, description="The part of the amount for web searches.")
    other_usd: Money | None = Field(
        None, description="The part of the amount for code execution, sessions and new kinds of cost."
    )
    list_usd: Money | None = Field(
        None, description="The row at list prices; absent unless all of it is in the list."
    )
    cache_saved_usd: Money | None = Field(
        None,
        description="Cached tokens at the price of uncached input, less what reads and writes cost; below 0 "
        "where the cache cost more than it saved.",
    )
    basis: Keyword = Field(
        description="`estimated` until the UTC day is settled, then `allocated`: a share of the bill; "
        "`billed` where the analytics reports have the hour."
    )
    price_source: Keyword | None = Field(
        None,
        description="Of an estimate: `learned` from the bill, `configured`, `list`, or `none`; the weakest "
        "that the row needed.",
    )
    blended: Flag | None = Field(
        None, description="True if a price of the row is the mean of several, such as of two context windows."
    )
    requests: Count | None = Field(None, description="Requests; only if the basis is `billed`.")
    total_tokens: Count = Field(description="All input and output tokens, as in the row of usage.")
    output_tokens: Count = Field(description="Output tokens, as in the row of usage.")
    priority_tokens: Count | None = Field(
        None, description="Tokens that a Priority Tier commitment pays for: no amount, and not unpriced."
    )
    unpriced_tokens: Count | None = Field(None, description="Tokens without a price, in no amount.")


class SpendAnthropic(Paid):
    spend: SpendFields


class SpendDocument(Document):
    """One row of usage in dollars, or one part of a day's bill without usage."""

    anthropic: SpendAnthropic
    gen_ai: GenAi

"""`anthropic_metrics.cost`: one row of the daily cost report."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import (
    Date,
    Document,
    GenAi,
    Keyword,
    Money,
    Paid,
    Part,
)

# The report's own number.
NUMBERS = ("anthropic.cost.amount",)


class CostFields(Part):
    """The report's row: pre-tax, before credits, without Priority Tier."""

    bucket_start_time: Date = Field(description="The UTC day's start.")
    bucket_end_time: Date = Field(description="The UTC day's end, exclusive.")
    amount: Money = Field(description="The amount in cents, as in Elastic's integration.")
    amount_usd: Money | None = Field(
        None, description="The amount in US dollars; absent for other currencies."
    )
    amount_exact: Keyword = Field(description="The amount in cents as received, a decimal text.")
    currency: Keyword = Field(description="The currency's code, `USD`.")
    cost_type: Keyword | None = Field(
        None, description="`tokens`, `web_search`, `code_execution` or `session_usage`."
    )
    description: Keyword | None = Field(None, description="The line item as the bill words it.")
    model: Keyword | None = Field(None, description="The model's id.")
    token_type: Keyword | None = Field(None, description="The type of tokens that was billed.")
    service_tier: Keyword | None = Field(None, description="`standard` or `batch`.")
    context_window: Keyword | None = Field(None, description="`0-200k` or `200k-1M`.")
    inference_geo: Keyword | None = Field(None, description="`global`, `us` or `not_available`.")
    workspace_id: Keyword | None = Field(
        None, description="The workspace's id; `Default` is the default workspace."
    )


class CostAnthropic(Paid):
    cost: CostFields


class CostDocument(Document):
    """One line item of one day."""

    anthropic: CostAnthropic
    gen_ai: GenAi

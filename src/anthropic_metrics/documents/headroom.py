"""`anthropic_metrics.headroom`: how close one limit was to its ceiling in one window of five minutes."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import (
    Count,
    Date,
    Document,
    Double,
    Flag,
    GenAi,
    Keyword,
    Keywords,
    Part,
    Shared,
)


class HeadroomFields(Part):
    """One limit of one group and scope in one window. Shares are fractions of the limit: 0.8 is 80 %."""

    scope: Keyword = Field(description="`organization` (all traffic) or `workspace` (one workspace).")
    workspace_id: Keyword | None = Field(
        None, description="The workspace, for the scope `workspace`; `Default` is the default workspace."
    )
    group_id: Keyword | None = Field(
        None, description="The limit group's id, or its type and models if it has none; absent if `unmapped`."
    )
    group_name: Keyword | None = Field(
        None, description="The group's display name, or its models; the model's id if `unmapped`."
    )
    limit_type: Keyword = Field(
        description="The limit; if `unmapped`, the one that these tokens would count against."
    )
    limit: Count | None = Field(
        None,
        description="Tokens per minute allowed at the peak minute; for a workspace the smaller of its own "
        "limit and the organization's. Absent where `unmapped`.",
    )
    limit_source: Keyword | None = Field(
        None, description="Whose limit that is: `organization` or `workspace`."
    )
    organization_limit: Count | None = Field(
        None, description="The organization's limit at the peak minute, if it has one of this type."
    )
    tokens: Count = Field(description="Tokens of the window that count against the limit.")
    active_minutes: Count = Field(description="Minutes of the window with any of them.")
    peak_tokens: Count = Field(
        description="Tokens of the peak minute, the minute with the largest share of its limit."
    )
    peak_minute: Date = Field(description="When the peak minute began.")
    p95_tokens: Double = Field(
        description="95th percentile of the window's minutes, interpolated; idle minutes count as 0."
    )
    peak_share: Double | None = Field(
        None, description="Peak minute as a share of its limit, 0..1; above 1 is over the limit."
    )
    p95_share: Double | None = Field(None, description="95th percentile of the minutes' shares, 0..1.")
    headroom_share: Double | None = Field(
        None,
        description="What the peak minute left, 1 - `peak_share`; for a workspace the smaller of its own "
        "and what the organization had left in the window. Below 0 is over the limit.",
    )
    minutes_above_80: Count | None = Field(None, description="Minutes above 80 % of the limit.")
    minutes_above_100: Count | None = Field(None, description="Of them, minutes above the limit itself.")
    window_start: Date = Field(description="The window's start, inclusive, UTC.")
    window_end: Date = Field(description="The window's end, exclusive, UTC.")
    complete: Flag = Field(
        description="Whether usage was read five minutes, the documented lag, after the window's end."
    )
    unmapped: Flag = Field(description="Whether no limit group lists the model, so that no limit is known.")
    caveats: Keywords | None = Field(
        None,
        description="What the figures could not leave out or know: `limits_assumed`, "
        "`workspace_limits_unknown`, `batch_included`, `fast_included`, `organization_unknown`.",
    )


class HeadroomAnthropic(Shared):
    headroom: HeadroomFields


class HeadroomDocument(Document):
    """One limit in one window."""

    anthropic: HeadroomAnthropic
    gen_ai: GenAi

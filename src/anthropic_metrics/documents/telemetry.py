"""The state of a destination of the API's OpenTelemetry spans, in the agent stream."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import Date, Flag, Keyword, Part


class Telemetry(Part):
    """A destination of the API's OpenTelemetry spans as it stood at `@timestamp`."""

    destination_id: Keyword = Field(description="The destination's id (`tdst_...`).")
    name: Keyword = Field(description="Its name in the Console.")
    host: Keyword | None = Field(None, description="The host that gets the spans.")
    health: Keyword = Field(
        description="`ok`; `failing`: its last delivery failed; `disabled`; `off`: it sends no traces; "
        "`unused`: nothing was delivered yet."
    )
    delivers: Flag = Field(description="Whether its health is `ok`.")
    reason: Keyword | None = Field(
        None,
        description="Why it is disabled: `caller`, `sustained_failure`, `invalid_address`, `redirect`.",
    )
    content_mode: Keyword | None = Field(
        None, description="`metadata_only`; `content`: prompts and answers are sent, too."
    )
    workspaces: Keyword | None = Field(
        None, description="`all`, `include` or `exclude`: whose spans are sent."
    )
    last_success_at: Date | None = Field(None, description="When spans last arrived.")
    last_error_at: Date | None = Field(None, description="When a delivery last failed.")
    last_error: Keyword | None = Field(None, description="How it failed, in the API's words.")

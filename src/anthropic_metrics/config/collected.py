"""What is collected of an organization, and how often: the sections that each organization may override."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.values import Duration, WorkspaceIds, lower, names
from anthropic_metrics.kernel.ranges import WIDTHS, Width

Dimension = Literal[
    "account_id",
    "api_key_id",
    "context_window",
    "inference_geo",
    "model",
    "service_account_id",
    "service_tier",
    "speed",
    "workspace_id",
]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
MOST_DIMENSIONS = 5  # The Admin API's own limit.

Enabled = Annotated[bool, Field(description="Whether to collect this data.")]


class UsageSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(
        timedelta(minutes=5), description="How often to poll; the report is late by about the same time."
    )
    granularities: Annotated[
        tuple[Width, ...], names(what="granularity", allowed=tuple(WIDTHS), at_least=1)
    ] = Field(("1m", "1h"), description="Bucket widths, each in its own stream: 1m, 1h, 1d.")
    group_by: Annotated[tuple[Dimension, ...], names(what="dimension", allowed=DIMENSIONS)] = Field(
        ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id"),
        description=f"Dimensions of usage, at most {MOST_DIMENSIONS} of {', '.join(DIMENSIONS)}.",
    )
    workspace_ids: WorkspaceIds = Field(
        (), description="Only these workspaces (wrkspc_..., or Default); if empty, all."
    )
    minute_backfill: Duration = Field(
        timedelta(days=15),
        description="How far back the first start reads usage by the minute, with lower priority than live "
        "polls; never longer than the retention of usage_1m and headroom.",
    )

    @field_validator("group_by")
    @classmethod
    def _few_dimensions(cls, value: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
        if len(value) > MOST_DIMENSIONS:
            raise ValueError(
                f"at most {MOST_DIMENSIONS} dimensions (the Admin API refuses a sixth with 400); "
                f"you named {len(value)}: {', '.join(value)}"
            )
        return value

    @field_validator("workspace_ids")
    @classmethod
    def _told_apart(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and "workspace_id" not in info.data.get("group_by", ()):
            raise ValueError(
                "needs workspace_id in usage.group_by: without it, rows do not name their workspace"
            )
        return value


class CostSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(
        timedelta(hours=1), description="How often to poll; the report has one bucket per day."
    )


class RateLimitSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(timedelta(minutes=15), description="How often to record the limits in force.")
    workspaces: bool = Field(
        True, description="Whether to read each workspace's limits too, with one request per workspace."
    )
    workspace_interval: Duration = Field(
        timedelta(hours=1),
        description="How often to record a workspace's limits; if it is close to one, every `interval`.",
    )


class InventorySettings(Section):
    enabled: bool = Field(
        True, description="Whether to record workspaces, keys, users and service accounts for each day."
    )
    interval: Duration = Field(
        timedelta(hours=1),
        description="How often to poll; each poll takes five requests, more if a list has several pages.",
    )
    people: Literal["id", "name"] = Field(
        "id",
        description="What documents hold about users: the id, or also the name; never an e-mail address.",
    )


def _chosen(value: object) -> object:
    """YAML reads true and false, the environment has them as text."""
    return str(value).lower() if isinstance(value, bool) else lower(value)


class TelemetrySettings(Section):
    enabled: Annotated[Literal["auto", "true", "false"], BeforeValidator(_chosen)] = Field(
        "auto",
        description="Whether to record the telemetry destinations, which receive the API's own traces: true, "
        "false, or auto (if the organization has that preview).",
    )
    interval: Duration = Field(
        timedelta(minutes=15), description="How often to poll; each poll is one request."
    )

"""Rows, names and views that the tests of `reports` share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.replies import ApiKey, CostRow, UsageRow, Workspace
from anthropic_metrics.config import Config, UsageSettings
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.reports.views import View, views

HOUR = datetime(2026, 11, 20, 9, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
LATER = HOUR + timedelta(days=1)
NAMES = Names.of(
    "org-1",
    "Acme",
    [Workspace(id="wrkspc_1", name="Research", tags={"team": "r"})],
    [ApiKey(id="apikey_1", name="nightly")],
)
BUCKET = Range(HOUR, HOUR + timedelta(hours=1))
COST_DAY = Range(DAY, DAY + timedelta(days=1))


def usage_row(**changed: Any) -> UsageRow:
    row: dict[str, Any] = {
        "model": "claude-opus-5-5",
        "workspace_id": "wrkspc_1",
        "api_key_id": "apikey_1",
        "service_tier": "standard",
        "inference_geo": "global",
        "uncached_input_tokens": 100,
        "cache_read_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 50,
        "server_tool_use": {"web_search_requests": 2},
    }
    return UsageRow.model_validate(row | changed)


def cost_row(**changed: Any) -> CostRow:
    row: dict[str, Any] = {
        "amount": "123.78912",
        "currency": "USD",
        "cost_type": "tokens",
        "description": "Claude Opus 5.5 Usage - Input Tokens",
        "model": "claude-opus-5-5",
        "token_type": "uncached_input_tokens",
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": "global",
        "workspace_id": "wrkspc_1",
    }
    return CostRow.model_validate(row | changed)


def view(dataset: str, **usage: Any) -> View:
    config = Config(usage=UsageSettings(granularities=("1m", "1h", "1d"), **usage))
    return next(each for each in views(config) if each.dataset == f"anthropic_metrics.{dataset}")


def frame(
    dataset: str = "usage", bucket: Range = BUCKET, names: Names = NAMES, now: datetime = LATER, **usage: Any
) -> Frame:
    return view(dataset, **usage).frame(bucket, names, now)


def limits_frame(slot: datetime = HOUR, now: datetime = HOUR) -> Frame:
    return Frame("anthropic_metrics.rate_limit", "default", Range(slot, slot), NAMES, now)

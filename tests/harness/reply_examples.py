"""The documented answers of every endpoint, in the older and the newer shape, with invented values."""

from __future__ import annotations

from typing import Any

USAGE_OLDER: dict[str, Any] = {
    "uncached_input_tokens": 1500,
    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200,
    "output_tokens": 500,
    "server_tool_use": {"web_search_requests": 10},
    "api_key_id": "apikey_01A",
    "workspace_id": "wrkspc_01A",
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "context_window": "0-200k",
}
USAGE_NEWER: dict[str, Any] = USAGE_OLDER | {
    "account_id": None,
    "service_account_id": "svac_01A",
    "inference_geo": "not_available",
    "speed": "fast",
    "service_tier": "flex_discount",
    "context_window": "200k-1M",
}
USAGE_UNGROUPED: dict[str, Any] = USAGE_OLDER | dict.fromkeys(
    ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo", "account_id")
)

COST_BY_DESCRIPTION: dict[str, Any] = {
    "currency": "USD",
    "amount": "123.78912",
    "workspace_id": "wrkspc_01A",
    "description": "Claude Sonnet 4 Usage - Input Tokens",
    "cost_type": "tokens",
    "context_window": "0-200k",
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "token_type": "uncached_input_tokens",
}
COST_NEWER: dict[str, Any] = COST_BY_DESCRIPTION | {
    "inference_geo": "us",
    "token_type": "cache_creation.ephemeral_1h_input_tokens",
    "service_tier": "batch",
}
COST_UNGROUPED: dict[str, Any] = {"amount": "0", "currency": "USD"} | dict.fromkeys(
    ("workspace_id", "description", "cost_type", "context_window", "model", "service_tier", "token_type")
)
COST_OF_A_SESSION: dict[str, Any] = COST_UNGROUPED | {
    "amount": "-0.50",
    "cost_type": "session_usage",
    "description": "Session usage",
}

LIMITS_OLDER: dict[str, Any] = {
    "type": "rate_limit",
    "group_type": "model_group",
    "models": ["claude-opus-4-1", "claude-opus-4-1-20250805"],
    "limits": [
        {"type": "requests_per_minute", "value": 4000},
        {"type": "input_tokens_per_minute_cache_aware", "value": 2_000_000},
    ],
}
LIMITS_OLDER_BATCH: dict[str, Any] = {
    "type": "rate_limit",
    "group_type": "batch",
    "models": None,
    "limits": [{"type": "enqueued_batch_requests", "value": 500_000}],
}
LIMITS_NEWER: dict[str, Any] = {
    "id": "rl_01A",
    "type": "rate_limit",
    "group": {"id": "rlg_01A", "type": "model_group", "display_name": "Claude Sonnet 4.x"},
    "models": ["claude-sonnet-4-5"],
    "limits": [{"type": "output_tokens_per_minute", "value": 400_000}, {"type": "fast_otpm", "value": 0}],
}
LIMITS_NEWER_FILES: dict[str, Any] = {
    "id": "rl_01B",
    "type": "rate_limit",
    "group": {"id": "rlg_01B", "type": "files"},
    "models": None,
    "limits": [{"type": "requests_per_minute", "value": 100}],
}
WORKSPACE_LIMITS_OLDER: dict[str, Any] = {
    "type": "workspace_rate_limit",
    "workspace_id": "wrkspc_01A",
    "group_type": "model_group",
    "models": ["claude-opus-4-1"],
    "limits": [{"type": "requests_per_minute", "value": 50, "org_limit": 4000}],
}
WORKSPACE_LIMITS_NEWER: dict[str, Any] = {
    "type": "workspace_rate_limit",
    "rate_limit_id": "rl_01A",
    "workspace_id": "wrkspc_01A",
    "group": {"id": "rlg_01A", "type": "model_group", "display_name": "Claude Sonnet 4.x"},
    "models": ["claude-sonnet-4-5"],
    "limits": [
        {"type": "requests_per_minute", "value": 50, "org_limit": 4000, "source": {"type": "workspace"}},
        {"type": "tokens_per_day", "value": 70, "org_limit": None, "source": {"type": "workspace"}},
        {"type": "output_tokens_per_minute", "value": 9, "org_limit": 9, "source": {"type": "organization"}},
    ],
}

WORKSPACE_OLDER: dict[str, Any] = {
    "id": "wrkspc_01A",
    "type": "workspace",
    "name": "Research",
    "created_at": "2024-10-30T23:58:27.427722Z",
    "archived_at": "2024-11-01T23:59:27.427722Z",
    "display_color": "#6C5BB9",
}
WORKSPACE_NEWER: dict[str, Any] = WORKSPACE_OLDER | {
    "archived_at": None,
    "compartment_id": "cmpt_01A",
    "data_residency": {
        "workspace_geo": "us",
        "default_inference_geo": "global",
        "allowed_inference_geos": "unrestricted",
    },
    "external_key_id": None,
    "tags": {"team": "research", "cost-center": "4711"},
    "user_profile_id": None,
}

API_KEY_OLDER: dict[str, Any] = {
    "id": "apikey_01A",
    "type": "api_key",
    "name": "CI",
    "workspace_id": "wrkspc_01A",
    "created_at": "2024-10-30T23:58:27.427722Z",
    "created_by": {"id": "user_01A", "type": "user"},
    "partial_key_hint": "sk-ant-api03-R2D...igAA",
    "status": "active",
}
API_KEY_NEWER: dict[str, Any] = {
    name: value for name, value in API_KEY_OLDER.items() if name != "workspace_id"
} | {
    "expires_at": "2027-10-30T23:58:27Z",
    "principal": {"type": "service_account_actor", "service_account_id": "svac_01A"},
    "scope": {"type": "workspace", "workspace_id": "wrkspc_01A"},
    "status": "expired",
}

ORGANIZATION: dict[str, Any] = {
    "id": "12345678-1234-5678-1234-567812345678",
    "type": "organization",
    "name": "ACME",
}

SPEND_LIMIT: dict[str, Any] = {
    "id": "spl_01A",
    "type": "spend_limit",
    "amount": "50000",
    "currency": "USD",
    "period": "monthly",
    "scope": {"type": "workspace", "workspace_id": "wrkspc_01A"},
    "is_enabled": True,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-02-01T00:00:00Z",
}

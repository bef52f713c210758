"""What the user can decide: `load_config` gives a `Config` or one readable ConfigError."""

from anthropic_metrics.config.alerts import AlertSettings
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.config.collected import (
    CostSettings,
    Dimension,
    InventorySettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.config.connections import AnthropicSettings, ElasticsearchSettings, KibanaSettings
from anthropic_metrics.config.load import load_config
from anthropic_metrics.config.models import Config, HealthSettings, LogSettings
from anthropic_metrics.config.organizations import OrganizationSettings
from anthropic_metrics.config.retention import RetentionSettings
from anthropic_metrics.config.values import Backfill, format_duration, parse_backfill, parse_duration

__all__ = [
    "AlertSettings",
    "AnthropicSettings",
    "Backfill",
    "BudgetSettings",
    "Config",
    "CostSettings",
    "Dimension",
    "ElasticsearchSettings",
    "HealthSettings",
    "InventorySettings",
    "KibanaSettings",
    "LogSettings",
    "OrganizationSettings",
    "RateLimitSettings",
    "RetentionSettings",
    "UsageSettings",
    "format_duration",
    "load_config",
    "parse_backfill",
    "parse_duration",
]

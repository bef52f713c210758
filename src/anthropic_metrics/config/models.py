"""The configuration as typed, frozen values: one class per section, one description per key.

The descriptions are the text of docs/configuration.md and of config.example.yaml. No field holds a default
that depends on the machine, so that `Config()` is the documented configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from anthropic_metrics.config.alerts import AlertSettings
from anthropic_metrics.config.budgets import Budgets, BudgetSettings
from anthropic_metrics.config.budgets import hints as budget_hints
from anthropic_metrics.config.connections import (
    AnthropicSettings,
    ElasticsearchSettings,
    KibanaSettings,
    Section,
)
from anthropic_metrics.config.money import Prices, SpendSettings, Teams
from anthropic_metrics.config.retention import RetentionSettings
from anthropic_metrics.config.values import (
    DEFAULT_HOST,
    LAST_MONTH,
    ApiKey,
    Backfill,
    BackfillValue,
    Duration,
    Host,
    Namespace,
    WorkspaceIds,
    format_duration,
    lower,
    names,
)
from anthropic_metrics.errors import ConfigError
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

Enabled = Annotated[bool, Field(description="Whether to collect it at all.")]


class UsageSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(
        timedelta(minutes=5), description="How often to ask; the report lags about as much."
    )
    granularities: Annotated[
        tuple[Width, ...], names(what="granularity", allowed=tuple(WIDTHS), at_least=1)
    ] = Field(("1m", "1h"), description="Bucket widths, each in a stream of its own: 1m, 1h, 1d.")
    group_by: Annotated[tuple[Dimension, ...], names(what="dimension", allowed=DIMENSIONS)] = Field(
        ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id"),
        description=f"What to split usage by, at most {MOST_DIMENSIONS} of {', '.join(DIMENSIONS)}.",
    )
    workspace_ids: WorkspaceIds = Field(
        (), description="Only these workspaces (wrkspc_..., or Default); empty is all of them."
    )
    minute_backfill: Duration = Field(
        timedelta(days=15),
        description="How far back the 1m stream begins, read at the first start behind the live polls; never "
        "further than usage_1m and headroom documents stay.",
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
                "needs workspace_id in usage.group_by: without it, rows do not say whose they are"
            )
        return value


class CostSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(timedelta(hours=1), description="How often to ask; costs come by the day.")


class RateLimitSettings(Section):
    enabled: Enabled = True
    interval: Duration = Field(timedelta(minutes=15), description="How often to note the limits in force.")
    workspaces: bool = Field(True, description="Each workspace's limits too: one more request per workspace.")
    workspace_interval: Duration = Field(
        timedelta(hours=1),
        description="How often to note a workspace's limits; at every `interval` while it is near one.",
    )


class InventorySettings(Section):
    enabled: bool = Field(
        True, description="Whether to note workspaces, keys, users and service accounts day by day."
    )
    interval: Duration = Field(timedelta(hours=1), description="How often to ask; five lists each time.")
    people: Literal["id", "name"] = Field(
        "id", description="What documents say of users: their id, or their name too; never an e-mail address."
    )


def _in_the_clear(url: str) -> bool:
    local = {"localhost", "127.0.0.1", "::1"}
    return url.lower().startswith("http:") and urlsplit(url).hostname not in local


class HealthSettings(Section):
    host: Host = Field(DEFAULT_HOST, description="Address to listen on; 0.0.0.0 lets other machines ask.")
    port: int = Field(9321, ge=0, le=65535, description="Port of /healthz, /readyz, /metrics, /v1/budgets.")
    token: ApiKey = Field(
        None, description="Bearer token that /v1/budgets asks for; without one everybody on the port may ask."
    )


class LogSettings(Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = Field(
        "info", description="The least level that is logged: debug, info, warning, error."
    )
    format: Literal["json", "console"] | None = Field(
        None, description="json or console; empty is console on a terminal, json elsewhere."
    )


def _off(value: object) -> object:
    """YAML reads a bare off as false."""
    return "off" if value is False else lower(value)


class Config(Section):
    """Everything a user can decide."""

    anthropic: AnthropicSettings = AnthropicSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    kibana: KibanaSettings = KibanaSettings()
    namespace: Namespace = Field(
        "default", description="Last part of the data streams' names, one per environment."
    )
    backfill: BackfillValue = Field(
        Backfill(LAST_MONTH),
        description="How far back the first pass reads: `last-month` (from its first day on), a day "
        "(2026-01-01) or a length (90d); at least what is read again for corrections, 7 days of usage and 31 "
        "of costs.",
    )
    usage: UsageSettings = UsageSettings()
    cost: CostSettings = CostSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    inventory: InventorySettings = InventorySettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()
    budgets: Budgets = Field(
        (),
        description="What a period may cost or use: a list of `{name, usd or tokens}` with optional `period` "
        "(`monthly`, `weekly`, `daily`), one of `team, workspace, api_key, tag`, and `levels` (percentages "
        "that alert, else 50, 75, 90, 100).",
    )
    digest: Annotated[Literal["off", "daily", "weekly"], BeforeValidator(_off)] = Field(
        "off",
        description="`daily` or `weekly`: `run` posts each UTC day or week to the webhooks of `alerts`.",
    )
    spend: SpendSettings = SpendSettings()
    teams: Teams = Field(
        (),
        description="Who pays: a list of `{team, workspaces, api_keys, tags, people}` with optional "
        "`environment, owner, cost_centre, project`; the first that matches counts, the rest is Unassigned.",
    )
    prices: Prices = Field(
        (),
        description="Prices of your own for estimates, dollars per million tokens: a list of `{model, "
        "uncached_input, cache_read, cache_write_5m, cache_write_1h, output, batch, us, fast, valid_from}`.",
    )
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()

    @field_validator("retention")
    @classmethod
    def _minutes_outlive_backfill(cls, value: RetentionSettings, info: ValidationInfo) -> RetentionSettings:
        usage: UsageSettings | None = info.data.get("usage")
        for key, kept in ((key, getattr(value, key)) for key in ("usage_1m", "headroom")):
            # The default follows a shorter retention; what was asked for must be possible.
            asked = usage is not None and "minute_backfill" in usage.model_fields_set
            if usage and asked and kept is not None and kept < usage.minute_backfill:
                raise PydanticCustomError(
                    "at_key",
                    "must be at least usage.minute_backfill ({least}), or none; you gave {given}",
                    {
                        "key": key,
                        "least": format_duration(usage.minute_backfill),
                        "given": format_duration(kept),
                    },
                )
        return value

    def require_admin_key(self) -> None:
        """ConfigError unless there is an admin key that can be read."""
        self.anthropic.secret().get()

    def require_elasticsearch(self) -> None:
        """ConfigError unless there is a cluster to write to and its credentials, if any, can be read."""
        if not self.elasticsearch.hosts:
            raise ConfigError(
                "elasticsearch.hosts: there is no cluster to write to.",
                cure="Set ELASTICSEARCH_URL, or elasticsearch.hosts in the configuration file.",
            )
        if secret := self.elasticsearch.secret():
            secret.get()

    @property
    def month_budget(self) -> BudgetSettings | None:
        """The first budget of a month of the whole organization in dollars, if there is any."""
        return next((budget for budget in self.budgets if budget.is_months_whole), None)

    def hints(self) -> Iterator[str]:
        """What still loads in an older form, and what has no effect, one sentence each."""
        yield from budget_hints(self.budgets)
        if self.digest != "off" and not (self.alerts.webhooks or self.alerts.slack_webhooks):
            yield "digest: alerts.webhooks and alerts.slack_webhooks are empty: nobody gets it."

    def cautions(self) -> Iterator[str]:
        """What is allowed but unsafe, one sentence each, for a warning at the start."""
        settings = self.elasticsearch
        if not settings.verify_certs:
            yield "elasticsearch.verify_certs is off: anybody on the way can read and change what is sent."
        if not self.kibana.verify_certs:
            yield "kibana.verify_certs is off: anybody on the way can read and change what is sent."
        for key in self._keys_in_the_clear():
            yield f"{key}: an address has no TLS (http://): the secret sent there can be read on the way."

    def _keys_in_the_clear(self) -> Iterator[str]:
        """The keys of addresses on other machines to which a secret goes over plain HTTP."""
        anthropic, es, kibana, alerts = self.anthropic, self.elasticsearch, self.kibana, self.alerts
        webhooks = (*alerts.webhooks, *alerts.slack_webhooks)
        sent = {
            "anthropic.base_url": ((anthropic.base_url,), anthropic.admin_key or anthropic.admin_key_file),
            "elasticsearch.hosts": (es.hosts, es.username or es.api_key or es.api_key_file),
            "kibana.url": ((kibana.url or "",), kibana.api_key or kibana.api_key_file),
            "alerts.webhooks": (tuple(secret.get_secret_value() for secret in webhooks), webhooks),
        }
        yield from (key for key, (urls, secret) in sent.items() if secret and any(map(_in_the_clear, urls)))

"""The configuration as typed, frozen values: one class per section, one description per key.

The descriptions are the text of docs/configuration.md and of config.example.yaml. No field holds a default
that depends on the machine, so that `Config()` is the documented configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from anthropic_metrics.config.alerts import AlertSettings
from anthropic_metrics.config.budgets import Budgets, BudgetSettings
from anthropic_metrics.config.budgets import hints as budget_hints
from anthropic_metrics.config.collected import (
    CostSettings,
    InventorySettings,
    RateLimitSettings,
    TelemetrySettings,
    UsageSettings,
)
from anthropic_metrics.config.connections import (
    AnthropicSettings,
    ElasticsearchSettings,
    KibanaSettings,
    Section,
)
from anthropic_metrics.config.money import Prices, SpendSettings, Teams
from anthropic_metrics.config.organizations import Organizations
from anthropic_metrics.config.organizations import faults as organization_faults
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.config.retention import RetentionSettings
from anthropic_metrics.config.values import (
    DEFAULT_HOST,
    LAST_MONTH,
    ApiKey,
    Backfill,
    BackfillValue,
    Host,
    Namespace,
    format_duration,
    lower,
)
from anthropic_metrics.errors import ConfigError


def _in_the_clear(url: str) -> bool:
    local = {"localhost", "127.0.0.1", "::1"}
    return url.lower().startswith("http:") and urlsplit(url).hostname not in local


_NEED_NO_CLUSTER = "`costs` and `report` need neither."


class HealthSettings(Section):
    host: Host = Field(DEFAULT_HOST, description="Address to listen on; 0.0.0.0 accepts other machines.")
    port: int = Field(9321, ge=0, le=65535, description="Port of /healthz, /readyz, /metrics, /v1/budgets.")
    token: ApiKey = Field(
        None, description="Bearer token that /v1/budgets requires; without it, /v1/budgets is open."
    )
    figures: bool = Field(
        False,
        description="Whether /metrics also shows today's spend, the budgets and the peak of each limit.",
    )


class LogSettings(Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = Field(
        "info", description="Lowest level that is logged: debug, info, warning, error."
    )
    format: Literal["json", "console"] | None = Field(
        None, description="json or console; the default is console on a terminal, otherwise json."
    )


def _off(value: object) -> object:
    """YAML reads a bare off as false."""
    return "off" if value is False else lower(value)


class Config(Section):
    """Everything a user can decide."""

    anthropic: AnthropicSettings = AnthropicSettings()
    teams: Teams = Field(
        (),
        description="Who pays: a list of `{team, workspaces, api_keys, tags, people}` with optional "
        "`environment, owner, cost_centre, project`; the first match counts; the rest is Unassigned.",
    )
    budgets: Budgets = Field(
        (),
        description="What a period may cost or use: a list of `{name, usd or tokens}`; optional are `period` "
        "(`monthly`, `weekly`, `daily`), one of `team, workspace, api_key, tag`, and `levels` (percentages "
        "that alert; default 50, 75, 90, 100).",
    )
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    kibana: KibanaSettings = KibanaSettings()
    namespace: Namespace = Field(
        "default", description="Last part of the data streams' names, one per environment."
    )
    backfill: BackfillValue = Field(
        Backfill(LAST_MONTH),
        description="How far back the first pass reads: `last-month` (from its first day), a day "
        "(2026-01-01) or a length (90d); at least 7 days of usage and 31 of costs, which are read again for "
        "corrections.",
    )
    usage: UsageSettings = UsageSettings()
    cost: CostSettings = CostSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    inventory: InventorySettings = InventorySettings()
    people: PeopleSettings = PeopleSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()
    digest: Annotated[Literal["off", "daily", "weekly"], BeforeValidator(_off)] = Field(
        "off",
        description="`daily` or `weekly`: `run` posts a digest of each UTC day or week to the webhooks.",
    )
    spend: SpendSettings = SpendSettings()
    prices: Prices = Field(
        (),
        description="Your own prices for estimates, dollars per million tokens: a list of `{model, "
        "uncached_input, cache_read, cache_write_5m, cache_write_1h, output, batch, us, fast, valid_from}`.",
    )
    organizations: Organizations = Field(
        (),
        description="Several organizations, instead of the one in `anthropic`: a list of `{name, admin_key "
        "or admin_key_file}`. An entry may also have keys of `anthropic` and its own `backfill, usage, cost, "
        "rate_limits, inventory, people, spend, teams, budgets, prices`; see docs/organizations.md.",
    )
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()

    @field_validator("retention")
    @classmethod
    def _minutes_outlive_backfill(cls, value: RetentionSettings, info: ValidationInfo) -> RetentionSettings:
        usage: UsageSettings | None = info.data.get("usage")
        if usage and (fault := _outlived(value, usage)):
            raise PydanticCustomError("at_key", "{text}", {"key": fault[0], "text": fault[1]})
        return value

    @field_validator("organizations")
    @classmethod
    def _fit(cls, value: Organizations, info: ValidationInfo) -> Organizations:
        problems = list(organization_faults(value, info.data))
        retention = info.data.get("retention")
        for own in value:
            if not problems and own.usage is not None and retention is not None:
                usage = own.overrides(info.data).get("usage")
                if usage and (outlived := _outlived(retention, usage)):
                    problems.append(f"{own.name}: retention.{outlived[0]} {outlived[1]}")
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @property
    def label(self) -> str:
        """The name of the organization it is for, of several; empty where there is one."""
        return self.anthropic.label

    def per_organization(self) -> tuple[Config, ...]:
        """A configuration for each organization: this one where it is for one."""
        if not self.organizations:
            return (self,)
        above: dict[str, Any] = {name: getattr(self, name) for name in Config.model_fields}
        return tuple(
            self.model_copy(update={"organizations": (), **organization.overrides(above)})
            for organization in self.organizations
        )

    def of(self, name: str) -> Config:
        """The configuration of the organization with this name; ConfigError says which there are."""
        names = [organization.name for organization in self.organizations]
        for own in self.per_organization():
            if own.label and own.label.casefold() == name.casefold():
                return own
        raise ConfigError(
            f"--organization: the configuration has no organization {name!r}; it has {', '.join(names)}"
            if names
            else "--organization: the configuration has no `organizations`"
        )

    def require_admin_key(self) -> None:
        """ConfigError unless there is an admin key that can be read, of each organization."""
        for own in self.per_organization():
            own.anthropic.secret().get()

    def require_elasticsearch(self, *, embeddable: bool = False, instead: str = "") -> None:
        """ConfigError unless there is a cluster and its credentials, if any, can be read.

        `embeddable`: the command takes --embedded, which is then the first cure. `instead`: what answers the
        same question from the bill, where something does.
        """
        if not self.elasticsearch.hosts and embeddable:
            raise ConfigError(
                "elasticsearch.hosts: no cluster is configured.",
                cure="Add --embedded to use an Elasticsearch on this machine; for a cluster, set "
                "ELASTICSEARCH_URL, or elasticsearch.hosts in the configuration file. "
                f"{instead or _NEED_NO_CLUSTER}",
            )
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
        """What still loads in an older form, has no effect, or fires on anybody, one sentence each."""
        yield from dict.fromkeys(
            hint for own in self.per_organization() for hint in budget_hints(own.budgets)
        )
        if self.digest != "off" and not (self.alerts.webhooks or self.alerts.slack_webhooks):
            yield "digest: alerts.webhooks and alerts.slack_webhooks are empty, so nobody receives it."
        if self.alerts.evaluate and (low := self.alerts.low_defaults()):
            yield (
                f"alerts.evaluate: {', '.join(low)} are the defaults, which most organizations exceed at "
                "once; `anthropic-metrics alerts suggest` prints thresholds that fit."
            )

    def cautions(self) -> Iterator[str]:
        """What is allowed but unsafe, one sentence each, for a warning at the start."""
        settings = self.elasticsearch
        if not settings.verify_certs:
            yield "elasticsearch.verify_certs is off: others on the network can read and change what is sent."
        if not self.kibana.verify_certs:
            yield "kibana.verify_certs is off: others on the network can read and change what is sent."
        for key in self._keys_in_the_clear():
            yield f"{key}: an address has no TLS (http://), so others on the network can read the secret."

    def _keys_in_the_clear(self) -> Iterator[str]:
        """The keys of addresses on other machines to which a secret goes over plain HTTP."""
        es, kibana, alerts = self.elasticsearch, self.kibana, self.alerts
        webhooks = (*alerts.webhooks, *alerts.slack_webhooks)
        admin = [own.anthropic for own in self.per_organization()]
        sent = {
            **{
                f"{api.place}.base_url": ((api.base_url,), api.admin_key or api.admin_key_file)
                for api in admin
            },
            "elasticsearch.hosts": (es.hosts, es.username or es.api_key or es.api_key_file),
            "kibana.url": ((kibana.url or "",), kibana.api_key or kibana.api_key_file),
            "alerts.webhooks": (tuple(secret.get_secret_value() for secret in webhooks), webhooks),
        }
        yield from (key for key, (urls, secret) in sent.items() if secret and any(map(_in_the_clear, urls)))


def _outlived(retention: RetentionSettings, usage: UsageSettings) -> tuple[str, str] | None:
    """The retention that ends before what usage.minute_backfill asks for, and why it cannot be."""
    # The default follows a shorter retention; what was asked for must be possible.
    if "minute_backfill" not in usage.model_fields_set:
        return None
    for key in ("usage_1m", "headroom"):
        duration = getattr(retention, key)
        if duration is not None and duration < usage.minute_backfill:
            least, written = format_duration(usage.minute_backfill), format_duration(duration)
            return key, f"must be at least usage.minute_backfill ({least}), or none; you gave {written}"
    return None

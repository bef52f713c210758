"""The `alerts` section: thresholds, schedules, recipients."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import yaml
from pydantic import BeforeValidator, Field, SecretStr

from anthropic_metrics import quoting
from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.values import listed, names, parse_duration
from anthropic_metrics.config.yaml_file import parse
from anthropic_metrics.quoting import quoted
from anthropic_metrics.redaction import redact

RULES = (
    "daily_cost",
    "monthly_budget",
    "workspace_daily_cost",
    "token_spike",
    "cache_hit_rate",
    "model_dominance",
    "workspace_baseline",
    "month_end_forecast",
    "rate_limit_headroom",
    "new_workspace",
    "unattributed_usage",
    "no_fresh_data",
    "spend_spike",
    "daily_spend",
    "key_begins_to_spend",
    "unpriced_model",
    "estimate_drift",
    "spend_limit",
    "key_expires",
    "key_unused",
    "retired_key_used",
    "new_key",
    "workspace_without_limit",
    "request_errors",
    "request_latency",
    "rate_limited",
    "overloaded",
    "rpm_headroom",
    "telemetry_destination",
)
_MOST_ADDRESSES, _LONGEST_ADDRESS = 100, 512
_LEAST_USD = 0.01
_SHORTEST_SCHEDULE = timedelta(minutes=1)


def _texts(value: object) -> tuple[str, ...]:
    texts = listed(value)
    if not isinstance(texts, list | tuple) or not all(isinstance(item, str) and item for item in texts):
        raise ValueError("must be a list of texts, such as [a, b]")
    return tuple(texts)


def _webhooks(value: object) -> tuple[SecretStr, ...]:
    """URLs that are secrets: whoever knows one can post. No message quotes them."""
    if isinstance(value, tuple) and all(isinstance(item, SecretStr) for item in value):
        return value
    urls = tuple(text.strip() for text in _texts(value))
    for place, url in enumerate(urls, 1):
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError("must be a list of URLs that begin with https:// or http://")
        redact.add_url(url)
        if not _can_be_posted_to(url):
            raise ValueError(f"entry {place} cannot be read as a URL: check its host and port")
    return tuple(SecretStr(url) for url in urls)


def _can_be_posted_to(url: str) -> bool:
    """Whether the HTTP client can make a request of it."""
    try:
        return bool(httpx.URL(url).host) and urlsplit(url).port != 0
    except (httpx.InvalidURL, ValueError):  # also a host that is no IDNA name
        return False


def _connectors(value: object) -> tuple[str, ...]:
    names = _texts(value)
    for place, name in enumerate(names, 1):
        if not re.fullmatch(r"[A-Za-z0-9_.\-]{1,100}", name):
            raise ValueError(f"entry {place}: must be the id of a connector; Kibana shows it in its address")
    return names


def _addresses(value: object) -> tuple[str, ...]:
    addresses = _texts(value)
    if len(addresses) > _MOST_ADDRESSES or any(len(address) > _LONGEST_ADDRESS for address in addresses):
        raise ValueError(
            f"must be at most {_MOST_ADDRESSES} addresses of at most {_LONGEST_ADDRESS} characters: "
            "Kibana sends to no more"
        )
    for place, address in enumerate(addresses, 1):
        if not re.fullmatch(r"[^\s@:/]+@[^\s@:/]+", address):
            raise ValueError(f"entry {place}: must be an e-mail address")
    return addresses


def _table(
    value: object,
    what: str,
    read: Callable[[object], Any],
    shown: Callable[[str], str] = quoting.name,
) -> dict[str, Any]:
    """A mapping with each value read; a problem names the entry as `shown` has it."""
    if value in (None, ""):
        return {}
    if isinstance(value, str):
        value = _mapping(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a mapping of names to {what}")
    table = {}
    for name, item in value.items():
        try:
            table[str(name)] = read(item)
        except ValueError as error:
            raise ValueError(f"{shown(str(name))}: {error}") from None
    return table


def _mapping(text: str) -> object:
    """A mapping given as one text, as environment variables have it: JSON, or YAML with or without braces."""
    try:
        return parse(text)
    except (yaml.YAMLError, ValueError):
        raise ValueError("must be a mapping, such as {Production: 500}") from None


def _usd(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not str(value).isascii():
        raise ValueError("must be an amount in US dollars, such as 500")
    try:
        amount = float(value)
    except ValueError:
        raise ValueError("must be an amount in US dollars, such as 500") from None
    # Less than a cent is 0 in a query, and a limit of 0 is always passed.
    if not _LEAST_USD <= amount < 1e12:
        raise ValueError("must be at least a cent (0.01)")
    return amount


def _schedule(value: object) -> timedelta:
    schedule = parse_duration(value)
    if schedule < _SHORTEST_SCHEDULE:
        raise ValueError("must be at least 1m")
    return schedule


def _rule(name: str) -> str:
    return quoted(name, near=RULES).strip("'") or "a name"


def _schedules(value: object) -> dict[str, timedelta]:
    table = _table(value, "durations", _schedule, _rule)
    if unknown := [_rule(name) for name in table if name not in RULES]:
        raise ValueError(f"{', '.join(unknown)}: no such rule; allowed: {', '.join(RULES)}")
    return table


Usd = Annotated[float, BeforeValidator(_usd)]
Factor = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Connectors = Annotated[tuple[str, ...], BeforeValidator(_connectors)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Webhooks = Annotated[tuple[SecretStr, ...], BeforeValidator(_webhooks)]


# Thresholds of Elastic's announcement, by the rule that has them: far below what a busy organization uses.
_LOW_DEFAULTS = {
    "daily_cost_usd": "daily_cost",
    "workspace_daily_cost_usd": "workspace_daily_cost",
    "hourly_tokens": "token_spike",
    "unattributed_tokens": "unattributed_usage",
}


class AlertSettings(Section):
    evaluate: bool = Field(
        False, description="Whether `run` evaluates the rules itself and posts to the webhooks below."
    )
    webhooks: Webhooks = Field((), description="URLs that get each alert as JSON; never logged.")
    slack_webhooks: Webhooks = Field(
        (), description="Webhooks of Slack, or of tools with the same format (Mattermost, Discord's /slack)."
    )
    connectors: Connectors = Field(
        (), description="Ids of Kibana connectors that `alerts install` adds to the rules as actions."
    )
    emails: Addresses = Field((), description="Recipients, for connectors that send e-mail.")
    rules: Annotated[tuple[str, ...], names(what="rule", allowed=RULES)] = Field(
        RULES, description="The rules that are on; `budgets` have rules of their own."
    )
    schedules: Annotated[dict[str, timedelta], BeforeValidator(_schedules)] = Field(
        {}, description="Schedules that differ from the rules' defaults, by rule: `{token_spike: 5m}`."
    )
    daily_cost_usd: Usd = Field(
        50.0, description="`daily_cost`, `daily_spend`: the maximum cost of a UTC day."
    )
    monthly_budget_usd: Usd = Field(
        1000.0,
        description="`monthly_budget`, `month_end_forecast`: the maximum cost of a month, unless "
        "`budgets` has a monthly budget of the whole organization.",
    )
    workspace_daily_cost_usd: Usd = Field(
        20.0, description="`workspace_daily_cost`: the maximum cost of one workspace in a UTC day."
    )
    hourly_tokens: int = Field(
        500_000, ge=1, description="`token_spike`: the maximum tokens of one model in an hour."
    )
    cache_hit_percent: int = Field(
        30, ge=1, le=100, description="`cache_hit_rate`: the minimum share of input from the cache."
    )
    cache_floor_tokens: int = Field(
        1_000_000, ge=0, description="`cache_hit_rate`: input tokens below which the rule is silent."
    )
    dominance_percent: int = Field(
        90, ge=50, le=99, description="`model_dominance`: the maximum share of one model's tokens."
    )
    dominance_floor_tokens: int = Field(
        1_000_000, ge=0, description="`model_dominance`: tokens below which the rule is silent."
    )
    baseline_factor: Factor = Field(
        2.0, description="`workspace_baseline`: maximum cost of a day, as a multiple of the usual."
    )
    baseline_floor_usd: Usd = Field(
        20.0, description="`workspace_baseline`: minimum difference from the usual cost."
    )
    headroom_percent: int = Field(
        20,
        ge=1,
        le=100,
        description="`rate_limit_headroom`, `rpm_headroom`: minimum share of a limit that a minute leaves.",
    )
    unattributed_tokens: int = Field(
        1_000_000,
        ge=0,
        description="`unattributed_usage`: maximum tokens of the Console or an unknown key in a UTC day.",
    )
    spike_factor: Factor = Field(
        3.0, description="`spend_spike`: maximum cost of a key's hour, as a multiple of its usual peak hour."
    )
    spike_floor_usd: Usd = Field(
        10.0, description="`spend_spike`: minimum difference from the usual peak hour."
    )
    new_spend_usd: Usd = Field(
        1.0, description="`key_begins_to_spend`: the minimum cost of a key that counts."
    )
    estimate_drift_percent: int = Field(
        5,
        ge=1,
        le=100,
        description="`estimate_drift`: maximum error of the estimates for a workspace's day.",
    )
    spend_limit_percent: int = Field(
        80,
        ge=1,
        le=99,
        description="`spend_limit`: the share of a Console limit at which the rule first fires.",
    )
    key_expires_days: int = Field(
        14, ge=0, description="`key_expires`: how many days before a key's expiry the rule fires."
    )
    key_unused_days: int = Field(
        90, ge=1, description="`key_unused`: maximum days without use of an active key."
    )
    request_error_percent: float = Field(
        5.0, gt=0, le=100, description="`request_errors`: maximum share of a model's requests that fail."
    )
    rate_limited_percent: float = Field(
        1.0, gt=0, le=100, description="`rate_limited`: maximum share of a model's requests with a 429."
    )
    overloaded_percent: float = Field(
        5.0, gt=0, le=100, description="`overloaded`: maximum share of a model's requests with a 529."
    )
    latency_factor: Factor = Field(
        2.0, description="`request_latency`: maximum 95th percentile, as a multiple of the usual."
    )
    request_floor: int = Field(
        100, ge=1, description="Rules on requests: requests of a model below which a rule is silent."
    )

    def low_defaults(self) -> list[str]:
        """The settings of active rules that are still the default, where most organizations exceed it."""
        return [
            name
            for name, rule in _LOW_DEFAULTS.items()
            if rule in self.rules and name not in self.model_fields_set
        ]

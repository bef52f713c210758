"""Alert rules installed into the stand-in for Kibana."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from anthropic_metrics.alerts.install import Impression, apply, plan_install
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config, KibanaSettings
from anthropic_metrics.kibana.client import KibanaClient
from tests.servers.kibana_rules import KEY, KibanaRules


def configured(kibana: KibanaRules, **settings: Any) -> Config:
    space = kibana.prefix.removeprefix("/s/") or None
    there = KibanaSettings(url=kibana.url, api_key=SecretStr(KEY), space=space)
    return Config(kibana=there, **settings)


def quiet(rule: Rule) -> tuple[int, str]:
    return 0, ""


def install(config: Config, judge: Impression = quiet, *, overwrite: bool = False) -> list[str]:
    with KibanaClient(config.kibana) as client:
        changes = plan_install(client, config, judge, overwrite=overwrite)
        apply(client, changes)
    return [change.action for change in changes]

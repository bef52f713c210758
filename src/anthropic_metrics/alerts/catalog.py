"""Every rule of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from anthropic_metrics.alerts.announced import ANNOUNCED
from anthropic_metrics.alerts.budgets import budget_rules
from anthropic_metrics.alerts.further import FURTHER
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config

_MAKERS: tuple[Callable[[Config], Rule], ...] = (*ANNOUNCED, *FURTHER)


def every_rule(config: Config) -> list[Rule]:
    """The rules in the order of the documentation, whether or not they are on; budgets come last."""
    made = [maker(config) for maker in _MAKERS]
    named = [replace(rule, schedule=config.alerts.schedules.get(rule.key, rule.schedule)) for rule in made]
    return [*named, *budget_rules(config)]


def rules(config: Config) -> list[Rule]:
    """The rules that are on."""
    return [rule for rule in every_rule(config) if is_on(rule, config)]


def is_on(rule: Rule, config: Config) -> bool:
    """Budgets are on where there is one; the organization's takes the place of the plain monthly limit."""
    if rule.key.startswith("budget "):
        return True
    if rule.key == "monthly_budget" and config.budgets.organization_usd is not None:
        return False
    return rule.key in config.alerts.rules

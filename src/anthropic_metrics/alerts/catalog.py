"""Every rule of a configuration, and why a rule is off."""

from __future__ import annotations

from dataclasses import replace

from anthropic_metrics.alerts.additional import ADDITIONAL_RULES
from anthropic_metrics.alerts.budgets import budget_rules
from anthropic_metrics.alerts.integration import INTEGRATION_RULES
from anthropic_metrics.alerts.keys import KEYS
from anthropic_metrics.alerts.organizations import by_organization, of_organization
from anthropic_metrics.alerts.requests import REQUESTS
from anthropic_metrics.alerts.rule import Definition, Rule
from anthropic_metrics.alerts.spend import SPEND_RULES
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.config import Config
from anthropic_metrics.headroom.derivation import Headroom
from anthropic_metrics.kernel.datasets import COST, HEADROOM, INVENTORY, RATE_LIMIT, SPEND, USAGE

DEFINITIONS: tuple[Definition, ...] = (*INTEGRATION_RULES, *ADDITIONAL_RULES, *SPEND_RULES, *KEYS, *REQUESTS)


def every_rule(config: Config) -> list[Rule]:
    """The rules in the order of the documentation, whether or not they are on; budgets come last.

    Of several organizations, each is judged by itself.
    """
    made = [rule for definition in DEFINITIONS for rule in _made(definition, config)]
    schedules = config.alerts.schedules
    return [
        *(replace(rule, schedule=schedules.get(rule.plain_key, rule.schedule)) for rule in made),
        *_budgets(config),
    ]


def _made(definition: Definition, config: Config) -> list[Rule]:
    if not config.organizations:
        return [definition.rule(config)]
    if not definition.is_of_one:
        return [by_organization(definition.rule(config))]
    return [of_organization(definition.rule(each), each.label) for each in config.per_organization()]


def _budgets(config: Config) -> list[Rule]:
    if not config.organizations:
        return list(budget_rules(config))
    return [
        of_organization(rule, each.label) for each in config.per_organization() for rule in budget_rules(each)
    ]


def rules(config: Config) -> list[Rule]:
    """The rules that are on."""
    return [rule for rule in every_rule(config) if not off_because(rule, config)]


def left_out(config: Config) -> list[tuple[Rule, str]]:
    """The rules that are chosen and yet off, for want of their data; and why."""
    found = []
    for rule in every_rule(config):
        configs = concerned(rule, config)
        reasons = [_without_data(rule, each) for each in configs]
        if all(reasons) and not any(_not_chosen(rule, each) for each in configs):
            found.append((rule, reasons[0]))
    return found


def off_because(rule: Rule, config: Config) -> str:
    """Why the rule is off; empty where it is on.

    A rule whose stream or dimension is not collected is off: without its columns it could only fail, and
    without its values it would be silent for the wrong reason. Budgets are on where there is one; that of the
    organization takes the place of the plain monthly limit. Of several organizations, it is on where one of
    those that it is for has its data.
    """
    reasons = [_not_chosen(rule, each) or _without_data(rule, each) for each in concerned(rule, config)]
    return reasons[0] if all(reasons) else ""


def concerned(rule: Rule, config: Config) -> tuple[Config, ...]:
    """The organizations that the rule is for."""
    return (config.of(rule.organization),) if rule.organization else config.per_organization()


def _not_chosen(rule: Rule, config: Config) -> str:
    if rule.key.startswith("budget "):
        return ""
    if rule.plain_key not in config.alerts.rules:
        return "not in alerts.rules"
    if rule.plain_key == "monthly_budget" and config.month_budget is not None:
        return f"the budget {config.month_budget.name} replaces it"
    return ""


def _without_data(rule: Rule, config: Config) -> str:
    if rule.key == "telemetry_destination" and config.telemetry.enabled == "false":
        return "telemetry.enabled is false"
    for dataset in (*rule.reads, *rule.needs):
        if why := _not_collected(dataset, config):
            return why
    if RATE_LIMIT in rule.reads and not rule.spans and not config.rate_limits.workspaces:
        return "rate_limits.workspaces is false"
    absent = [name for name in rule.groups if name not in config.usage.group_by]
    return f"usage.group_by lacks {', '.join(absent)}" if absent else ""


def _not_collected(dataset: str, config: Config) -> str:
    usage, limits = config.usage, config.rate_limits
    if dataset == INVENTORY and not config.inventory.enabled:
        return "inventory.enabled is false"
    if dataset == COST and not config.cost.enabled:
        return "cost.enabled is false"
    if dataset == USAGE and not usage.enabled:
        return "usage.enabled is false"
    if dataset == USAGE and "1h" not in usage.granularities:
        return "usage.granularities lacks 1h"
    if dataset == SPEND and not collects_spend(config):
        return "spend is not collected: it needs spend.enabled and hourly usage (1h)"
    if dataset in (RATE_LIMIT, HEADROOM) and not limits.enabled:
        return "rate_limits.enabled is false"
    if dataset == HEADROOM and not Headroom.of(config) is not None:
        return "headroom needs usage by the minute and by model"
    return ""

"""Alert rules where there are several organizations."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from anthropic_metrics.alerts.bodies import rule_id, template
from anthropic_metrics.alerts.catalog import every_rule, left_out, off_because, rules
from anthropic_metrics.alerts.organizations import by_organization
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config, OrganizationSettings, UsageSettings
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.kernel.datasets import USAGE_1M, stream_name
from tests.servers.kibana_ids import FORMS, Form, id_columns, last_by

BUDGET = BudgetSettings(name="everything", usd=Decimal(500))


def organization(name: str, **own: object) -> OrganizationSettings:
    return OrganizationSettings.model_validate({"name": name, "admin_key": f"key-of-{name}", **own})


CONFIG = Config(
    organizations=(
        organization("acme", budgets=(BUDGET,)),
        organization("acme-eu", usage=UsageSettings(granularities=("1h",))),
    )
)
EVERY = every_rule(CONFIG)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.key)
def test_the_organization_is_part_of_an_alerts_id_or_of_its_rule(rule: Rule, form: Form) -> None:
    entries = last_by(rule.query)
    assert entries == list(rule.identity)
    assert id_columns(rule.query, [*entries, "a", "b"], form) == entries
    assert ("organization_id" in entries) != bool(rule.organization)
    if rule.organization:
        assert f'| WHERE organization.name == "{rule.organization}"' in rule.query
        assert rule.key.endswith(f", {rule.organization}")
        assert rule.title.startswith(f"{rule.organization}: ")


@pytest.mark.parametrize("rule", [rule for rule in EVERY if not rule.organization], ids=lambda rule: rule.key)
def test_every_sum_of_a_rule_is_one_organizations(rule: Rule) -> None:
    sums = [command for command in rule.query.split("\n| ") if command.startswith("STATS ")]
    assert sums
    for command in sums:
        assert command.endswith((", organization_id", " BY organization_id"))
        assert "organization = MAX(organization)" in command
    assert rule.subject.startswith("{{organization}}: ")


def test_rules_over_settings_of_an_organizations_own_exist_once_for_each() -> None:
    keys = [rule.key for rule in EVERY if rule.organization]
    for key in ("monthly_budget", "month_end_forecast", "no_fresh_data"):
        assert [each for each in keys if each.startswith(key)] == [f"{key}, acme", f"{key}, acme-eu"]
    assert [each for each in keys if each.startswith("budget ")] == ["budget everything, acme"]
    assert len({rule.key for rule in EVERY}) == len(EVERY)
    assert len({rule_id(rule, "default") for rule in EVERY}) == len(EVERY)
    assert len({template(rule, "default")["id"] for rule in EVERY}) == len(EVERY)


def test_a_budget_of_one_organization_leaves_the_monthly_limit_of_another_on() -> None:
    on = [rule.key for rule in rules(CONFIG) if rule.key.startswith("monthly_budget")]
    assert on == ["monthly_budget, acme-eu"]
    (forecast,) = (rule for rule in EVERY if rule.key == "month_end_forecast, acme")
    assert forecast.threshold == "500 USD a month"


def test_an_agent_is_missed_only_for_the_streams_that_it_polls_of_the_organization() -> None:
    minutes = stream_name(USAGE_1M, "default")
    fresh = {rule.organization: rule for rule in EVERY if rule.plain_key == "no_fresh_data"}
    assert minutes in fresh["acme"].query
    assert minutes not in fresh["acme-eu"].query
    assert {row["stream"] for row in fresh["acme-eu"].unwritten} < {
        row["stream"] for row in fresh["acme"].unwritten
    }


def test_a_rule_is_off_only_where_no_organization_has_its_data() -> None:
    (headroom,) = (rule for rule in EVERY if rule.key == "rate_limit_headroom")
    assert off_because(headroom, CONFIG) == ""
    hours = UsageSettings(granularities=("1h",))
    neither = CONFIG.model_copy(
        update={"organizations": tuple(organization(name, usage=hours) for name in ("acme", "acme-eu"))}
    )
    (headroom,) = (rule for rule in every_rule(neither) if rule.key == "rate_limit_headroom")
    assert "minute" in off_because(headroom, neither)
    assert headroom.key in {rule.key for rule, _ in left_out(neither)}


def test_a_command_that_may_lose_the_organization_is_refused() -> None:
    rule = every_rule(Config())[0]
    with pytest.raises(ValueError, match="whether ENRICH keeps the organization is not known"):
        by_organization(replace(rule, query=f"{rule.query}\n| ENRICH names"))

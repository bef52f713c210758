"""Thresholds out of the past: calm under them, a margin above, nothing where there is nothing to judge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.alerts.catalog import every_rule
from anthropic_metrics.alerts.rule import Limit, Rule
from anthropic_metrics.alerts.suggest import Sample, Suggestion, fitting, new_alerts, pasted, settings
from anthropic_metrics.cli.alerts import _suggested
from anthropic_metrics.config import Config

DAY = timedelta(days=1)
START = datetime(2026, 11, 1, tzinfo=UTC)
AMOUNT = Limit("daily_cost_usd", "cost_usd")
SHARE = Limit("dominance_percent", "share_percent", unit="percent", by_day=False, step=timedelta(hours=2))
LEAST = Limit("headroom_percent", "headroom_percent", above=False, unit="percent")
MONTH = Limit("monthly_budget_usd", "cost_usd", by_day=False, weekly=0)


def days(*values: float, name: str | None = None) -> list[Sample]:
    return [Sample(START + n * DAY, name or f"day {n}", value, {}) for n, value in enumerate(values)]


def test_an_amount_fits_when_it_lets_the_rule_fire_once_a_week_with_a_margin() -> None:
    quiet = days(*[100.0] * 14)
    assert fitting(AMOUNT, [quiet], 50) == 130  # 125, in two digits
    one_bad_day = days(*[100.0] * 6, 900.0, *[100.0] * 7)
    assert fitting(AMOUNT, [one_bad_day], 50) == 130
    assert [sample.value for sample in new_alerts(one_bad_day, AMOUNT, 130)] == [900.0]
    two_in_a_week = days(*[100.0] * 6, 900.0, 500.0, *[100.0] * 6)
    assert fitting(AMOUNT, [two_in_a_week], 50) == 630


def test_a_month_may_never_pass_its_limit_and_a_setting_of_two_rules_fits_both() -> None:
    spent, forecast = days(10.0, 20.0, 990.0, name="2026-10"), days(1400.0, 1200.0, 1000.0, name="2026-10")
    assert fitting(MONTH, [spent], 1000) == 1300
    assert fitting(MONTH, [spent, forecast], 1000) == 1800


def test_a_share_that_is_not_too_loud_stays() -> None:
    assert fitting(SHARE, [days(70, 80, 95, 70, name="model")], 90) == 90
    assert fitting(LEAST, [days(70, 10, 60, name="group")], 20) == 20


def test_a_share_that_is_too_loud_gives_way_and_one_that_nothing_fits_is_off() -> None:
    loud = days(*[95.0, 50.0] * 7, name="model")
    assert fitting(SHARE, [loud], 90) == 96
    assert fitting(SHARE, [days(*[100.0, 50.0] * 7, name="model")], 90) is None
    assert fitting(LEAST, [days(*[10.0, 50.0] * 7, name="group")], 20) == 8
    assert fitting(LEAST, [days(*[0.0, 50.0] * 7, name="group")], 20) is None


def test_an_alert_that_goes_on_is_one_and_without_a_past_nothing_changes() -> None:
    assert len(new_alerts(days(95, 96, 97, 50, 95, name="group"), AMOUNT, 90)) == 2
    assert fitting(AMOUNT, [[]], 50) == 50


def test_what_is_printed_is_the_configuration_that_was_meant() -> None:
    rules = {rule.key: rule for rule in every_rule(Config())}
    found = [
        Suggestion(rules["daily_cost"], "daily_cost_usd", 50.0, 4900.0, (), 30),
        Suggestion(rules["token_spike"], "hourly_tokens", 500_000, 240_000_000.0, (), 700),
        Suggestion(rules["model_dominance"], "dominance_percent", 90, None, (), 300),
        Suggestion(rules["unattributed_usage"], "unattributed_tokens", 1_000_000, 1_000_000.0, (), 0),
    ]
    suggested = settings(Config(), found)
    assert (suggested.daily_cost_usd, suggested.hourly_tokens) == (4900.0, 240_000_000)
    assert "model_dominance" not in suggested.rules
    text = pasted(Config(), found)
    assert "daily_cost_usd: 4900.0" in text
    assert "unattributed" not in text.partition("rules:")[0]
    assert "model_dominance" not in text
    assert pasted(Config(), found[3:]) == ""


@pytest.mark.parametrize("rule", [rule for rule in every_rule(Config()) if rule.limit], ids=lambda r: r.key)
def test_the_limit_of_a_rule_is_the_setting_in_its_query(rule: Rule) -> None:
    limit = rule.limit
    assert limit is not None
    changed = Config(alerts=Config().alerts.model_copy(update={limit.setting: 77}))
    (other,) = (each for each in every_rule(changed) if each.key == rule.key)
    assert other.query != rule.query
    assert f"{limit.column} =" in rule.query


def test_a_rule_over_traces_that_nobody_has_says_so() -> None:
    rules = {rule.key: rule for rule in every_rule(Config())}
    found = Suggestion(rules["rate_limited"], "rate_limited_percent", 1.0, 1.0, (), 0)
    assert _suggested(found)[-1] == "no traces in these days"

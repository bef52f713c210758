"""A summary names every rule with its counts, whose it is, and stays within what each webhook takes."""

from __future__ import annotations

from datetime import UTC, datetime

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.summary import SummaryEntry, summary
from anthropic_metrics.config import Config

NOW = datetime(2026, 11, 18, 12, 20, tzinfo=UTC)


def test_a_summary_counts_what_is_open_and_what_is_over_by_rule_and_organization() -> None:
    told = [
        SummaryEntry("daily_cost, emea", "emea", is_open=True),
        SummaryEntry("token_spike", "acme", is_open=True),
        SummaryEntry("token_spike", "acme", is_open=False),
        SummaryEntry("token_spike", "emea", is_open=True),
    ]
    message = summary(told, {"token_spike": "[Anthropic] Spike"}, NOW)
    assert (message["open"], message["over"]) == (3, 1)
    assert message["text"].splitlines()[:4] == [
        "3 alerts are open and 1 alert is over after the first evaluation of 3 rules:",
        "- daily_cost, emea (daily_cost, emea): 1 open",
        "- acme: [Anthropic] Spike (token_spike): 1 open, 1 over",
        "- emea: [Anthropic] Spike (token_spike): 1 open",
    ]


def test_a_summary_of_every_rule_fits_a_message_of_2000_characters_and_names_each() -> None:
    names = {rule.key: rule.name for rule in rules(Config())}
    text = summary([SummaryEntry(rule, "", is_open=True) for rule in names], names, NOW)["text"]
    assert len(text) <= 2000
    assert all(f"{rule}: " in text or f"({rule}): " in text for rule in names)


def test_rules_beyond_the_length_of_a_message_are_counted() -> None:
    told = [SummaryEntry(f"budget {number} {'x' * 60}", "", is_open=True) for number in range(100)] * 2
    message = summary(told, {}, NOW)
    *_, rest = (line for line in message["text"].splitlines() if line.startswith("- "))
    named = message["text"].count("- budget")
    assert rest == f"- {100 - named} more rules: {2 * (100 - named)} alerts"
    assert len(message["text"]) <= 2200
    assert len(message["rules"]) == 100

"""What `costs` says where its figures could be misread: a month that runs, no month before, an empty team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.cli.ledgers import (
    Books,
    comparison_notes,
    label_notes,
    remarks,
    settled_note,
    team_notes,
)
from anthropic_metrics.config import Config
from anthropic_metrics.config.connections import AnthropicSettings
from anthropic_metrics.finance.grouping import By
from tests.harness.finance_samples import NOW, OCTOBER, charge, ledger, line, names

SEPTEMBER = replace(ledger(line("1", date(2026, 9, 3)), line("9", date(2026, 9, 29))), period=OCTOBER.before)
RUNNING = ledger(line("1", date(2026, 10, 18)), line("1", date(2026, 10, 20)))


def test_a_month_that_runs_is_said_to_be_compared_with_the_same_days() -> None:
    during = datetime(2026, 10, 20, 9, tzinfo=UTC)
    (note,) = comparison_notes(RUNNING, SEPTEMBER, during)
    assert note == "2026-10 is not over; changes compare it with days 1 to 18 of 2026-09."
    assert list(comparison_notes(RUNNING, SEPTEMBER, NOW)) == []


def test_a_month_before_without_a_bill_is_said() -> None:
    (note,) = comparison_notes(RUNNING, replace(SEPTEMBER, lines=()), NOW)
    assert note == "There is no bill for 2026-09, so the whole amount counts as change."
    (early,) = comparison_notes(ledger(), SEPTEMBER, datetime(2026, 10, 1, 9, tzinfo=UTC))
    assert early == "There is no bill for day 1 of 2026-09, so the whole amount counts as change."
    assert list(comparison_notes(ledger(), None, NOW)) == []


@pytest.mark.parametrize(
    ("settle_after", "ago"),
    [(timedelta(days=2), "2 days"), (timedelta(days=1), "1 day"), (timedelta(hours=60), "60h")],
)
def test_a_settled_month_is_said_with_the_time_that_the_configuration_names(
    settle_after: timedelta, ago: str
) -> None:
    said = settled_note(ledger(line("1", date(2026, 10, 3))), settle_after)
    assert said == f"Settled: every day of 2026-10 ended at least {ago} ago."


def books(*teams: Mapping[str, object]) -> Books:
    client = AdminClient(AnthropicSettings.model_validate({"admin_key": "sk-ant-admin-none"}))
    return Books(Config.model_validate({"teams": teams}), client, names(*teams), NOW)


def test_a_team_to_which_nothing_belongs_is_told_why() -> None:
    bill = ledger(line("12.345", date(2026, 10, 3)))
    night = {"team": "night", "workspaces": ["Lab"]}
    (whole, why) = team_notes(books(night), bill, [], "night")
    assert whole == "Only what team night pays; the whole bill is $12.34."
    assert why.startswith(
        "Team night has nothing: nothing that its entry in `teams` names was used in 2026-10"
    )
    prod = {"team": "prod", "workspaces": ["wrkspc_a"]}
    assert list(team_notes(books(prod), bill, [], "prod")) == [whole.replace("night", "prod")]
    assert list(team_notes(books(night), bill, [By(("key",))])) == []


def test_tables_by_team_name_each_team_without_costs_and_each_unknown_name() -> None:
    bill = ledger(line("12.345", date(2026, 10, 3)))
    teams = ({"team": "night", "workspaces": ["Lab"]}, {"team": "day", "workspaces": ["Prod", "Prud"]})
    said = list(team_notes(books(*teams), bill, [By(("team", "model"))]))
    assert [each.partition(",")[0].partition(":")[0] for each in said] == ["teams", "Team night has nothing"]
    assert "no workspace Prud" in said[0]


def test_priority_tier_is_named_with_every_grouping_or_where_it_is_counted() -> None:
    (without,) = remarks(books(), [ledger(line("1"))])
    assert "Priority Tier commitments (`--by key` counts the tokens of Priority Tier)." in without
    with_usage = replace(ledger(line("1")), shares=(), priority_tokens=852)
    (left_out, tokens) = remarks(books(), [with_usage])
    assert left_out.endswith("Priority Tier commitments.")
    assert tokens == "852 tokens of Priority Tier are paid by commitment and have no amount."


def test_where_web_search_is_is_said_of_tables_with_usage_and_without() -> None:
    searched = replace(line("3407.41", description="Web Search Usage"), cost_type="web_search", model=None)
    bill = ledger(searched)
    tables = [By(("team",)), By(("model",))]
    (without,) = label_notes(books(), [bill], tables)
    assert without.startswith("Without keys, web search has no model ($3,407.41 here)")
    read = replace(bill, shares=(charge("3407.41", key="apikey_1", meter="web_search"),))
    assert list(label_notes(books(), [read], tables)) == [
        "Web search is in the models that searched ($3,407.41); `costs --by model` lists it as (no model)."
    ]
    assert list(label_notes(books(), [read], tables[:1])) == []

"""Spent, left, state and forecast of a budget: over month ends, leap days, weeks and renames."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from anthropic_metrics.budgets.ledger import Coverage, DaySum
from anthropic_metrics.budgets.period import label, period_of
from anthropic_metrics.budgets.scope import called, target, unknown_to_teams
from anthropic_metrics.budgets.state import BudgetState, budget_state, history_of, unknown_state
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetPeriod, BudgetSettings
from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.kernel.ranges import Range

SETTLE = timedelta(hours=48)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "period", "start", "end", "called"),
    [
        ("2028-02-29T23:59", "monthly", "2028-02-01", "2028-03-01", "2028-02"),
        ("2027-02-28T12:00", "monthly", "2027-02-01", "2027-03-01", "2027-02"),
        ("2026-12-31T23:59:59", "monthly", "2026-12-01", "2027-01-01", "2026-12"),
        ("2028-02-29T00:00", "daily", "2028-02-29", "2028-03-01", "2028-02-29"),
        ("2026-11-01T00:00", "weekly", "2026-10-26", "2026-11-02", "2026-10-26"),
        ("2026-11-02T00:00", "weekly", "2026-11-02", "2026-11-09", "2026-11-02"),
        ("2027-01-01T05:00", "weekly", "2026-12-28", "2027-01-04", "2026-12-28"),
    ],
)
def test_a_period_is_a_utc_day_a_week_from_monday_or_a_calendar_month(
    moment: str, period: BudgetPeriod, start: str, end: str, called: str
) -> None:
    span = period_of(at(moment), period)
    assert span == Range(at(start), at(end))
    assert label(span, period) == called


def budget(**given: Any) -> BudgetSettings:
    return BudgetSettings.model_validate({"name": "b", "usd": 310, **given})


def days(first: str, count: int, amount: int = 10, estimated_from: str = "9999-01-01") -> dict[date, DaySum]:
    begin, early = date.fromisoformat(first), date.fromisoformat(estimated_from)
    found = {}
    for n in range(count):
        day = begin + timedelta(days=n)
        found[day] = DaySum(Decimal(amount)) if day < early else DaySum(Decimal(0), Decimal(amount))
    return found


def state_of(
    one: BudgetSettings, found: dict[date, DaySum], now: str, *, running: bool = True
) -> BudgetState:
    so_far = {day: each for day, each in found.items() if day <= at(now).date()}
    return budget_state(one, so_far, at(now), running=running, settle_after=SETTLE)


@pytest.mark.parametrize(
    ("first", "start", "whole"),
    [
        ("2026-10-01", "2026-10-01", True),
        ("2026-09-30", "2026-10-01", True),
        ("2026-10-02", "2026-10-01", False),
        ("2026-10-26", "2026-10-26", False),  # a stream that begins today may lack its first hours
        (None, "2026-10-26", False),
    ],
)
def test_a_period_is_complete_where_the_stream_reaches_back_to_its_start(
    first: str | None, start: str, whole: bool
) -> None:
    begins = date.fromisoformat(first) if first else None
    assert Coverage(begins, None).is_whole(at(start), at("2026-10-26T12:00")) is whole


def test_a_budget_that_names_a_workspace_or_key_by_its_id_shows_its_name_or_the_id_where_there_is_none() -> (
    None
):
    names = Names("org", "Org", {"wrkspc_1": NamedWorkspace("Production")}, {"apikey_1": "batch"})

    def shown(**scope: str) -> str:
        one = budget(**scope)
        return replace(unknown_state(one, at("2026-10-26"), ""), called=called(one, names)).whose

    assert shown(workspace="wrkspc_1") == shown(workspace="Production") == "workspace Production"
    assert shown(workspace="wrkspc_2") == "workspace wrkspc_2"
    assert shown(api_key="apikey_1") == "API key batch"
    assert shown() == "the organization"


def test_spent_is_what_is_settled_and_the_estimates_of_the_rest_and_both_are_known() -> None:
    found = days("2026-09-01", 56, estimated_from="2026-10-24")
    seen = state_of(budget(), found, "2026-10-26T12:00")
    assert [seen.settled, seen.estimated, seen.spent, seen.left] == list(map(Decimal, (230, 30, 260, 50)))
    assert seen.basis == "mixed"
    assert seen.used == pytest.approx(260 / 310)


@pytest.mark.parametrize(
    ("usd", "levels", "state"),
    [
        (311, "50", "ok"),
        (290, "90", "ok"),
        (288, "90", "warning"),
        (260, "90", "exceeded"),
        (325, "80", "warning"),
    ],
)
def test_a_budget_warns_from_its_highest_level_below_100_on(usd: int, levels: str, state: str) -> None:
    one = BudgetSettings.model_validate({"name": "b", "usd": usd, "levels": f"{levels}, 100"})
    expected = "warning" if usd == 311 else state  # 260 of 311 are above its only level of 50
    assert state_of(one, days("2026-10-01", 26), "2026-10-26T12:00").state == expected


def test_only_days_within_the_period_count_and_the_day_after_its_end_begins_anew() -> None:
    found = days("2027-12-01", 120)
    assert state_of(budget(), found, "2028-02-29T23:59").spent == 290
    assert state_of(budget(), found, "2028-03-01T00:00").spent == 10
    assert state_of(budget(period="daily"), found, "2028-02-29T23:59").spent == 10
    assert state_of(budget(period="weekly"), found, "2028-02-29T23:59").spent == 20


def test_an_even_month_is_forecast_at_what_its_days_add_up_to_and_runs_out_on_its_day() -> None:
    found = days("2026-08-01", 86)
    found[date(2026, 10, 26)] = DaySum(Decimal(0), Decimal(5))
    seen = state_of(budget(usd=281), found, "2026-10-26T12:00")
    assert seen.forecast is not None
    assert seen.forecast.expected == pytest.approx(310)
    assert seen.forecast.low <= 310 <= seen.forecast.high
    assert seen.runs_out == date(2026, 10, 29)
    assert seen.burn == 10
    assert not seen.forecast.is_young


@pytest.mark.parametrize("running", [True, False], ids=["spend", "bill"])
@pytest.mark.parametrize("now", ["2026-10-26T08:54", "2026-10-26T23:00", "2026-10-29T01:00"])
def test_a_forecast_and_a_burn_rate_stay_the_same_while_nothing_new_is_read(now: str, running: bool) -> None:
    read_to = at("2026-10-26T08:40")
    found = days("2026-08-01", 86) | {date(2026, 10, 26): DaySum(Decimal(0), Decimal(3))}

    def seen(now: str, limit: int = 1000) -> BudgetState:
        one = budget(usd=limit)
        return budget_state(one, found, at(now), running=running, settle_after=SETTLE, read_to=read_to)

    then, later = seen("2026-10-26T08:40"), seen(now)
    assert then.forecast is not None
    assert then.forecast.expected > 300
    assert (later.forecast, later.burn, later.read_to) == (then.forecast, then.burn, read_to)
    # Nobody knows whether it has happened already: no day in the past is named.
    runs_out = seen("2026-10-26T08:40", 273).runs_out
    assert runs_out is not None
    assert seen(now, 273).runs_out == max(runs_out, at(now).date())


@pytest.mark.parametrize("running", [True, False], ids=["spend", "bill"])
def test_a_period_that_began_after_the_last_read_is_forecast_whole(running: bool) -> None:
    found = days("2026-08-01", 91) | {date(2026, 10, 31): DaySum(Decimal(0), Decimal(3))}
    month = budget_state(
        budget(),
        found,
        at("2026-11-02T09:00"),
        running=running,
        settle_after=SETTLE,
        read_to=at("2026-10-31T08:40"),
    )
    assert (month.spent, month.burn) == (Decimal(0), Decimal(10))
    assert month.forecast is not None
    assert month.forecast.expected == pytest.approx(300)
    assert month.forecast.coming[0][0] == date(2026, 11, 1)


def test_after_the_budget_is_exceeded_no_day_is_named_and_within_it_none_either() -> None:
    found = days("2026-08-01", 86)
    assert state_of(budget(usd=100), found, "2026-10-26T12:00").runs_out is None
    assert state_of(budget(usd=1000), found, "2026-10-26T12:00").runs_out is None


def test_a_few_days_say_that_the_band_is_an_assumption_and_none_have_no_forecast() -> None:
    seen = state_of(budget(), days("2026-10-24", 3), "2026-10-26T12:00")
    assert seen.forecast is not None
    assert seen.forecast.is_young
    assert seen.forecast.high - seen.forecast.low > 0.3 * (seen.forecast.expected - 30)
    assert state_of(budget(), {}, "2026-10-26T12:00").forecast is None


def test_the_bill_alone_counts_its_last_days_as_not_settled_and_forecasts_them() -> None:
    found = days("2026-08-01", 85)  # up to 24 October; the 25th is billed in part
    found[date(2026, 10, 25)] = DaySum(Decimal(4))
    seen = state_of(budget(), found, "2026-10-26T12:00", running=False)
    assert [seen.settled, seen.estimated] == [Decimal(230), Decimal(14)]
    assert seen.forecast is not None
    assert seen.forecast.expected == pytest.approx(310)


def test_a_forecast_from_the_bill_is_nowhere_below_what_is_spent_already() -> None:
    burst = days("2026-11-01", 23) | {date(2026, 11, 24): DaySum(Decimal(0), Decimal(5000))}
    seen = state_of(budget(usd=90_000), burst, "2026-11-25T12:00", running=False)
    assert seen.forecast
    assert (seen.spent, seen.forecast.low, seen.forecast.expected) == (Decimal(5230), 5230.0, 5230.0)
    assert seen.forecast.high >= 5230


def test_history_reaches_back_far_enough_for_the_period_and_the_forecast() -> None:
    assert history_of(budget(), at("2026-10-26T12:00")) == Range(at("2026-07-27"), at("2026-10-27"))


SPACES = {
    "wrkspc_1": NamedWorkspace("Production", {"team": "platform"}),
    "wrkspc_2": NamedWorkspace("Research", {"team": "research"}),
}
NAMES = Names("org", "Org", SPACES, {"apikey_1": "nightly"}).with_teams(
    teams_of([TeamSettings(team="ml", workspaces=("Research",))])
)


@pytest.mark.parametrize(
    ("scope", "terms"),
    [
        ({}, {}),
        ({"workspace": "Research"}, {"anthropic.workspace.id": ["wrkspc_2"]}),
        ({"workspace": "wrkspc_2"}, {"anthropic.workspace.id": ["wrkspc_2"]}),
        ({"workspace": "Default"}, {"anthropic.workspace.id": ["Default"]}),
        ({"tag": "team=platform"}, {"anthropic.workspace.id": ["wrkspc_1"]}),
        ({"api_key": "nightly"}, {"anthropic.api_key.id": ["apikey_1"]}),
        ({"api_key": "Console"}, {"anthropic.api_key.id": ["Console"]}),
        ({"team": "ml"}, {"anthropic.team.name": ["ml"]}),
    ],
)
def test_a_name_counts_by_the_id_that_it_has_today(
    scope: dict[str, str], terms: dict[str, list[str]]
) -> None:
    assert target(budget(**scope), NAMES).terms == terms


def test_a_renamed_workspace_keeps_its_past_under_its_new_name_and_the_old_one_is_said() -> None:
    renamed = Names("org", "Org", SPACES | {"wrkspc_2": NamedWorkspace("Science")}, {})
    assert target(budget(workspace="Science"), renamed).terms == {"anthropic.workspace.id": ["wrkspc_2"]}
    assert "there is no workspace Research" in target(budget(workspace="Research"), renamed).problem


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (
            {"workspace": "Prodction"},
            "b: there is no workspace Prodction, so nothing counts; did you mean Pro",
        ),
        ({"api_key": "nigthly"}, "there is no API key nigthly, so nothing counts; did you mean nightly?"),
        ({"team": "xyz"}, "there is no team xyz, so nothing counts."),
        (
            {"tag": "team=reserch"},
            "no workspace tag team=reserch, so nothing counts; did you mean team=res",
        ),
    ],
)
def test_a_name_that_fits_nothing_is_a_sentence_with_what_may_be_meant(
    scope: dict[str, str], said: str
) -> None:
    assert said in target(budget(**scope), NAMES).problem


def test_a_team_that_names_what_does_not_exist_is_said_with_the_cure() -> None:
    team = {"team": "ml", "workspaces": ["Reserch", "Research"], "tags": ["team=none"], "api_keys": ["x"]}
    config = Config.model_validate({"teams": [team]})
    said = list(unknown_to_teams(config, NAMES))
    assert said[0] == (
        "teams: ml: there is no workspace Reserch, so the team gets nothing from it; did you mean Research? "
        "Correct the name under `teams`."
    )
    assert [each.split(",")[0] for each in said[1:]] == [
        "teams: ml: there is no workspace tag team=none",
        "teams: ml: there is no API key x",
    ]
    several = Config.model_validate({"teams": [team], "organizations": [{"name": "acme", "admin_key": "a"}]})
    assert len(list(unknown_to_teams(config, NAMES, {"ml"}))) == 3
    assert list(unknown_to_teams(config, NAMES, {"other"})) == []
    # Where keys cannot be listed, none is unknown; teams may span several organizations.
    assert len(list(unknown_to_teams(config, replace(NAMES, api_keys={})))) == 2
    assert list(unknown_to_teams(several.per_organization()[0], NAMES)) == []

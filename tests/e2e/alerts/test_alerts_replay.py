"""Every rule, played again: silent over a quiet fortnight, heard once and in time when something happens."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.bodies import create_body
from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.config import Config
from tests.harness import alerts_inventory, alerts_money, alerts_month
from tests.harness.alerts_incidents import bad_days
from tests.harness.alerts_inventory import Keys, days_of_keys
from tests.harness.alerts_money import Money, runaway_day
from tests.harness.alerts_month import MonthEnd, at_month_end
from tests.harness.alerts_replay import DAY, HOUR, MONTH_END, READERS, Heard, Incident, Replay, at
from tests.harness.alerts_table import table, write, written
from tests.harness.alerts_truth import day_costs
from tests.harness.alerts_world import replay
from tests.servers.kibana_ids import ALL_ROWS

Bad = tuple[Replay, list[Incident]]
Month = tuple[Replay, MonthEnd]
Dollars = tuple[Replay, Money]
Listed = tuple[Replay, Keys]
# Two cores that do other things, too, need their time for five days in five-minute steps.
pytestmark = pytest.mark.timeout(1200)


def test_a_quiet_fortnight_under_suggested_thresholds_has_two_alerts_at_most(
    es: Elasticsearch, elasticsearch_url: str
) -> None:
    # A month of 31 days ends in it; Europe's clocks change on 25 October, America's on 1 November.
    with replay(
        es,
        elasticsearch_url,
        start=at("2026-10-20"),
        decided={"schedules": {"no_fresh_data": 2 * HOUR}},
        usage_every=3 * HOUR,
        cost_every=6 * HOUR,
        limits_every=12 * HOUR,
        arrivals="usual",
        revisions="usual",
        series=24,
    ) as played:
        played.until(at("2026-10-20") + 14 * DAY)
        assert len([each for each in played.heard if each.kind == "new"]) <= 2
        assert played.ticks["token_spike"] == 14 * 24 * 4
        assert played.ticks["daily_cost"] == 14 * 24


@pytest.fixture(scope="module")
def bad(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Bad]:
    with bad_days(es, elasticsearch_url) as played:
        yield played


@pytest.fixture(scope="module")
def month(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Month]:
    with at_month_end(es, elasticsearch_url) as played:
        yield played


@pytest.fixture(scope="module")
def money(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Dollars]:
    with runaway_day(es, elasticsearch_url) as played:
        yield played


@pytest.fixture(scope="module")
def keys(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Listed]:
    with days_of_keys(es, elasticsearch_url) as played:
        yield played


def test_every_incident_is_heard_once_within_a_poll_and_a_schedule_and_nothing_else_is(
    bad: Bad, money: Dollars, keys: Listed
) -> None:
    for played, wanted in _with_incidents(bad, money, keys):
        for watched in played.watched:
            if watched.ours and watched.key != "budget day":
                assert_heard(played, watched.key, wanted)


def _with_incidents(bad: Bad, money: Dollars, keys: Listed) -> list[Bad]:
    (dear, dollars), (listed, inventory) = money, keys
    return [bad, (dear, dollars.incidents()), (listed, inventory.incidents())]


def assert_heard(played: Replay, key: str, happened: list[Incident]) -> None:
    """Each incident of a rule alerts once, in time, and nothing else does."""
    wanted = sorted((incident for incident in happened if incident.rule == key), key=lambda i: i.tells)
    began = played.new(key)
    assert Counter({name: len(times) for name, times in began.items()}) == Counter(i.id for i in wanted), key
    for identity in began:
        told = [incident.tells for incident in wanted if incident.id == identity]
        for moment, heard in zip(told, began[identity], strict=True):
            assert timedelta(0) <= heard - moment <= played.patience(key), (key, identity)


def test_every_kibana_hears_what_the_agent_hears_by_both_forms_of_its_ids(
    bad: Bad,
    month: Month,
    money: Dollars,
    keys: Listed,
) -> None:
    for played, _ in (bad, month, money, keys):
        ours = {each.key for each in played.watched if each.ours}
        heard = sorted((each for each in played.heard if each.rule in ours), key=_order)
        for reader in READERS:
            in_kibana = sorted(played.in_kibana[reader], key=_order)
            by_row = create_body(rules(Config())[0], "default", reader[0])["params"]["groupBy"] == "row"
            assert in_kibana == (heard if by_row else sorted(_of_any_row(heard), key=_order)), reader


def _order(heard: Heard) -> tuple[datetime, str, str, str]:
    return heard.at, heard.rule, heard.kind, heard.id


def _of_any_row(heard: list[Heard]) -> Iterator[Heard]:
    """What is heard where all rows of a rule are one alert: the first that begins, and the last that ends."""
    active: dict[str, set[str]] = defaultdict(set)
    for (moment, rule), same in groupby(heard, key=lambda each: (each.at, each.rule)):
        before = bool(active[rule])
        for each in same:
            if each.kind == "new":
                active[rule].add(each.id)
            else:
                active[rule].discard(each.id)
        if before != bool(active[rule]):
            yield Heard(moment, rule, "recovered" if before else "new", ALL_ROWS)


def test_every_alert_ends_when_its_reason_does(bad: Bad) -> None:
    played, _ = bad
    for key, (first, last) in {
        "cache_hit_rate": ("2026-11-04", "2026-11-05T23:59"),
        "new_workspace": ("2026-11-05T09:00", "2026-11-05T11:00"),
        "no_fresh_data": ("2026-11-06T03:55", "2026-11-06T10:15"),
        "token_spike": ("2026-11-02T14:00", "2026-11-06T18:00"),
    }.items():
        ended = [moment for times in played.recovered(key).values() for moment in times]
        assert ended
        assert all(at(first) <= moment <= at(last) for moment in ended), (key, ended)


def test_a_budget_passed_on_the_31st_is_heard_once_and_the_closed_month_never_again(
    month: Month,
) -> None:
    played, _ = month
    # The 31st can be known when it has ended. Its month is judged for three days more, for what is revised.
    (heard,) = played.new("monthly_budget")["2026-10"]
    assert MONTH_END <= heard <= MONTH_END + 2 * HOUR
    assert played.recovered("monthly_budget") == {"2026-10": [MONTH_END + 3 * DAY]}
    assert played.new("monthly_budget").keys() == {"2026-10"}


def test_the_forecast_tells_three_days_before_and_a_dear_day_is_no_forecast_for_the_next_month(
    month: Month,
) -> None:
    played, what = month
    assert played.new("month_end_forecast") == {"2026-10": [what.dear_day + DAY + 6 * HOUR]}
    assert played.recovered("month_end_forecast") == {"2026-10": [MONTH_END + 6 * HOUR]}


def test_each_level_of_a_budget_is_an_alert_of_its_own_once_a_month(
    month: Month,
) -> None:
    played, what = month
    sim = played.w.simulation
    organization = sim.organization()
    spaces = {
        "budget workspace Production": ({organization.named("Production").id}, what.months_cost_usd / 2),
        "budget tag team=research": ({organization.named("Data Science").id}, what.months_cost_usd / 2.5),
    }
    for key, (ids, budget) in spaces.items():
        began = played.new(key)
        assert began
        for name, first, end in (
            ("2026-10", alerts_month.MONTH, MONTH_END),
            ("2026-11", MONTH_END, alerts_month.END),
        ):
            days = [day_costs(sim, first + n * DAY, alerts_month.END) for n in range((end - first) // DAY)]
            spent = sum(day.get(each, 0.0) for day in days for each in ids)
            reached = {f"{name},{level}" for level in (50, 75, 90, 100) if 100 * spent >= level * budget}
            assert {each for each in began if each.startswith(name)} == reached
        assert all(len(times) == 1 for times in began.values())


def test_a_runaway_key_is_told_within_one_poll_and_one_schedule_of_the_first_usage_that_shows_it(
    money: Dollars,
) -> None:
    played, what = money
    (told,) = played.new("spend_spike")[f"{alerts_money.TODAY:%Y-%m-%d},{what.key.id}"]
    assert timedelta(0) <= told - (alerts_money.RUNAWAY + HOUR) <= played.patience("spend_spike")


def test_over_the_week_before_only_the_one_runaway_hour_that_the_organization_has_anyway_is_told(
    money: Dollars,
) -> None:
    played, _ = money
    runner = played.w.simulation.organization().key("eval-runner").id
    told = set()
    for rule in (each.rule for each in played.watched if each.key in alerts_money.RULES_OF_USE):
        for n in range(1, 31):
            moment = alerts_money.START - n * 6 * HOUR
            told |= {(rule.key, alert.id) for alert in run(played.w.es, rule, moment)}
    assert told == {("spend_spike", f"2026-11-09,{runner}")}


def test_the_day_of_a_price_change_is_named_when_it_settles(money: Dollars) -> None:
    played, _ = money
    (heard,) = [each for each in played.heard if each.rule == "estimate_drift"]
    assert heard.row["day"] == f"{alerts_money.CHANGED_ON:%Y-%m-%d}"
    assert alerts_money.CHANGED in heard.row["cell"]


def test_each_level_of_a_day_s_budget_is_told_in_the_hour_that_reaches_it(
    money: Dollars,
) -> None:
    played, what = money
    reached = what.day_levels()
    today = [each.tells for each in reached if each.id.startswith(f"{alerts_money.TODAY:%Y-%m-%d}")]
    assert len(set(today)) > 2
    assert_heard(played, "budget day", reached)


def test_an_alert_of_a_key_or_workspace_ends_when_its_reason_does(keys: Listed) -> None:
    played, what = keys
    poll = alerts_inventory.POLL
    for key, identity, over in (
        ("new_key", alerts_inventory.NEWCOMER, alerts_inventory.BORN + DAY),
        ("key_expires", what.expiring, alerts_inventory.PROLONGED),
        ("workspace_without_limit", what.free[0], alerts_inventory.LIMITED),
    ):
        (ended,) = played.recovered(key)[identity]
        assert over <= ended <= over + poll + HOUR, key


def test_the_table_of_the_docs_is_what_was_measured(
    bad: Bad, month: Month, money: Dollars, keys: Listed
) -> None:
    at_the_end, what = month
    _, *further = _with_incidents(bad, money, keys)
    text = table([bad, (at_the_end, what.incidents()), *further])
    if os.environ.get("ALERTS_TABLE") == "write":
        write(text)
    assert written() == text

"""Every rule, played again: silent over a quiet fortnight, heard once and in time when something happens."""

from __future__ import annotations

import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.bodies import create_body
from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.config import AlertSettings, Config
from anthropic_metrics.config.budgets import old_budgets
from tests.harness.alerts_incidents import (
    MONTH,
    MONTH_END,
    START,
    Incident,
    MonthEnd,
    Script,
    incidents,
    month_end,
)
from tests.harness.alerts_replay import DAY, HOUR, READERS, Heard, Replay, Watched, at, replay
from tests.harness.alerts_rival import rivals
from tests.harness.alerts_table import table, write, written
from tests.harness.alerts_truth import day_costs
from tests.servers.kibana_ids import ALL_ROWS

POLL = timedelta(minutes=15)
# Two cores that do other things, too, need their time for five days in five-minute steps.
pytestmark = pytest.mark.timeout(1200)


def ours(config: Config) -> list[Watched]:
    # The rules over traces are played in a world of their own.
    return [Watched(rule) for rule in rules(config) if not rule.spans]


def both(config: Config) -> list[Watched]:
    return [*ours(config), *rivals(config)]


def test_a_quiet_fortnight_under_suggested_thresholds_has_two_alerts_at_most(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    # A month of 31 days ends in it; Europe's clocks change on 25 October, America's on 1 November.
    with replay(
        es,
        elasticsearch_url,
        namespace,
        start=at("2026-10-20"),
        decided={"schedules": {"no_fresh_data": HOUR}},
        usage_every=2 * HOUR,
        cost_every=3 * HOUR,
        rules=ours,
        arrivals="usual",
        revisions="usual",
    ) as played:
        played.until(at("2026-10-20") + 14 * DAY)
        assert len([each for each in played.heard if each.kind == "new"]) <= 2
        assert played.ticks["token_spike"] == 14 * 24 * 4
        assert played.ticks["daily_cost"] == 14 * 24


@pytest.fixture(scope="module")
def bad_days(es: Elasticsearch, elasticsearch_url: str) -> Iterator[tuple[Replay, list[Incident]]]:
    with replay(
        es,
        elasticsearch_url,
        f"t{uuid.uuid4().hex[:8]}",
        start=START,
        # A budget is decided, not derived: this one is passed in November's first week.
        decided={"monthly_budget_usd": 20_000.0},
        usage_every=POLL,
        limits_every=HOUR,
        rules=both,
        arrivals="usual",
    ) as played:
        script = Script(played)
        script.play()
        yield played, incidents(script)


def test_every_incident_is_heard_once_within_a_poll_and_a_schedule_and_nothing_else_is(
    bad_days: tuple[Replay, list[Incident]],
) -> None:
    played, happened = bad_days
    watched = {each.key: each.rule for each in played.watched}
    for key in (rule.key for rule in rules(played.w.config)):
        wanted = sorted((incident for incident in happened if incident.rule == key), key=lambda i: i.tells)
        began = played.new(key)
        assert Counter({name: len(times) for name, times in began.items()}) == Counter(i.id for i in wanted)
        poll = HOUR if "usage-" not in watched[key].query and key != "no_fresh_data" else POLL
        for identity in began:
            told = [incident.tells for incident in wanted if incident.id == identity]
            for moment, heard in zip(told, began[identity], strict=True):
                assert timedelta(0) <= heard - moment <= poll + watched[key].schedule, (key, identity)


def test_every_kibana_hears_what_the_agent_hears_by_both_forms_of_its_ids(
    bad_days: tuple[Replay, list[Incident]], at_month_end: tuple[Replay, MonthEnd]
) -> None:
    for played, _ in (bad_days, at_month_end):
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


def test_every_alert_ends_when_its_reason_does(bad_days: tuple[Replay, list[Incident]]) -> None:
    played, _ = bad_days
    for key, (first, last) in {
        "cache_hit_rate": ("2026-11-04", "2026-11-05T23:59"),
        "new_workspace": ("2026-11-05T09:00", "2026-11-05T11:00"),
        "no_fresh_data": ("2026-11-06T04:10", "2026-11-06T10:15"),
        "token_spike": ("2026-11-02T14:00", "2026-11-06T18:00"),
    }.items():
        ended = [moment for times in played.recovered(key).values() for moment in times]
        assert ended
        assert all(at(first) <= moment <= at(last) for moment in ended), (key, ended)


@pytest.fixture(scope="module")
def at_month_end(es: Elasticsearch, elasticsearch_url: str) -> Iterator[tuple[Replay, MonthEnd]]:
    with replay(
        es,
        elasticsearch_url,
        f"t{uuid.uuid4().hex[:8]}",
        start=at("2026-10-27"),
        alerts=AlertSettings(rules=("monthly_budget", "month_end_forecast")),
        usage_every=POLL,
        cost_every=3 * HOUR,
        usage=False,
        rules=lambda config: [],
    ) as played:
        what = month_end(played.w.simulation)
        budgets = old_budgets(
            workspaces={"Production": what.months_cost_usd / 2},
            tags={"team=research": what.months_cost_usd / 2.5},
        )
        alerts = played.w.config.alerts.model_copy(update={"monthly_budget_usd": what.budget_usd})
        config = played.w.config.model_copy(update={"alerts": alerts, "budgets": budgets})
        monthly = [each for each in rivals(config) if each.key.endswith("monthly_budget")]
        played.watched = [*ours(config), *monthly]
        played.until(at("2026-11-05"))
        yield played, what


def test_a_budget_passed_on_the_31st_is_heard_once_and_the_closed_month_never_again(
    at_month_end: tuple[Replay, MonthEnd],
) -> None:
    played, _ = at_month_end
    # The 31st can be known when it has ended. Its month is judged for three days more, for what is revised.
    (heard,) = played.new("monthly_budget")["2026-10"]
    assert MONTH_END <= heard <= MONTH_END + 2 * HOUR
    assert played.recovered("monthly_budget") == {"2026-10": [MONTH_END + 3 * DAY]}
    assert played.new("monthly_budget").keys() == {"2026-10"}


def test_the_forecast_tells_three_days_before_and_a_dear_day_is_no_forecast_for_the_next_month(
    at_month_end: tuple[Replay, MonthEnd],
) -> None:
    played, what = at_month_end
    assert played.new("month_end_forecast") == {"2026-10": [what.dear_day + DAY + 6 * HOUR]}
    assert played.recovered("month_end_forecast") == {"2026-10": [MONTH_END + 6 * HOUR]}


def test_each_level_of_a_budget_is_an_alert_of_its_own_once_a_month(
    at_month_end: tuple[Replay, MonthEnd],
) -> None:
    played, what = at_month_end
    sim = played.w.simulation
    organization = sim.organization()
    spaces = {
        "budget workspace Production": ({organization.named("Production").id}, what.months_cost_usd / 2),
        "budget tag team=research": ({organization.named("Data Science").id}, what.months_cost_usd / 2.5),
    }
    for key, (ids, budget) in spaces.items():
        began = played.new(key)
        assert began
        for month, first, end in (("2026-10", MONTH, MONTH_END), ("2026-11", MONTH_END, at("2026-11-05"))):
            days = [day_costs(sim, first + n * DAY, at("2026-11-05")) for n in range((end - first) // DAY)]
            spent = sum(day.get(each, 0.0) for day in days for each in ids)
            reached = {f"{month},{level}" for level in (50, 75, 90, 100) if 100 * spent >= level * budget}
            assert {name for name in began if name.startswith(month)} == reached
        assert all(len(times) == 1 for times in began.values())


def test_a_day_s_budget_is_heard_on_that_day_in_the_hour_that_reaches_a_level(
    es: Elasticsearch, elasticsearch_url: str
) -> None:
    start = at("2026-11-20")
    with replay(
        es,
        elasticsearch_url,
        f"t{uuid.uuid4().hex[:8]}",
        start=start,
        alerts=AlertSettings(rules=()),
        usage_every=HOUR,
        cost_every=24 * HOUR,
        limits_every=24 * HOUR,
        rules=lambda config: [],
        series=16,
    ) as played:
        whole = sum(day_costs(played.w.simulation, start, start + DAY).values())
        given = {"budgets": [{"name": "day", "usd": round(whole / 2, 2), "period": "daily"}]}
        budgets = Config.model_validate(given).budgets
        played.until(start + HOUR)  # spend has its stream
        played.watched = ours(played.w.config.model_copy(update={"budgets": budgets}))
        played.until(start + DAY)
        began = played.new("budget day")
        today = {name: times for name, times in began.items() if name.startswith("2026-11-20")}
        assert today.keys() == {f"2026-11-20,{level}" for level in (50, 75, 90, 100)}
        moments = [moment for level in (50, 75, 90, 100) for moment in today[f"2026-11-20,{level}"]]
        assert len(moments) == 4
        assert moments == sorted(moments)
        assert moments[0] > start + 3 * HOUR
        assert moments[-1] < start + 22 * HOUR


def test_the_table_of_the_docs_is_what_was_measured(
    bad_days: tuple[Replay, list[Incident]], at_month_end: tuple[Replay, MonthEnd]
) -> None:
    played, happened = bad_days
    month, what = at_month_end
    ends = [
        Incident("monthly_budget", "on the 31st", "2026-10", MONTH_END),
        Incident("month_end_forecast", "a dear day", "2026-10", what.dear_day + DAY + 6 * HOUR),
    ]
    text = table([(played, happened), (month, ends)])
    if os.environ.get("ALERTS_TABLE") == "write":
        write(text)
    assert written() == text

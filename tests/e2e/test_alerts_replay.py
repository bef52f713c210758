"""Every rule, played again: silent over a quiet fortnight, heard once and in time when something happens."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from alerts_incidents import START, Incident, Script, incidents
from alerts_replay import DAY, HOUR, Replay, Watched, at, replay
from alerts_rival import PREFIX, rivals
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.config import AlertSettings, Config

# Above what the simulated organization spends on a busy weekday without an incident.
LIMITS = AlertSettings(
    daily_cost_usd=5000,
    monthly_budget_usd=1_000_000,
    workspace_daily_cost_usd=2500,
    hourly_tokens=250_000_000,
    unattributed_tokens=20_000_000,
)
POLL = timedelta(minutes=15)


def ours(config: Config) -> list[Watched]:
    return [Watched(rule) for rule in rules(config)]


def both(config: Config) -> list[Watched]:
    return [*ours(config), *rivals(config)]


def test_a_quiet_fortnight_over_a_month_of_31_days_and_two_clock_changes_is_silent(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    quiet = LIMITS.model_copy(update={"monthly_budget_usd": 90_000.0, "schedules": {"no_fresh_data": HOUR}})
    # Europe's clocks change on 25 October, America's on 1 November.
    with replay(
        es,
        elasticsearch_url,
        namespace,
        start=at("2026-10-20"),
        alerts=quiet,
        usage_every=2 * HOUR,
        cost_every=3 * HOUR,
        rules=ours,
        arrivals="usual",
        revisions="usual",
    ) as played:
        played.until(at("2026-10-20") + 14 * DAY)
        assert played.heard == []
        assert played.ticks["token_spike"] == 14 * 24 * 4
        assert played.ticks["daily_cost"] == 14 * 24


@pytest.fixture(scope="module")
def bad_days(es: Elasticsearch, elasticsearch_url: str) -> Iterator[tuple[Replay, list[Incident]]]:
    with replay(
        es,
        elasticsearch_url,
        f"t{uuid.uuid4().hex[:8]}",
        start=START,
        alerts=LIMITS,
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
    for key in {incident.rule for incident in happened}:
        wanted = sorted((incident for incident in happened if incident.rule == key), key=lambda i: i.tells)
        began = played.new(key)
        assert Counter({name: len(times) for name, times in began.items()}) == Counter(i.id for i in wanted)
        poll = HOUR if "usage-" not in watched[key].query and key != "no_fresh_data" else POLL
        for identity in began:
            told = [incident.tells for incident in wanted if incident.id == identity]
            for moment, heard in zip(told, began[identity], strict=True):
                assert timedelta(0) <= heard - moment <= poll + watched[key].schedule, (key, identity)


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


def test_the_windows_of_the_rival_miss_what_ours_hear(bad_days: tuple[Replay, list[Incident]]) -> None:
    played, _ = bad_days
    heard = {each.key: len(played.new(each.key)) for each in played.watched if each.key.startswith(PREFIX)}
    assert heard == {}

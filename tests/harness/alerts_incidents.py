"""What should be told of the five bad days, by what the simulated API showed at the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from tests.harness.alerts_replay import DAY, HOUR, MONTH_END, Incident, Replay, Watched, at, first_moment
from tests.harness.alerts_rival import rivals
from tests.harness.alerts_script import END, HAIKU, SONNET, START, Script
from tests.harness.alerts_truth import (
    day_costs,
    floor,
    hit_percent,
    hour_tokens,
    is_far_above,
    largest_share,
    month_cost,
)
from tests.harness.alerts_world import ours, replay

POLL = timedelta(minutes=15)
# Of 51 lines of traffic. Every model, workspace and key that the script acts on is among them.
LINES = 24


@contextmanager
def bad_days(es: Elasticsearch, url: str) -> Iterator[tuple[Replay, list[Incident]]]:
    """The five days, played to our rules and to the rival's."""
    # A budget is decided, not derived: this one is passed in November's first week.
    decided = {"monthly_budget_usd": 10_000.0}
    with replay(
        es,
        url,
        start=START,
        decided=decided,
        usage_every=POLL,
        limits_every=2 * HOUR,
        watched=_both,
        arrivals="usual",
        series=LINES,
    ) as played:
        script = Script(played)
        script.play()
        yield played, incidents(script)


def _both(config: Config) -> list[Watched]:
    """The Console's limits have a world of their own."""
    return [*(each for each in ours(config) if each.key != "spend_limit"), *rivals(config)]


def incidents(script: Script) -> list[Incident]:
    """Every incident; the moments are read from what the simulated API showed at the time."""
    return [
        *_tokens(script),
        *_cache(script),
        *_dominance(script),
        *_money(script),
        *_month(script),
        Incident("new_workspace", "spends, has no limit", "wrkspc_01Newcomer", at("2026-11-04")),
        Incident("unattributed_usage", "the Console", "2026-11-04,Console", at("2026-11-04T09:00")),
        Incident(
            "unattributed_usage", "a key nobody knows", "2026-11-05,apikey_01Stranger", at("2026-11-05T12:00")
        ),
        *_silence(script),
    ]


def _tokens(script: Script) -> list[Incident]:
    """From the truth as it is at the end: every hour and model above the limit, whatever brought it there."""
    limit, sim = script.played.w.config.alerts.hourly_tokens, script.sim
    found = []
    for n in range((END - START) // HOUR):
        start = START + n * HOUR
        for model in script.models():

            def tells(moment: datetime, start: datetime = start, model: str = model) -> bool:
                return hour_tokens(sim, start, model, moment) > limit

            if tells(END):
                told = first_moment(start + HOUR, start + 5 * HOUR, tells)
                name = f"{start:%Y-%m-%dT%H:%M}Z"
                found.append(Incident("token_spike", name, f"{name},{model}", told))
    return found


def _cache(script: Script) -> list[Incident]:
    limit = script.played.w.config.alerts.cache_hit_percent

    def misses(workspace: str, model: str) -> Callable[[datetime], bool]:
        return lambda moment: hit_percent(script.sim, workspace, model, moment) < limit

    shapes = [
        ("misses over midnight", at("2026-11-03T20:00"), script.production, HAIKU),
        ("suddenly uncached", at("2026-11-05T08:00"), script.support, SONNET),
    ]
    return [
        Incident(
            "cache_hit_rate",
            shape,
            f"{workspace},{model}",
            first_moment(start, start + 12 * HOUR, misses(workspace, model)),
        )
        for shape, start, workspace, model in shapes
    ]


def _dominance(script: Script) -> list[Incident]:
    limit = script.played.w.config.alerts.dominance_percent

    def tells(moment: datetime) -> bool:
        model, share = largest_share(script.sim, moment)
        return model == HAIKU and share > limit

    return [
        Incident("model_dominance", shape, HAIKU, first_moment(at(start), at(start) + 12 * HOUR, tells))
        for shape, start in (("the others stop", "2026-11-05T20:00"), ("burst", "2026-11-06T12:30"))
    ]


def _money(script: Script) -> list[Incident]:
    """From the truth as it is at the end: every day and workspace above a limit, whoever brought it there."""
    alerts, sim = script.played.w.config.alerts, script.sim
    found = []
    for n in range(-1, 4):
        day = START + n * DAY
        name = f"{day:%Y-%m-%d}"

        def whole(moment: datetime, day: datetime = day) -> bool:
            return sum(day_costs(sim, day, moment).values()) > alerts.daily_cost_usd

        if whole(END):
            found.append(Incident("daily_cost", name, name, _told(whole, day)))
        for workspace in day_costs(sim, day, END):

            def own(moment: datetime, day: datetime = day, workspace: str = workspace) -> bool:
                return day_costs(sim, day, moment)[workspace] > alerts.workspace_daily_cost_usd

            def above(moment: datetime, day: datetime = day, workspace: str = workspace) -> bool:
                factor, least = alerts.baseline_factor, alerts.baseline_floor_usd
                return is_far_above(sim, day, workspace, moment, factor, least)

            if own(END):
                found.append(Incident("workspace_daily_cost", name, f"{name},{workspace}", _told(own, day)))
            if above(END):
                found.append(Incident("workspace_baseline", name, f"{name},{workspace}", _told(above, day)))
    return found


def _month(script: Script) -> list[Incident]:
    """The month before is over its limit and still judged; this one passes it; both could be foreseen."""
    limit = script.played.w.config.alerts.monthly_budget_usd

    def passed(moment: datetime) -> bool:
        return month_cost(script.sim, MONTH_END, floor(moment, DAY), moment) > limit

    return [
        Incident("monthly_budget", "the month before", "2026-10", START),
        Incident("monthly_budget", "in the month's first week", "2026-11", _told(passed, START)),
        Incident("month_end_forecast", "from the start", "2026-11", START),
    ]


def _told(tells: Callable[[datetime], bool], day: datetime) -> datetime:
    """Costs change at full hours here: by the hour, then."""
    moment = day + DAY
    while not tells(moment):
        moment += HOUR
    return moment


def _silence(script: Script) -> list[Incident]:
    """Three intervals after the last poll that succeeded."""
    usage = script.played.w.stream("usage")
    every = script.played.w.config.usage.interval
    return [
        Incident("no_fresh_data", "agent stopped", usage, at("2026-11-06T01:55") + 3 * every),
        Incident("no_fresh_data", "key refused", usage, at("2026-11-06T07:55") + 3 * every),
    ]

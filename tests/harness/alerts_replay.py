"""Time played again: real pollers on their intervals, every rule at every tick of its schedule, real queries.

A rule over buckets of an hour or a day reads nothing but whole buckets, so between two full hours its answer
cannot change unless a document does; such a tick repeats the answer before it instead of asking again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.alerts.bodies import Body, Version, create_body
from anthropic_metrics.alerts.execute import alerts, rows, run, turn
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.alerts.suggest import settings, suggestions
from anthropic_metrics.config import (
    AlertSettings,
    Backfill,
    Config,
    CostSettings,
    InventorySettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.config.collected import TelemetrySettings
from anthropic_metrics.kernel.jobs import Job, Kind
from tests.harness.world import World, world
from tests.servers.kibana_ids import FORMS, Form, alert_ids, id_columns

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEP = timedelta(minutes=5)
Reader = tuple[Version, Form]
# Every Kibana whose body of a rule differs, by both ways in which it may read an alert's id out of it.
READERS: tuple[Reader, ...] = tuple(
    (version, form) for version in ((8, 17), (8, 19), (9, 1), (9, 2), (9, 5)) for form in FORMS
)
# Rules that read documents between the full hours, too.
_NOT_BY_THE_HOUR = ("anthropic_metrics.agent", "anthropic_metrics.rate_limit")


Answer = tuple[list[str], list[list[Any]]]


@dataclass(frozen=True)
class Heard:
    """One thing that somebody would have heard: an alert, or its end."""

    at: datetime
    rule: str
    kind: str
    id: str
    row: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Watched:
    """A rule, how often it must match in a row before it alerts, and how late in an interval it runs."""

    rule: Rule
    delay: int = 1
    ours: bool = True

    @property
    def key(self) -> str:
        return self.rule.key


@dataclass
class Replay:
    """A world whose clock is moved on; `heard` is what happened, `ticks` how often each rule ran.

    `in_kibana` is what each Kibana would have said of our rules at the same ticks.
    """

    w: World
    agent: Agent
    watched: list[Watched]
    polls_at: timedelta = timedelta(minutes=10)
    heard: list[Heard] = field(default_factory=list)
    ticks: Counter[str] = field(default_factory=Counter)
    polling: bool = True
    active: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _matched: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _versions: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, tuple[Any, Answer]] = field(default_factory=dict)
    in_kibana: dict[Reader, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    _bodies: dict[tuple[str, Version], Body] = field(default_factory=dict)
    _kibana_active: dict[tuple[Reader, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def until(self, end: datetime, script: Sequence[tuple[datetime, Callable[[], object]]] = ()) -> None:
        """Play on to `end`, exclusive. `script` is done at its times, before anything else of that time."""
        todo = sorted(script, key=lambda item: item[0])
        while (now := self.w.clock.now()) < end:
            while todo and todo[0][0] <= now:
                todo.pop(0)[1]()
            if self.polling:
                self._poll(now)
            for watched in self.watched:
                if _due(now, watched.rule.schedule):
                    self._evaluate(watched, now)
            self.w.clock.advance(STEP)

    def new(self, rule: str) -> dict[str, list[datetime]]:
        """When each id of a rule began to be an alert, as often as it did."""
        began: dict[str, list[datetime]] = defaultdict(list)
        for heard in self.heard:
            if heard.rule == rule and heard.kind == "new":
                began[heard.id].append(heard.at)
        return dict(began)

    def recovered(self, rule: str) -> dict[str, list[datetime]]:
        ended: dict[str, list[datetime]] = defaultdict(list)
        for heard in self.heard:
            if heard.rule == rule and heard.kind == "recovered":
                ended[heard.id].append(heard.at)
        return dict(ended)

    def _poll(self, now: datetime) -> None:
        for job in self._jobs():
            if _due(now - self.polls_at, job.interval):
                tally = self.agent.attempt(job)
                dataset = job.stream.removeprefix("metrics-").rpartition("-")[0]
                self._versions[dataset] += tally.changed
                if tally.changed:
                    # Elasticsearch does so by itself within a second.
                    self.w.es.indices.refresh(index=job.stream)

    def _jobs(self) -> list[Job]:
        return [job for job in self.agent.jobs if job.kind is Kind.live]

    def _evaluate(self, watched: Watched, now: datetime) -> None:
        self.ticks[watched.key] += 1
        columns, values = self._run(watched.rule, now)
        answer = [dict(zip(columns, value, strict=True)) for value in values]
        if watched.ours:
            found = alerts(watched.rule, answer)
            self._tell_kibana(watched.rule, columns, values, now)
        else:
            identity = tuple(id_columns(watched.rule.query, columns, "newer"))
            found = alerts(replace(watched.rule, identity=identity), answer)
        runs = self._matched[watched.key]
        ids = {alert.id for alert in found}
        for gone in runs.keys() - ids:
            del runs[gone]
        runs.update(ids)
        due = [alert for alert in found if runs[alert.id] >= watched.delay]
        change = turn(self.active[watched.key], due)
        self.heard += [Heard(now, watched.key, "new", each.id, dict(each.row)) for each in change.new]
        self.heard += [Heard(now, watched.key, "recovered", each) for each in change.recovered]
        self.active[watched.key] = {alert.id for alert in due}

    def _tell_kibana(self, rule: Rule, columns: Sequence[str], values: Sequence[Any], now: datetime) -> None:
        for reader in READERS:
            version, form = reader
            if (rule.key, version) not in self._bodies:
                self._bodies[rule.key, version] = create_body(rule, "default", version)
            body = self._bodies[rule.key, version]
            ids = alert_ids(body, columns, values, form) if values else set()
            before = self._kibana_active[reader, rule.key]
            self.in_kibana[reader] += [Heard(now, rule.key, "new", name) for name in sorted(ids - before)]
            gone = sorted(before - ids)
            self.in_kibana[reader] += [Heard(now, rule.key, "recovered", name) for name in gone]
            self._kibana_active[reader, rule.key] = ids

    def _run(self, rule: Rule, now: datetime) -> Answer:
        if any(dataset in rule.query for dataset in _NOT_BY_THE_HOUR):
            self.w.es.indices.refresh(index=self.w.stream("agent"))
            return rows(self.w.es, rule.query, rule.window, now)
        versions = tuple(sorted(item for item in self._versions.items() if f"{item[0]}-" in rule.query))
        key = (versions, now.replace(minute=0))
        if self._answers.get(rule.key, (None,))[0] != key:
            self._answers[rule.key] = key, rows(self.w.es, rule.query, rule.window, now)
        return self._answers[rule.key][1]


@contextmanager
def replay(
    es: Elasticsearch,
    url: str,
    namespace: str,
    *,
    start: datetime,
    alerts: AlertSettings | None = None,
    decided: Mapping[str, Any] | None = None,
    usage_every: timedelta,
    rules: Callable[[Config], list[Watched]],
    cost_every: timedelta = HOUR,
    limits_every: timedelta = 6 * HOUR,
    usage: bool = True,
    inventory: bool = False,
    **simulated: Any,
) -> Iterator[Replay]:
    """A world that stands at `start` with 45 days of cost and 8 days of usage behind it.

    Without `alerts` the thresholds are those that `alerts suggest` derives, but for what is `decided`.
    """
    grains = UsageSettings(
        granularities=("1h",),
        interval=usage_every,
        enabled=usage,
        group_by=("model", "workspace_id", "service_tier", "api_key_id"),
    )
    with world(es, url, namespace, now=start, days=45, usage=grains, **simulated) as w:
        w.config = w.config.model_copy(
            update={
                "alerts": alerts or AlertSettings(),
                "cost": CostSettings(interval=cost_every),
                "rate_limits": RateLimitSettings(interval=limits_every, workspace_interval=limits_every),
                # Their rules are played in worlds of their own.
                "inventory": InventorySettings(enabled=inventory),
                "telemetry": TelemetrySettings(enabled="false"),
            }
        )
        _fill(w, "cost", "rate_limits")
        w.config = w.config.model_copy(update={"backfill": Backfill(timedelta(days=8))})
        _fill(w, "usage")
        es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
        if alerts is None:
            suggested = settings(w.config, suggestions(es, w.config, start, 30))
            chosen = suggested.model_copy(update=dict(decided or {}))
            w.config = w.config.model_copy(update={"alerts": chosen})
        with w.agent() as agent:
            yield Replay(w, agent, rules(w.config))


def _fill(w: World, *pollers: str) -> None:
    with w.agent() as agent:
        agent.organization.only(list(pollers))
        for job in agent.organization.whole(agent.sink):
            assert agent.attempt(job).done


def heard_by(
    es: Elasticsearch, rule: Rule, now: datetime, active: set[str]
) -> tuple[set[str], list[tuple[str, str]]]:
    """Run a rule once: what is active after it, and what is new or has ended."""
    found = run(es, rule, now)
    change = turn(active, found)
    news = [("new", alert.id) for alert in change.new] + [("recovered", gone) for gone in change.recovered]
    return {alert.id for alert in found}, news


def first_moment(start: datetime, end: datetime, tells: Callable[[datetime], bool]) -> datetime:
    """The first minute from `start` on at which the Admin API itself says so."""
    moment = start
    while moment < end:
        if tells(moment):
            return moment
        moment += timedelta(minutes=1)
    raise AssertionError(f"the API never says so before {end:%Y-%m-%d %H:%M}")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hourly(rule: Rule) -> Rule:
    return replace(rule, schedule=HOUR)


def _due(now: datetime, every: timedelta) -> bool:
    return (now - datetime(1970, 1, 1, tzinfo=UTC)) % every == timedelta(0)

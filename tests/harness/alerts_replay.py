"""Time played again: real pollers and every rule at every tick of their schedules, real queries.

Most rules read nothing but documents of whole hours or days. As long as no document changes, and neither the
end of its window nor a moment that its query counts back from there passes the start of a bucket, a rule's
answer cannot change; such a tick repeats the answer before it instead of asking again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.alerts.bodies import Body, Version, create_body
from anthropic_metrics.alerts.execute import Judged, alerts, judged, rows, turn
from anthropic_metrics.alerts.rule import NOW, Rule
from anthropic_metrics.kernel.datasets import AGENT, COST, INVENTORY, RATE_LIMIT
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.ranges import floor
from anthropic_metrics.kernel.schedule import due, seconds_left
from tests.harness.world import World
from tests.servers.kibana_ids import FORMS, Form, alert_ids, id_columns

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Reader = tuple[Version, Form]
# Every Kibana whose body of a rule differs, by both ways in which it may read an alert's id out of it.
READERS: tuple[Reader, ...] = tuple(
    (version, form) for version in ((8, 17), (8, 19), (9, 1), (9, 2), (9, 5)) for form in FORMS
)
# The first poll comes so long after the start, so that no poll falls on a rule's tick.
POLLS_AFTER = timedelta(minutes=10)
BUDGETS = "budgets"
# Documents of whole days; of the agent's records those of budgets and of checks, not the two below.
_DAILY = {COST, INVENTORY, AGENT}
_AT_ANY_TIME = ('event.action == "poll"', 'event.action == "inventory_change"')
_APART_AT_START = re.compile(r"(>=|<)\s*" + re.escape(NOW))
_BACK = re.compile(re.escape(NOW) + r" - (\d+) (hour|day)s?")

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
class Incident:
    """What happened, the one alert that it should make, and the first moment at which the API told it."""

    rule: str
    shape: str
    id: str
    tells: datetime


@dataclass(frozen=True)
class Watched:
    """A rule, and how often it must match in a row before it alerts. A `kernel.schedule.Scheduled`."""

    rule: Rule
    delay: int = 1
    ours: bool = True
    organization: str = ""

    @property
    def key(self) -> str:
        return self.rule.key

    @property
    def name(self) -> str:
        return self.rule.key

    @property
    def interval(self) -> timedelta:
        return self.rule.schedule

    @property
    def after(self) -> None:
        return None


@dataclass
class Replay:
    """A world whose clock is moved on; `heard` is what happened, `ticks` how often each rule ran.

    `in_kibana` is what each Kibana would have said of our rules at the same ticks.
    """

    w: World
    agent: Agent
    watched: list[Watched]
    heard: list[Heard] = field(default_factory=list)
    ticks: Counter[str] = field(default_factory=Counter)
    polling: bool = True
    active: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _polled: dict[str, float] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)
    _matched: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _versions: Counter[str] = field(default_factory=Counter)
    _unread: bool = True  # whether the agent stream holds records that no search sees yet
    _answers: dict[str, tuple[Any, Answer]] = field(default_factory=dict)
    _judged: dict[str, Answer] = field(default_factory=dict)
    in_kibana: dict[Reader, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    _bodies: dict[tuple[str, Version], Body] = field(default_factory=dict)
    _kibana_active: dict[tuple[Reader, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def until(self, end: datetime, script: Sequence[tuple[datetime, Callable[[], object]]] = ()) -> None:
        """Play on to `end`, exclusive. `script` is done at its times, before anything else of that time."""
        todo = sorted(script, key=lambda item: item[0])
        jobs = [job for job in self.agent.jobs if job.kind is Kind.live and self._is_read(job)]
        first = (self.w.clock.now() + POLLS_AFTER).timestamp()
        for job in jobs:
            self._polled.setdefault(job.name, first - job.interval.total_seconds())
        while (now := self.w.clock.now()) < end:
            while todo and todo[0][0] <= now:
                todo.pop(0)[1]()
            polled = due(jobs, self._polled, now.timestamp()) if self.polling else []
            for chain in polled:
                self._polled[chain[0].name] = now.timestamp()
                for job in chain:
                    self._poll(job)
            for (watched,) in due(self.watched, self._looked, now.timestamp()):
                self._looked[watched.name] = now.timestamp()
                self._evaluate(watched, now)
            waits = [seconds_left(self.watched, self._looked, now.timestamp())]
            if self.polling:
                waits.append(seconds_left(jobs, self._polled, now.timestamp()))
            moments = [now + timedelta(seconds=wait) for wait in waits if wait is not None]
            self.w.clock.set(min([*moments, *(moment for moment, _ in todo[:1]), end]))

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

    def patience(self, key: str) -> timedelta:
        """The longest that a rule may take after the Admin API tells: one poll and one schedule."""
        (rule,) = (each.rule for each in self.watched if each.key == key)
        config = self.w.config
        polls = {COST: config.cost.interval, INVENTORY: config.inventory.interval}
        polls[RATE_LIMIT] = config.rate_limits.interval
        usual = config.usage.interval
        return rule.schedule + max(polls.get(dataset, usual) for dataset in rule.reads)

    def _is_read(self, job: Job) -> bool:
        """Whether a rule reads what the job writes; no_fresh_data reads the record of every poll."""
        return job.name != BUDGETS or any("anthropic.budget." in each.rule.query for each in self.watched)

    def _poll(self, job: Job) -> None:
        tally = self.agent.attempt(job)
        dataset = job.stream.removeprefix("metrics-").rpartition("-")[0]
        self._versions[dataset] += tally.changed
        self._versions[AGENT] += 1
        self._unread = True
        if tally.changed:
            # Elasticsearch does so by itself within a second.
            self.w.es.indices.refresh(index=job.stream)

    def _evaluate(self, watched: Watched, now: datetime) -> None:
        self.ticks[watched.key] += 1
        columns, values = judged = self._run(watched.rule, now)
        if watched.ours and self._judged.get(watched.key) is judged:
            return
        self._judged[watched.key] = judged
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
        change = turn(self.active[watched.key], Judged(due))
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
        versions = tuple(sorted(item for item in self._versions.items() if f"{item[0]}-" in rule.query))
        at_any_time = any(action in rule.query for action in _AT_ANY_TIME)
        key = (versions, *_buckets(rule, now), at_any_time and now)
        if self._answers.get(rule.key, (None,))[0] != key:
            if AGENT in rule.reads and self._unread:
                self.w.es.indices.refresh(index=self.w.stream("agent"))
                self._unread = False
            self._answers[rule.key] = key, rows(self.w.es, rule.query, rule.window, now)
        return self._answers[rule.key][1]


def _buckets(rule: Rule, now: datetime) -> tuple[tuple[datetime, bool], ...]:
    """The buckets that hold the moments on which the rule's answer depends; and which of them are starts.

    A window holds its end and not its start. So does what a query compares with `>` and `<=`: at a bucket's
    start it tells the same apart as within the bucket.
    """
    width, back = _moments(rule.query, rule.window, rule.reads)
    starts = _APART_AT_START.search(rule.query) is not None
    moments = [now - each for each in back]
    return tuple((floor(moment, width), starts and floor(moment, width) == moment) for moment in moments)


@cache
def _moments(
    query: str, window: timedelta, reads: tuple[str, ...]
) -> tuple[timedelta, tuple[timedelta, ...]]:
    """How wide a rule's buckets are, and how far before now each moment lies that it counts from."""
    width = DAY if reads and _DAILY.issuperset(reads) else HOUR
    named = {int(count) * (HOUR if unit == "hour" else DAY) for count, unit in _BACK.findall(query)}
    return width, tuple(sorted({timedelta(0), window, *named}))


def heard_by(
    es: Elasticsearch, rule: Rule, now: datetime, active: set[str]
) -> tuple[set[str], list[tuple[str, str]]]:
    """Run a rule once: what is active after it, and what is new or has ended."""
    found = judged(es, rule, now)
    change = turn(active, found)
    news = [("new", alert.id) for alert in change.new] + [("recovered", gone) for gone in change.recovered]
    return {alert.id for alert in found.alerts}, news


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


MONTH_END = at("2026-11-01")

"""The rules over requests, played over four hours: at every tick they say what the calls themselves say."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import every_rule
from anthropic_metrics.alerts.evaluation import evaluate
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.alerts.suggest import history
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.spans import Call, Spans, Trouble
from anthropic_metrics.telemetry.spans import SOURCES
from tests.harness.alerts_replay import heard_by
from tests.harness.traces import kind_of, load

START = datetime(2026, 7, 10, 11, tzinfo=UTC)
MINUTE, QUARTER, HOUR, DAY = (timedelta(minutes=n) for n in (1, 15, 60, 1440))
END = START + 4 * HOUR
HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
# Limits that the requests themselves leave in peace, and all of the platform's spans together would not.
LIMITS = {HAIKU: 70, SONNET: 30}
LOWERED, LOW = START + 3 * HOUR + QUARTER, 10
FLOOR = 30
SWITCHED = START + 2 * HOUR  # from the one layout to the other
SPENT = "enforced_spend_limit_reached"


def kind(call: Call) -> str | None:
    return kind_of(call, "otel" if call.start < SWITCHED.timestamp() else "apm")


SHARES: dict[str, tuple[float, Callable[[Call], bool]]] = {
    "request_errors": (5.0, lambda call: call.failed),
    "rate_limited": (1.0, lambda call: kind(call) == "rate limit (429)"),
    "overloaded": (5.0, lambda call: kind(call) == "overloaded (529)"),
}


def trouble(after: int, minutes: int, model: str, **how: Any) -> Trouble:
    start = START + after * MINUTE
    return Trouble(start, start + minutes * MINUTE, model=model, **how)


TROUBLES = [
    trouble(30, 30, HAIKU, code=500, error="api_error", share=0.3),
    trouble(60, 30, SONNET, code=429, error="rate_limit_error", share=0.3),
    trouble(90, 30, HAIKU, code=402, error="linked_organization_spend_limit_reached", share=0.3),
    trouble(90, 30, HAIKU, code=429, error="rate_limit_error", message=SPENT, share=0.2),
    trouble(120, 30, SONNET, code=529, error="overloaded_error", share=0.4),
    trouble(150, 60, HAIKU, slower=4.0),
]


@dataclass
class Played:
    """What each rule said at each tick, and the calls that it should have said it of."""

    config: Config
    simulation: Simulation
    calls: list[Call] = field(default_factory=list)
    active: dict[str, dict[datetime, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    new: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def between(self, start: datetime, end: datetime) -> dict[str, list[Call]]:
        """The calls of a window, by model; it is open at its start."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if start.timestamp() < call.start <= end.timestamp():
                found[call.model].append(call)
        return found


def document(at: datetime, action: str, **anthropic: Any) -> dict[str, Any]:
    return {
        "@timestamp": at.isoformat(),
        "agent": {"name": "anthropic-metrics"},
        "event": {"action": action},
        "anthropic": anthropic,
    }


def limit_of(model: str, usual: int, tick: datetime) -> int:
    """The RPM limit of the model's group."""
    return LOW if model == HAIKU and tick >= LOWERED else LIMITS.get(model, usual)


def put_own(es: Elasticsearch, config: Config, simulation: Simulation) -> None:
    """Limits, one of which is lowered, and destinations, as the agent writes them."""
    operations: list[dict[str, Any]] = []

    def put(stream: str, source: dict[str, Any]) -> None:
        name = f"metrics-anthropic_metrics.{stream}-{config.namespace}"
        operations.extend(({"create": {"_index": name}}, source))

    for tick in ticks(START, END):
        for row in simulation.rate_limits():
            limits = {each["type"]: each["value"] for each in row["limits"]}
            for model in row["models"] or ():
                limits["requests_per_minute"] = limit_of(model, limits["requests_per_minute"], tick)
            facts = {"group_type": row["group"]["type"], "group_name": row["group"].get("display_name")}
            limit = {"scope": "organization", "models": row["models"], **facts, **limits}
            put("rate_limit", document(tick, "", rate_limit=limit))
        failing = START + HOUR <= tick < START + 2 * HOUR
        for name, health in (
            ("one", "failing" if failing else "ok"),
            ("two of them", "disabled" if tick >= START + 3 * HOUR else "unused"),
        ):
            state = {"destination_id": f"tdst_{name[:3]}", "name": name, "health": health}
            put("agent", document(tick, "telemetry", telemetry=state))
    assert not es.bulk(operations=operations, refresh=True)["errors"]


def ticks(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += QUARTER


@pytest.fixture(scope="module")
def played(es: Elasticsearch, elasticsearch_url: str) -> Played:
    namespace = f"t{uuid.uuid4().hex[:8]}"
    given = {"namespace": namespace, "elasticsearch": {"hosts": [elasticsearch_url]}}
    config = Config.model_validate({**given, "alerts": {"request_floor": FLOOR}})
    ensure(es, config)
    simulation = Simulation(SettableClock(END), days=7, series=10)
    put_own(es, config, simulation)
    # Each call is traced by its caller too, and has a span of the model's run inside.
    spans = Spans(simulation, troubles=TROUBLES, in_sdk=1.0)
    # What the days before were like, and both layouts in turn.
    parts = [(START - n * DAY, START - n * DAY + QUARTER, "otel") for n in (1, 2, 3)]
    parts += [(START, SWITCHED, "otel"), (SWITCHED, END, "apm")]
    told = Played(config, simulation)
    for start, end, layout in parts:
        load(es, namespace, layout, spans.delivered(start, end))
        told.calls += spans.arrived(start, end)
    rules = [rule for rule in every_rule(config) if rule.spans or rule.key == "telemetry_destination"]
    assert len(rules) == 6
    for rule in rules:
        active: set[str] = set()
        for tick in ticks(START + 2 * QUARTER, END + QUARTER):
            active, news = heard_by(es, rule, tick, active)
            told.active[rule.key][tick] = active
            told.new[rule.key] += [name for kind, name in news if kind == "new"]
    return told


@pytest.mark.parametrize("key", SHARES)
def test_a_share_of_requests_fires_exactly_while_the_calls_of_half_an_hour_have_it(
    played: Played, key: str
) -> None:
    percent, matches = SHARES[key]
    for tick, active in played.active[key].items():
        wanted = {
            model
            for model, calls in played.between(tick - 2 * QUARTER, tick).items()
            if len(calls) >= FLOOR and round(100 * sum(map(matches, calls)) / len(calls), 1) > percent
        }
        assert active == wanted, tick
    assert played.new[key], "nothing happened"


def test_each_incident_is_heard_once_and_a_spend_limit_is_no_429(played: Played) -> None:
    assert played.new["rate_limited"].count(SONNET) == 1
    assert played.new["overloaded"] == [SONNET]
    assert played.new["request_latency"] == [HAIKU]
    assert played.new["rpm_headroom"] == ["Claude Haiku 5.x"]
    # The half hour of spend limits, which a status or a message tells.
    assert HAIKU in played.active["request_errors"][SWITCHED]
    assert HAIKU not in played.active["rate_limited"][SWITCHED]


def test_latency_is_held_against_the_models_own_days_before(played: Played) -> None:
    for tick, active in played.active["request_latency"].items():
        recent, before = played.between(tick - HOUR, tick), played.between(tick - 6 * DAY - HOUR, tick - HOUR)
        for model, calls in recent.items():
            now, usual = waits(calls), waits(before[model])
            if len(now) >= FLOOR and len(usual) >= FLOOR:
                factor = percentile(now) / percentile(usual)
                if not 1.7 < factor < 2.3:  # else the sketch decides
                    assert (model in active) is (factor > 2), (tick, model, factor)


def waits(calls: list[Call]) -> list[float]:
    return [call.first_chunk or call.seconds for call in calls if not call.failed]


def percentile(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def test_requests_a_minute_are_held_against_the_newest_limit(played: Played) -> None:
    groups = {
        model: row["group"]["display_name"]
        for row in played.simulation.rate_limits()
        for model in row["models"] or ()
    }
    limits = {
        row["group"]["display_name"]: each["value"]
        for row in played.simulation.rate_limits()
        for each in row["limits"]
        if row["models"] and each["type"] == "requests_per_minute"
    }
    models = {group: model for model, group in groups.items() if model in LIMITS}
    for tick, active in played.active["rpm_headroom"].items():
        minutes: dict[tuple[str, int], int] = defaultdict(int)
        for model, calls in played.between(tick - 3 * QUARTER, tick).items():
            for call in calls:
                minutes[groups[model], int(call.start // 60)] += 1
        wanted = set()
        for (group, _), count in minutes.items():
            limit = limit_of(models.get(group, ""), limits[group], tick)
            if round(100 * (1 - count / limit), 1) < 20:
                wanted.add(group)
        assert active == wanted, tick


def test_suggested_thresholds_are_judged_by_every_half_hour_and_the_peak_minute_of_a_day(
    es: Elasticsearch, played: Played
) -> None:
    rules = {rule.key: rule for rule in every_rule(played.config) if rule.spans}
    tomorrow = START + DAY
    for key, (_, matches) in SHARES.items():
        wanted = {}
        for tick in ticks(START + 2 * QUARTER, END + QUARTER):
            for model, calls in played.between(tick - 2 * QUARTER, tick).items():
                share = round(100 * sum(map(matches, calls)) / len(calls), 1)
                if tick.minute in (0, 30) and len(calls) >= FLOOR and share > 0:
                    wanted[tick, model] = share
        judged = history(es, rules[key], played.config, tomorrow, 1)
        shares = {(sample.at, sample.id): sample.value for sample in judged}
        assert shares == pytest.approx(wanted, abs=0.11), key  # a half is rounded up there, to even here
    (of_haiku,) = (
        sample
        for sample in history(es, rules["rpm_headroom"], played.config, tomorrow, 1)
        if "Haiku 5" in sample.id
    )
    haiku = Counter(int(call.start // 60) for call in played.between(START, END)[HAIKU])
    assert of_haiku.value == round(100 * (1 - max(haiku.values()) / LOW), 1)
    waited = history(es, rules["request_latency"], played.config, tomorrow, 1)
    enough = {model for model, calls in played.between(START, START + HOUR).items() if len(calls) > 2 * FLOOR}
    assert {(sample.at.hour, sample.id) for sample in waited} == {(11, model) for model in enough}
    before = START - 30 * DAY
    assert not [sample for key in rules for sample in history(es, rules[key], played.config, before, 7)]


def test_a_destination_is_told_while_it_fails_or_is_disabled(played: Played) -> None:
    told = played.active["telemetry_destination"]
    for tick, active in told.items():
        newest = min(tick, END - QUARTER)
        failing = START + HOUR <= newest < START + 2 * HOUR
        disabled = newest >= START + 3 * HOUR
        assert active == {*(["tdst_one"] if failing else []), *(["tdst_two"] if disabled else [])}, tick


def without_traces(rule: Rule) -> Rule:
    query = rule.query.replace(SOURCES, "traces-nowhere-*.otel-*, traces-apm-nowhere-*")
    assert query != rule.query
    return replace(rule, query=query)


def test_a_rule_runs_without_any_traces_and_says_that_it_has_no_data(
    es: Elasticsearch, played: Played
) -> None:
    rules = [rule for rule in every_rule(played.config) if rule.spans]
    for rule in rules:
        assert heard_by(es, without_traces(rule), END, set()) == (set(), [])
    long_ago = datetime(2018, 3, 1, tzinfo=UTC)
    verdicts = {each.rule.key: each for each in evaluate(es, played.config, long_ago)}
    for rule in rules:
        assert verdicts[rule.key].state == "no data"
        assert "no traces" in verdicts[rule.key].reason

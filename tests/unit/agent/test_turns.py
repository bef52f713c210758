"""First turns wait for those of what a job derives from, and come at once when these have had theirs."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.runtime import Runtime
from anthropic_metrics.agent.turns import Chain, Turns
from anthropic_metrics.config import (
    AlertSettings,
    AnthropicSettings,
    Config,
    CostSettings,
    ElasticsearchSettings,
    HealthSettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.schedule import chain_of
from tests.harness.memory_ports import scheduled

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
PATIENCE = 30


def job(name: str, *needs: str, after: str | None = None) -> Job:
    return Job(name, name, name, timedelta(minutes=5), lambda _: None, after=after, needs=needs)


LIMITS, MINUTES = job("limits"), job("minutes")
HEADROOM = job("headroom", "limits", after="minutes")
FIGURES = job("figures", after="headroom")
JOBS = [LIMITS, MINUTES, HEADROOM, FIGURES]


class World:
    """Jobs that are noted when they run; `ends` says what becomes of one, by default success."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.ran, self.started = runtime, list[str](), list[Chain]()
        self.ends: dict[str, Callable[[Job], object]] = {}
        self.jobs = JOBS
        self.stop = threading.Event()
        self.schedule(JOBS)

    def schedule(self, jobs: list[Job]) -> None:
        self.jobs = jobs
        self.runtime.schedule(jobs)
        fields: dict[str, Any] = {"jobs": jobs, "stop": self.stop, "runtime": self.runtime}
        agent = cast("Agent", SimpleNamespace(attempt=self._attempt, **fields))
        self.turns = Turns(agent, self._start)

    def _start(self, chain: Chain) -> None:
        self.started.append(chain)
        self.turns.run(chain)

    def _attempt(self, each: Job) -> None:
        self.runtime.health[""].began(each.name)
        self.ran.append(each.name)
        if each.name in self.ends:
            self.ends[each.name](each)
        else:
            self.runtime.health[""].ok(each.name)

    def run(self, name: str) -> list[str]:
        """A turn of this job and of what follows it; what ran by that."""
        self.ran.clear()
        self.turns.run(chain_of(self.jobs, next(each for each in self.jobs if each.name == name)))
        return list(self.ran)


@pytest.fixture
def world() -> Iterator[World]:
    config = Config(elasticsearch=ElasticsearchSettings(hosts=("http://localhost:1",)))
    runtime = Runtime(config, clock=lambda: NOW, monotonic=lambda: 0.0, stop=threading.Event())
    yield World(runtime)
    runtime.close()


def test_a_job_waits_for_the_first_turn_of_what_it_derives_from_and_then_runs_at_once(world: World) -> None:
    assert world.run("minutes") == ["minutes"]
    assert world.run("limits") == ["limits", "headroom", "figures"]
    assert world.started == [(HEADROOM, FIGURES)]
    assert world.run("minutes") == ["minutes", "headroom", "figures"], "from then on it follows its leader"


def test_a_job_waits_for_nothing_where_what_it_derives_from_has_had_its_turn(world: World) -> None:
    assert world.run("limits") == ["limits"]
    assert world.run("minutes") == ["minutes", "headroom", "figures"]
    assert not world.started


def test_a_first_turn_that_failed_makes_nobody_wait(world: World) -> None:
    world.ends["limits"] = lambda one: world.runtime.health[""].failed(one.name, "503")
    world.run("minutes")
    assert world.run("limits") == ["limits", "headroom", "figures"]


def test_a_job_that_is_not_scheduled_makes_nobody_wait(world: World) -> None:
    world.schedule([MINUTES, HEADROOM, FIGURES])
    assert world.run("minutes") == ["minutes", "headroom", "figures"]


def test_what_a_job_waits_for_is_its_reason_on_the_health_page_until_it_begins(world: World) -> None:
    health = world.runtime.health[""]
    world.run("minutes")
    waits = "waits for the first poll of limits"
    assert health.troubles() == {"limits": "has not succeeded yet", "headroom": waits, "figures": waits}
    assert health.as_dict()["pollers"]["headroom"]["reason"] == waits
    world.ends["headroom"] = lambda one: world.ran.append(health.pollers["headroom"].waiting)
    assert world.run("limits") == ["limits", "headroom", "", "figures"]


def test_the_log_names_the_organization_of_a_job_that_waits() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    jobs = [replace(each, organization="emea") for each in JOBS]
    runtime = SimpleNamespace(had_turn=lambda _: False, waits=lambda *_: None)
    fields: dict[str, Any] = {"jobs": jobs, "stop": threading.Event(), "runtime": runtime}
    agent = cast("Agent", SimpleNamespace(attempt=lambda _: None, **fields))
    Turns(agent, lambda _: None).run(chain_of(jobs, jobs[1]))
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["message"], line["organization.name"]) == ("poll_waits", "emea")


def test_a_sweep_that_waits_for_its_first_turn_is_no_trouble(world: World) -> None:
    sweep = replace(job("sweep", "limits"), kind=Kind.sweep)
    world.schedule([LIMITS, sweep])
    assert world.run("sweep") == []
    assert world.runtime.health[""].troubles() == {"limits": "has not succeeded yet"}


def test_a_job_with_turns_of_its_own_waits_too(world: World) -> None:
    world.schedule([LIMITS, digest := job("digest", "limits")])
    assert world.run("digest") == []
    assert world.run("digest") == [], "its next turn came before what it waits for"
    assert world.run("limits") == ["limits", "digest"]
    assert world.started == [(digest,)]


def test_nothing_is_started_by_a_turn_that_ends_after_the_agent_was_asked_to_stop(world: World) -> None:
    world.run("minutes")

    def last(one: Job) -> None:
        world.stop.set()
        world.runtime.health[""].ok(one.name)

    world.ends["limits"] = last
    assert world.run("limits") == ["limits"]


def test_a_job_under_way_has_no_second_turn_beside_it(world: World) -> None:
    world.run("limits")
    begun, go_on = threading.Event(), threading.Event()

    def last(_: Job) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    world.ends["headroom"] = last
    thread = threading.Thread(target=world.turns.run, args=((HEADROOM, FIGURES),))
    thread.start()
    try:
        assert begun.wait(PATIENCE)
        assert world.run("minutes") == ["minutes"]
    finally:
        go_on.set()
        thread.join(PATIENCE)


def test_every_job_that_reads_what_another_poll_writes_waits_for_it() -> None:
    config = Config(
        anthropic=AnthropicSettings(admin_key=SecretStr("sk-ant-admin-unused")),
        elasticsearch=ElasticsearchSettings(hosts=("http://localhost:1",)),
        usage=UsageSettings(granularities=("1m", "1h", "1d")),
        health=HealthSettings(figures=True),
        digest="daily",
        alerts=AlertSettings(webhooks=(SecretStr("http://localhost:1/hook"),)),
    )
    prefix = "anthropic_metrics."
    with Agent(config) as agent:
        needs = {each.name.removeprefix(prefix): each.needs for each in agent.jobs if each.needs}
    assert needs == {
        "headroom": (f"{prefix}rate_limit",),
        "headroom sweep": (f"{prefix}rate_limit",),
        "spend": (f"{prefix}cost",),
        "inventory": (f"{prefix}usage", f"{prefix}spend", f"{prefix}rate_limit"),
        "usage_1m adds up to anthropic_metrics.usage": (f"{prefix}usage sweep",),
        "digest": (f"{prefix}spend",),
        "figures": (f"{prefix}headroom",),
        "usage adds up to anthropic_metrics.usage_1d": (f"{prefix}usage_1d sweep",),
    }


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(usage=UsageSettings(granularities=("1m", "1h", "1d"))),
        Config(cost=CostSettings(enabled=False)),
        Config(rate_limits=RateLimitSettings(enabled=False)),
        Config(usage=UsageSettings(enabled=False)),
    ],
)
def test_in_every_configuration_each_job_has_its_first_turn(world: World, config: Config) -> None:
    jobs = scheduled(config)
    world.schedule(jobs)
    for leader in reversed([each for each in jobs if each.after is None]):
        world.turns.run(chain_of(jobs, leader))
    assert sorted(world.ran) == sorted(each.name for each in jobs)


def test_an_unexpected_error_while_a_turn_is_reported_makes_nobody_wait_and_stops_no_chain(
    world: World,
) -> None:
    def crash(_: Job) -> None:
        raise ValueError("no")

    world.ends["limits"] = world.ends["headroom"] = crash
    world.run("minutes")
    assert world.run("limits") == ["limits", "headroom", "figures"]

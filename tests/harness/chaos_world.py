"""A small organization, agents that a schedule can kill, and faults on both of their sides.

The agents run in this process, on a clock that stands still while they poll: a day takes seconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from elasticsearch import ApiError, Elasticsearch
from pydantic import SecretStr

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import (
    AnthropicSettings,
    Backfill,
    Config,
    ElasticsearchSettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.config.money import SpendSettings
from anthropic_metrics.errors import Stopped
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.kernel.schedule import by_organization, due
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.spend.settle import SETTLE_AFTER
from tests.harness.fault_proxy import FaultProxy
from tests.harness.world import World

FIRST = datetime(2026, 11, 18, tzinfo=UTC)
SERIES = 8
MINUTES = timedelta(hours=1)


class Killed(BaseException):
    """The process is gone: nothing of the agent's may run after this."""


class NoWait(threading.Event):
    """The agent's stop event, in a world where waiting takes no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


@dataclass
class Runner:
    """One agent with its scheduler: every job runs when its interval has passed, as the daemon does it."""

    world: Chaos
    number: int
    last: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self._start()

    def start(self) -> None:
        """A new process: nothing is remembered."""
        self.agent.close()
        self._start()

    def _start(self) -> None:
        self.stop = NoWait()
        self.agent = Agent(
            self.world.polled or self.world.config,
            clock=self.world.agent_now,
            stop=self.stop,
            monotonic=self.world.monotonic,
        )
        self.last.clear()

    def crash_at(self, request: int, *, after: bool, stop: bool) -> None:
        """Kill (or ask to stop) at the agent's n-th request to Elasticsearch, before it or after it."""
        transport = self.agent.runtime.elasticsearch.transport
        send, counted = transport.perform_request, 0

        def counting(*args: Any, **options: Any) -> Any:
            nonlocal counted
            counted += 1
            if counted < request:
                return send(*args, **options)
            if stop:
                self.stop.set()
                return send(*args, **options)
            if after:
                with contextlib.suppress(Exception):
                    send(*args, **options)
            raise Killed

        transport.perform_request = counting  # type: ignore[method-assign]  # the transport counts

    def poll(self, *, everything: bool = False, sweeps: bool = True) -> None:
        """Run the jobs that are due, or all of them, without the daily sweeps if so wanted.

        A killed or stopped agent is started anew afterwards.
        """
        self.failures.clear()
        jobs = [job for job in self.agent.jobs if sweeps or job.kind is Kind.live]
        now = self.world.monotonic()
        try:
            for own in by_organization(jobs):
                last = self.last.setdefault(own[0].organization, {})
                for chain in due(own, {} if everything else last, now):
                    last[chain[0].name] = now
                    for job in chain:
                        self.failures += self.agent.attempt(job).failures
        except (Killed, Stopped) as end:
            self.failures.append(type(end).__name__)
            self.start()


@dataclass(frozen=True)
class Turn:
    """A turn of polls: when the agents took it for, when it was, and whether the API lied in it."""

    seemed: datetime
    at: datetime
    lied: bool


@dataclass
class Chaos:
    """Everything that a schedule acts on. `skew` is how wrong the agents' clock is.

    Of several organizations it is one, and `polled` is the configuration of the agents that poll them all.
    """

    seed: int
    truth: World
    proxy: FaultProxy
    config: Config
    clock: SettableClock
    skew: timedelta = timedelta()
    runners: list[Runner] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    taken: list[Any] = field(default_factory=list)
    polls: list[Turn] = field(default_factory=list)
    lying: bool = False
    has_reports: bool = False
    side_by_side: bool = False
    polled: Config | None = None

    @property
    def simulation(self) -> Simulation:
        return self.truth.simulation

    @property
    def server(self) -> SimulatorServer:
        return self.truth.server

    @property
    def es(self) -> Elasticsearch:
        """Elasticsearch itself, past the proxy."""
        return self.truth.es

    def agent_now(self) -> datetime:
        return self.clock.now() + self.skew

    def monotonic(self) -> float:
        return (self.clock.now() - FIRST).total_seconds()

    def turn(self) -> Turn:
        """The turn of polls that is now."""
        return Turn(self.agent_now(), self.clock.now(), self.lying)

    def poll(self, *, everything: bool = False, sweeps: bool = True) -> None:
        """One turn of every agent, one after the other or side by side."""
        self.polls.append(self.turn())
        if self.side_by_side and len(self.runners) > 1:
            with ThreadPoolExecutor(len(self.runners)) as pool:
                list(pool.map(lambda runner: runner.poll(everything=everything, sweeps=sweeps), self.runners))
        else:
            for runner in self.runners:
                runner.poll(everything=everything, sweeps=sweeps)

    def heal(self) -> None:
        """End every fault; what upstream changed stays changed."""
        self.server.faults.clear()
        self.proxy.heal()
        self.lying = False
        for index in self.blocked:
            with contextlib.suppress(ApiError):
                self.es.indices.put_settings(index=index, settings={"index.blocks.write": None})
        self.blocked.clear()

    def backing(self, dataset: str) -> list[str]:
        """Backing indices of a stream, oldest first; none while it does not exist."""
        try:
            found = self.es.indices.resolve_index(name=self.truth.stream(dataset))
        except ApiError:
            return []
        return [name for stream in found["data_streams"] for name in stream["backing_indices"]]


@contextlib.contextmanager
def chaos_world(
    es: Elasticsearch, url: str, namespace: str, seed: int, *, settle_after: timedelta = SETTLE_AFTER
) -> Iterator[Chaos]:
    """A world for one seed; the proxy and the simulator end with it."""
    rng = Random(f"world {seed}")
    clock = SettableClock(FIRST + timedelta(hours=rng.randrange(24), minutes=rng.randrange(60), seconds=10))
    simulation = Simulation(clock, seed=seed, days=1, series=SERIES, arrivals="late", revisions="heavy")
    with SimulatorServer(simulation) as server, FaultProxy(url) as proxy:
        server.behaviour.open_bucket = rng.choice(("omit", "partial", "error"))
        config = Config(
            anthropic=AnthropicSettings(
                base_url=server.url,
                admin_key=SecretStr(ADMIN_KEY),
                requests_per_minute=60_000,
                timeout=timedelta(seconds=20),
            ),
            elasticsearch=ElasticsearchSettings(hosts=(proxy.url,), timeout=timedelta(seconds=20)),
            namespace=namespace,
            backfill=Backfill(timedelta(days=1)),
            usage=UsageSettings(granularities=("1m", "1h"), minute_backfill=MINUTES),
            # The truth is that every scope is read at every poll.
            rate_limits=RateLimitSettings(workspace_interval=timedelta(minutes=15)),
            spend=SpendSettings(settle_after=settle_after),
        )
        world = Chaos(seed, World(simulation, server, clock, config, es), proxy, config, clock)
        world.runners.append(Runner(world, 0))
        try:
            yield world
        finally:
            for runner in world.runners:
                runner.agent.close()

"""The chaos of several organizations under one agent: each has faults of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from random import Random
from uuid import uuid4

from elasticsearch import Elasticsearch
from pydantic import SecretStr

from anthropic_metrics.config import (
    Backfill,
    Config,
    ElasticsearchSettings,
    OrganizationSettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.simulator import SettableClock, Simulation, SimulatorServer
from tests.harness.chaos_corrections import Ledger
from tests.harness.chaos_rows import Wrong
from tests.harness.chaos_run import schedule
from tests.harness.chaos_truth import check
from tests.harness.chaos_world import FIRST, MINUTES, Chaos, Runner
from tests.harness.fault_proxy import FaultProxy
from tests.harness.organizations import key_of
from tests.harness.world import World


def run_several(
    es: Elasticsearch, url: str, seed: int, *, organizations: int, series: int, steps: int
) -> None:
    """Let a schedule of faults happen to each; raises Wrong when one does not end equal to its truth."""
    rng = Random(f"organizations {seed}")
    with _worlds(es, url, f"c{uuid4().hex[:8]}", seed, organizations, series) as worlds:
        ledgers = [Ledger(world) for world in worlds]
        events = [(world, schedule(seed * 100 + place)) for place, world in enumerate(worlds)]
        for step in range(steps):
            for world, own in events:
                for event in own:
                    if event.step == step:
                        event.act(world)
                        _share(world, worlds)
                        if event.name == "es_index_deleted":
                            for ledger in ledgers:
                                ledger.forget()
            _turn(worlds, ledgers)
            worlds[0].clock.advance(timedelta(minutes=rng.choice((1, 5, 5, 15, 60))))
        for world in worlds:
            world.skew = timedelta()
        _turn(worlds, ledgers)
        for _ in range(2):
            worlds[0].clock.advance(timedelta(minutes=65))
            _turn(worlds, ledgers, everything=True)
        if failures := [failure for runner in worlds[0].runners for failure in runner.failures]:
            raise Wrong(f"there are no more faults, and yet: {failures}")
        for world, ledger in zip(worlds, ledgers, strict=True):
            check(world, ledger)


def _share(world: Chaos, worlds: Sequence[Chaos]) -> None:
    """The agents, and so their clock, are the same for all."""
    for other in worlds:
        other.skew, other.side_by_side = world.skew, world.side_by_side


def _turn(worlds: Sequence[Chaos], ledgers: Sequence[Ledger], *, everything: bool = False) -> None:
    first, *others = worlds
    for other in others:
        other.polls.append(other.turn())
    first.poll(everything=everything)
    for world in worlds:
        world.heal()
    for ledger in ledgers:
        ledger.look()


@contextmanager
def _worlds(
    es: Elasticsearch, url: str, namespace: str, seed: int, count: int, series: int
) -> Iterator[list[Chaos]]:
    rng = Random(f"world {seed}")
    clock = SettableClock(FIRST + timedelta(hours=rng.randrange(24), minutes=rng.randrange(60), seconds=10))
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(url))
        servers = []
        for place in range(count):
            simulation = Simulation(
                clock, seed=seed * 100 + place, days=1, series=series, arrivals="late", revisions="heavy"
            )
            server = SimulatorServer(simulation)
            server.admin_keys.add(key_of(str(place)))
            server.behaviour.open_bucket = rng.choice(("omit", "partial", "error"))
            servers.append(stack.enter_context(server))
        config = _config(servers, proxy.url, namespace)
        runners: list[Runner] = []
        worlds = [
            Chaos(
                seed,
                World(server.simulation, server, clock, own, es),
                proxy,
                own,
                clock,
                runners=runners,
                polled=config,
            )
            for server, own in zip(servers, config.per_organization(), strict=True)
        ]
        runners.append(Runner(worlds[0], 0))
        try:
            yield worlds
        finally:
            for runner in runners:
                runner.agent.close()


def _config(servers: Sequence[SimulatorServer], elasticsearch: str, namespace: str) -> Config:
    """One agent's configuration with an organization for each server."""
    return Config(
        organizations=tuple(
            OrganizationSettings(
                name=f"organization {place}",
                base_url=server.url,
                admin_key=SecretStr(key_of(str(place))),
                requests_per_minute=60_000,
                timeout=timedelta(seconds=20),
            )
            for place, server in enumerate(servers)
        ),
        elasticsearch=ElasticsearchSettings(hosts=(elasticsearch,), timeout=timedelta(seconds=20)),
        namespace=namespace,
        backfill=Backfill(timedelta(days=1)),
        usage=UsageSettings(granularities=("1m", "1h"), minute_backfill=MINUTES),
        rate_limits=RateLimitSettings(workspace_interval=timedelta(minutes=15)),
    )

"""Several simulated organizations under one agent. Their workspaces and keys have the same names, not ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch
from pydantic import SecretStr

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import (
    Backfill,
    Config,
    ElasticsearchSettings,
    OrganizationSettings,
    UsageSettings,
    format_duration,
)
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import SettableClock, Simulation, SimulatorServer
from tests.harness.world import World

NAMES = ("acme", "acme-eu")
NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)


@dataclass
class OneOf(World):
    """One of the organizations: what its simulation says, and only its documents."""

    name: str = ""

    @property
    def id(self) -> str:
        return self.simulation.organization().id

    def sources(self, dataset: str) -> list[dict[str, Any]]:
        """The organization's documents of a stream, in any order."""
        return [found for found in super().sources(dataset) if found["organization"]["id"] == self.id]


@dataclass
class Several:
    """The agent's configuration, and each organization by its name."""

    config: Config
    es: Elasticsearch
    clock: SettableClock
    each: Mapping[str, OneOf]

    @contextmanager
    def agent(self, **options: Any) -> Iterator[Agent]:
        with Agent(self.config, clock=self.clock.now, **options) as agent:
            yield agent

    def sources(self, dataset: str) -> list[dict[str, Any]]:
        """Every organization's documents of a stream, in any order."""
        first = next(iter(self.each.values()))
        return World.sources(first, dataset)

    def once(self) -> dict[str, list[Tally]]:
        """One pass over everything of every organization; every window must be done."""
        with self.agent() as agent:
            done = {
                organization.label: [agent.attempt(job) for job in organization.whole(agent.sink)]
                for organization in agent.organizations
            }
        failures = [tally.failures for tallies in done.values() for tally in tallies if not tally.done]
        assert failures == []
        return done

    def written(self, folder: Path) -> Path:
        """The configuration as a file, keys included."""
        entries = [
            {
                "name": each.name,
                "admin_key": key_of(each.name),
                "base_url": each.server.url,
                "requests_per_minute": 60_000,
                "budgets": [{"name": budget.name, "usd": str(budget.usd)} for budget in each.config.budgets],
            }
            for each in self.each.values()
        ]
        text = {
            "organizations": entries,
            "elasticsearch": {"hosts": list(self.config.elasticsearch.hosts)},
            "namespace": self.config.namespace,
            "backfill": str(self.config.backfill),
            "usage": {"minute_backfill": format_duration(self.config.usage.minute_backfill)},
            "log": {"level": "error"},
        }
        path = folder / "config.yaml"
        path.write_text(json.dumps(text), encoding="utf-8")  # JSON is YAML
        return path


def key_of(name: str) -> str:
    return f"sk-ant-admin01-simulated-{name.replace(' ', '-')}"


@contextmanager
def several(
    es: Elasticsearch,
    url: str,
    namespace: str,
    *,
    now: datetime,
    names: Sequence[str] = NAMES,
    days: int = 3,
    usage: UsageSettings | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    **simulated: Any,
) -> Iterator[Several]:
    """So many organizations with a server each, all of whose clocks stand at `now`.

    `own` has settings of organizations by name; `simulated` goes to every Simulation.
    """
    clock = SettableClock(now)
    with ExitStack() as stack:
        servers: dict[str, SimulatorServer] = {}
        for seed, name in enumerate(names, start=7):
            server = SimulatorServer(Simulation(clock, seed=seed, days=days, **simulated))
            server.admin_keys.clear()
            server.admin_keys.add(key_of(name))
            servers[name] = stack.enter_context(server)
        config = Config(
            organizations=tuple(
                OrganizationSettings(
                    name=name,
                    base_url=server.url,
                    admin_key=SecretStr(key_of(name)),
                    requests_per_minute=60_000,
                    **(own or {}).get(name, {}),
                )
                for name, server in servers.items()
            ),
            elasticsearch=ElasticsearchSettings(hosts=(url,)),
            namespace=namespace,
            backfill=Backfill(timedelta(days=days)),
            usage=usage or UsageSettings(minute_backfill=timedelta(hours=2)),
        )
        worlds = {
            each.label: OneOf(
                servers[each.label].simulation, servers[each.label], clock, each, es, name=each.label
            )
            for each in config.per_organization()
        }
        yield Several(config, es, clock, worlds)

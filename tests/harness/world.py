"""A whole installation for end-to-end tests: simulated Admin API, real Elasticsearch, the agent between.

The truth is asked of the simulation itself; what the stream holds is projected onto the same shape, field
by field, so that nothing of the agent's own code decides what is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
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
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer

GROUPED = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
WIDTHS = {"usage": "1h", "usage_1m": "1m", "usage_1d": "1d"}
STEPS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
NULLS = {"workspace_id": "Default", "api_key_id": "Console"}
COST_FIELDS = (
    "workspace_id",
    "description",
    "currency",
    "cost_type",
    "model",
    "token_type",
    "service_tier",
    "context_window",
    "inference_geo",
)

Row = tuple[Any, ...]


@dataclass
class World:
    """Everything a test touches."""

    simulation: Simulation
    server: SimulatorServer
    clock: SettableClock
    config: Config
    es: Elasticsearch

    @contextmanager
    def agent(self) -> Iterator[Agent]:
        with Agent(self.config, clock=self.clock.now) as agent:
            yield agent

    def once(self) -> dict[str, Tally]:
        """A fresh agent's single pass over everything; every window must be done."""
        with self.agent() as agent:
            return attempt(agent, agent.organization.whole(agent.sink))

    def stream(self, dataset: str) -> str:
        return f"metrics-anthropic_metrics.{dataset}-{self.config.namespace}"

    def sources(self, dataset: str) -> list[dict[str, Any]]:
        """Every document of a stream, in any order."""
        self.es.indices.refresh(index=self.stream(dataset))
        hits = scan(self.es, index=self.stream(dataset), size=5000)
        return [hit["_source"] for hit in hits]

    def held_usage(self, dataset: str) -> list[Row]:
        """The usage stream's rows in the API's own terms, sorted."""
        return sorted(map(_usage_row, (source["anthropic"]["usage"] for source in self.sources(dataset))))

    def true_usage(self, dataset: str, start: datetime, *, at: datetime | None = None) -> list[Row]:
        """What the simulation says the rows are, from `start` to now, as of `at` (None: in the end)."""
        width = WIDTHS[dataset]
        rows = self.simulation.usage_rows(start, self._end(STEPS[width], at), width, GROUPED, at=at)
        return sorted(map(_truth_row, rows))

    def held_costs(self) -> list[Row]:
        """The cost stream's rows, sorted; the amount as received."""
        costs = (source["anthropic"]["cost"] for source in self.sources("cost"))
        return sorted(
            (_instant(cost["bucket_start_time"]), cost["amount_exact"], *_texts(cost, COST_FIELDS))
            for cost in costs
        )

    def true_costs(self, start: datetime, *, at: datetime | None = None) -> list[Row]:
        end = self._end(timedelta(days=1), at)
        rows = self.simulation.cost_rows(start, end, ("workspace_id", "description"), at=at)
        return sorted(
            (
                row["starting_at"],
                row["amount"],
                *_texts(row | {"workspace_id": row["workspace_id"] or "Default"}, COST_FIELDS),
            )
            for row in rows
        )

    def _end(self, step: timedelta, at: datetime | None) -> datetime:
        """End of what the API shows: where it returns the open bucket in part, that one too."""
        shows_open = at is not None and self.server.behaviour.open_bucket == "partial"
        return self.clock.now() + step if shows_open else self.clock.now()


def attempt(agent: Agent, jobs: Sequence[Job]) -> dict[str, Tally]:
    """Run jobs; each must have done all its windows. Tallies by stream's dataset."""
    tallies = [agent.attempt(job) for job in jobs]
    assert [tally.failures for tally in tallies if not tally.done] == []
    return {
        tally.stream.removeprefix("metrics-anthropic_metrics.").rpartition("-")[0]: tally for tally in tallies
    }


@contextmanager
def world(
    es: Elasticsearch,
    url: str,
    namespace: str,
    *,
    now: datetime,
    days: int = 30,
    usage: UsageSettings | None = None,
    **simulated: Any,
) -> Iterator[World]:
    """A running world whose clock stands at `now`; `simulated` goes to the Simulation."""
    clock = SettableClock(now)
    simulation = Simulation(clock, days=days, **simulated)
    with SimulatorServer(simulation) as server:
        config = Config(
            anthropic=AnthropicSettings(
                base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
            ),
            elasticsearch=ElasticsearchSettings(hosts=(url,)),
            namespace=namespace,
            backfill=Backfill(timedelta(days=days)),
            usage=usage or UsageSettings(minute_backfill=timedelta(days=1)),
            # The truth is that every scope is read at every poll.
            rate_limits=RateLimitSettings(workspace_interval=timedelta(minutes=15)),
        )
        yield World(simulation, server, clock, config, es)


def _usage_row(usage: dict[str, Any]) -> Row:
    created = usage["cache_creation"]
    numbers = (
        usage["uncached_input_tokens"],
        usage["cached_input_tokens"],
        created["ephemeral_5m_input_tokens"],
        created["ephemeral_1h_input_tokens"],
        usage["output_tokens"],
        usage["server_tool_use"]["web_search_requests"],
    )
    assert usage["cache_creation_input_tokens"] == numbers[2] + numbers[3]
    assert usage["input_tokens"] == sum(numbers[:4])
    assert usage["total_tokens"] == sum(numbers[:5])
    times = _instant(usage["bucket_start_time"]), _instant(usage["bucket_end_time"])
    return (*times, *_texts(usage, GROUPED), *numbers)


def _truth_row(row: dict[str, Any]) -> Row:
    named = {name: row[name] or NULLS.get(name) for name in GROUPED}
    return (
        row["starting_at"],
        row["ending_at"],
        *_texts(named, GROUPED),
        row["uncached_input_tokens"],
        row["cache_read_input_tokens"],
        row["cache_creation"]["ephemeral_5m_input_tokens"],
        row["cache_creation"]["ephemeral_1h_input_tokens"],
        row["output_tokens"],
        row["server_tool_use"]["web_search_requests"],
    )


def _texts(row: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """Absent and null are the same; a text, so that rows can be sorted."""
    return tuple(str(row.get(name)) for name in names)


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%SZ")

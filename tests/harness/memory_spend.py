"""Usage, bill and spend of a small simulated organization, with streams in memory and no wait anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.config import AnthropicSettings, Backfill, Config
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, USAGE, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.simulator.api import AdminApi
from tests.harness.memory_documents import MemoryDocuments, Source
from tests.harness.memory_streams import Wire

NOW = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
# The world's days; those up to the 21st ended two days ago and more.
SETTLED = ("2026-11-19", "2026-11-20", "2026-11-21")
OPEN = ("2026-11-22", "2026-11-23", "2026-11-24")
TWENTIETH = datetime.fromisoformat("2026-11-20T00:00:00Z")
USED, BILLED, SPENT, SAID = (stream_name(name, "default") for name in (USAGE, COST, SPEND, AGENT))
NAMES = (USAGE, COST, SPEND)


class Agent:
    """One process: what it remembers is gone with it."""

    def __init__(self, world: MemorySpend) -> None:
        self._world = world
        self.client = AdminClient(
            world.config.anthropic,
            transport=world.wire.transport(),
            sleep=lambda _: None,
            clock=world.clock.now,
        )
        self.organization = Organization(
            world.config, self.client, Inventory(AdminDirectory(self.client)), clock=world.clock.now
        )

    def poll(self, *names: str, everything: bool = False) -> dict[str, Tally]:
        """The live jobs of usage, cost and spend, or those over everything; tallies by dataset."""
        streams = self._world.streams
        sink = Sink(streams, lambda _: None, streams)
        organization = self.organization
        jobs = organization.whole(sink) if everything else organization.scheduled(sink)
        tallies: dict[str, Tally] = {}
        for name in names or NAMES:
            job = next(job for job in jobs if job.name == name)
            tallies[name] = tally = Tally(job.poller, job.stream, in_pass=everything)
            job.run(tally)
        return tallies

    def spend(self, *, everything: bool = False) -> Tally:
        """Spend alone."""
        return self.poll(SPEND, everything=everything)[SPEND]


@dataclass
class MemorySpend:
    """A world whose clock stands at `NOW`; nothing is settled and nothing revised unless a test says so."""

    days: int = 5
    series: int = 8
    arrivals: str = "none"
    revisions: str = "none"
    seed: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    streams: MemoryDocuments = field(default_factory=MemoryDocuments)

    def __post_init__(self) -> None:
        self.clock = SettableClock(NOW)
        self.simulation = Simulation(
            self.clock,
            seed=self.seed,
            days=self.days,
            series=self.series,
            arrivals=self.arrivals,
            revisions=self.revisions,
        )
        self.api = AdminApi(self.simulation)
        self.wire = Wire(self.api, self.clock)
        self.config = Config.model_validate(
            {
                "anthropic": AnthropicSettings(
                    base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
                ),
                "backfill": Backfill(timedelta(days=self.days)),
                "usage": {"granularities": ["1h"]},
                "rate_limits": {"enabled": False},
                **self.settings,
            }
        )

    def agent(self) -> Agent:
        """A new one, which knows nothing."""
        return Agent(self)

    def analytics(self, terms: Terms) -> None:
        """What the organization has of the analytics reports from now on."""
        self.api.behaviour.analytics = terms

    def documents(self, stream: str = SPENT) -> dict[str, Source]:
        """By id, those that wait for their deletion left out."""
        found = self.streams.stores[stream].copies.items()
        return {id_: source for id_, (_, source) in found if "missing_since" not in source["anthropic"]}

    def checks(self, action: str) -> list[Source]:
        """Documents of the agent stream with this action."""
        return [each for each in self.documents(SAID).values() if each["event"]["action"] == action]


def basis(sources: Iterable[Source]) -> set[str]:
    return {source["anthropic"]["spend"]["basis"] for source in sources}


def on(sources: Iterable[Source], *days: str) -> list[Source]:
    """Those of these UTC days, such as `2026-11-20`."""
    return [source for source in sources if source["@timestamp"][:10] in days]


def by_day_and_workspace(w: MemorySpend, stream: str) -> dict[tuple[str, str], Decimal]:
    """Exact dollars of spend, or of the bill."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for source in w.documents(stream).values():
        part = source["anthropic"]["spend" if stream == SPENT else "cost"]
        dollars = Decimal(part.get("amount_exact", "0")) / (1 if stream == SPENT else 100)
        sums[source["@timestamp"][:10], part["workspace_id"]] += dollars
    return {place: amount for place, amount in sums.items() if amount}


def small(**settings: object) -> MemorySpend:
    return MemorySpend(series=4, settings=dict(settings))


def assert_adds_up(w: MemorySpend, *days: str) -> None:
    """A document for each row of usage, and of these days the bill, digit for digit."""
    rows, found = w.documents(USED), w.documents()
    assert found.keys() >= rows.keys()
    for id_, row in rows.items():
        assert found[id_]["anthropic"]["spend"]["total_tokens"] == row["anthropic"]["usage"]["total_tokens"]
    bill, spent = by_day_and_workspace(w, BILLED), by_day_and_workspace(w, SPENT)
    chosen = {place: amount for place, amount in bill.items() if place[0] in days}
    assert chosen
    assert {place: spent[place] for place in chosen} == chosen


def assert_fresh(w: MemorySpend) -> None:
    """An agent that knows nothing computes the same."""
    tally = w.agent().spend(everything=True)
    assert (tally.changed, tally.failures) == (0, [])


def compared(w: MemorySpend, names: Collection[str] = (SPENT,)) -> int:
    return sum(w.streams.asked.count(f"reconcile {name}") for name in names)


def billed_world() -> MemorySpend:
    w = small()
    w.analytics(Terms(enrolled="on"))
    return w

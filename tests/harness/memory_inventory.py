"""The inventory poller over a simulated organization and streams in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.config import AnthropicSettings, Config, RateLimitSettings, UsageSettings
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.inventory.poller import InventoryPoller
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Row
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import MemoryStreams, Wire

CONFIG = Config(
    anthropic=AnthropicSettings(
        base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    ),
    usage=UsageSettings(enabled=False),
    rate_limits=RateLimitSettings(enabled=False),
)


@dataclass
class Latest(MemoryQuestions):
    """Answers `latest` from streams in memory."""

    streams: MemoryStreams = field(default_factory=MemoryStreams)

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        newest: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}
        for _, source in self.streams.store.copies.values():
            key = tuple(_field(source, name) for name in by)
            at = source["@timestamp"]
            if key not in newest or newest[key][0] < at:
                newest[key] = at, source
        for key, (_, source) in newest.items():
            yield dict(zip(by, key, strict=True)), source


@dataclass
class InventoryWorld:
    """An organization, and the documents and changes that were made of it."""

    wire: Wire
    streams: MemoryStreams = field(default_factory=MemoryStreams)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: Config = CONFIG

    @cached_property
    def client(self) -> AdminClient:
        """One for all agents: it remembers nothing that a poll depends on."""
        return AdminClient(
            self.config.anthropic,
            transport=self.wire.transport(),
            sleep=lambda _: None,
            clock=self.wire.clock.now,
        )

    def poll(self, agents: int = 1, *, in_pass: bool = False) -> list[Tally]:
        """One poll of each of so many agents that remember nothing."""
        tallies = []
        for _ in range(agents):
            poller = InventoryPoller(
                self.config, self.client, Inventory(AdminDirectory(self.client)), clock=self.wire.clock.now
            )
            tallies.append(Tally("inventory", poller.stream, in_pass=in_pass))
            poller.keep(Sink(self.streams, self._record, Latest(streams=self.streams)), tallies[-1])
        return tallies

    def later(self, **length: float) -> None:
        """Move the clock on and poll."""
        self.wire.clock.set(self.wire.clock.now() + timedelta(**length))
        self.poll()

    def of_day(self, day: datetime, kind: str) -> dict[str, dict[str, Any]]:
        """The documents of a UTC day by resource; no resource comes twice."""
        start = day.replace(hour=0, minute=0, second=0, microsecond=0).isoformat().replace("+00:00", "Z")
        found = [
            source["anthropic"]
            for _, source in self.streams.store.copies.values()
            if source["@timestamp"] == start and source["anthropic"]["inventory"]["type"] == kind
        ]
        by_id = {each["inventory"]["id"]: each for each in found}
        assert len(by_id) == len(found)
        return by_id

    def told(self, *whys: str) -> list[tuple[str, str, str | None, str | None]]:
        """The changes that were recorded in their order: why, name, old, new; only of `whys` if given."""
        said = [each["anthropic"]["inventory_change"] for each in self.changes.values()]
        return [
            (each["why"], each.get("name", ""), each.get("old"), each.get("new"))
            for each in said
            if not whys or each["why"] in whys
        ]

    def _record(self, documents: Sequence[Prepared]) -> None:
        for document in documents:
            self.changes.setdefault(document.id, document.source)


def _field(source: dict[str, Any], name: str) -> str:
    value: Any = source
    for part in name.split("."):
        value = value[part]
    return str(value)

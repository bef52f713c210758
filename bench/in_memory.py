"""The agent's own jobs against streams in memory, for workloads of tens of thousands of polls."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.config import AnthropicSettings, Backfill, Config, RateLimitSettings, UsageSettings
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi
from anthropic_metrics.simulator.arrivals import Profile
from anthropic_metrics.simulator.reports import OpenBucket
from tests.harness.chaos_rows import held_row, true_row
from tests.harness.memory_streams import MemoryStreams, Store, Wire
from tests.harness.world import GROUPED

SERIES = 11
DAY = timedelta(days=1)
DATASETS = {"usage": "1h", "usage_1m": "1m", "usage_1d": "1d", "cost": "1d"}
SECOND = "%Y-%m-%dT%H:%M:%SZ"


class Indexed(Store):
    """Finds the documents of a window without looking at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: defaultdict[datetime, set[str]] = defaultdict(set)

    def held(self, window: Range | None = None) -> list[Copy]:
        assert window is not None
        inside = (ids for start, ids in self.starts.items() if window.start <= start < window.end)
        return [self.copies[id_][0] for ids in inside for id_ in ids if id_ in self.copies]

    def put(self, document: Prepared, seen: Copy | None, missing: datetime | None = None) -> bool:
        done = super().put(document, seen, missing)
        self.starts[datetime.fromisoformat(self.written.pop()["@timestamp"])].add(document.id)
        return done


class Bench:
    """The live job of one view, from `at` on, with streams in memory."""

    def __init__(self, profile: Profile, width: str, at: datetime, open_bucket: OpenBucket = "omit") -> None:
        self.clock = SettableClock(at)
        self.simulation = Simulation(self.clock, start=at - DAY, series=SERIES, arrivals=profile)
        api = AdminApi(self.simulation)
        api.behaviour.open_bucket = open_bucket
        wire = Wire(api, self.clock)
        config = Config(
            anthropic=AnthropicSettings(
                base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
            ),
            backfill=Backfill(timedelta(days=4)),
            usage=UsageSettings.model_validate({} if width == "cost" else {"granularities": [width]}),
            rate_limits=RateLimitSettings(enabled=False),
        )
        client = AdminClient(
            config.anthropic, transport=wire.transport(), sleep=lambda _: None, clock=self.clock.now
        )
        only = ["cost" if width == "cost" else "usage"]
        organization = Organization(
            config, client, Inventory(AdminDirectory(client)), clock=self.clock.now, only=only
        )
        self.streams = MemoryStreams(Indexed())
        self.failures: list[str] = []
        # A view asks the streams nothing.
        sink = Sink(self.streams, lambda _: None, cast(Questions, None))
        self.live = organization.scheduled(sink)[0]

    def poll_until(self, end: datetime, every: timedelta) -> None:
        """The live job at every turn; the daily sweep, which would mend what it missed, never."""
        while self.clock.now() <= end:
            try:
                self.live.run(Tally("", ""))
            except MetricsError as error:
                self.failures.append(str(error))
            self.clock.advance(every)

    def wrong(self, start: datetime, end: datetime) -> str:
        """What differs from the final truth in the buckets from `start` to `end`; empty if nothing does."""
        dataset = self.live.name.partition(".")[2]
        first, last = start.strftime(SECOND), end.strftime(SECOND)
        documents = [
            (copy, source)
            for copy, source in self.streams.store.copies.values()
            if first <= source["@timestamp"] < last
        ]
        held: Counter[tuple[Any, datetime | None]] = Counter(
            (held_row(dataset, source), copy.missing_since) for copy, source in documents
        )
        rows = self._truth(dataset, start, end)
        truth: Counter[tuple[Any, datetime | None]] = Counter(
            (true_row(self, dataset, row), None) for row in rows
        )
        if held == truth:
            return ""
        total, found = sum(map(_size, rows)), sum(_held_size(source) for _, source in documents)
        extra, lacking = (held - truth).total(), (truth - held).total()
        return f"{found / total - 1:+.2%} ({lacking} rows lacking, {extra} too many)"

    def _truth(self, dataset: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        if dataset == "cost":
            return self.simulation.cost_rows(start, end, ("workspace_id", "description"))
        return self.simulation.usage_rows(start, end, DATASETS[dataset], GROUPED)


def _size(row: dict[str, Any]) -> Decimal:
    """Cents or tokens of a row of the API's."""
    if "amount" in row:
        return Decimal(row["amount"])
    return Decimal(
        row["uncached_input_tokens"]
        + row["cache_read_input_tokens"]
        + sum(row["cache_creation"].values())
        + row["output_tokens"]
    )


def _held_size(source: dict[str, Any]) -> Decimal:
    """The same of a document."""
    anthropic = source["anthropic"]
    return Decimal(
        anthropic["cost"]["amount_exact"] if "cost" in anthropic else anthropic["usage"]["total_tokens"]
    )

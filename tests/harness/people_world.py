"""People's reports of the simulator over HTTP, and agents that poll them into streams in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Row
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.poller import PeoplePoller
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, SimulatorServer
from anthropic_metrics.simulator.claude_code import claude_code_rows
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import MemoryStreams

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = datetime(2026, 11, 20, tzinfo=UTC)
SALT = SecretStr("a salt for tests only, long enough")


@dataclass
class Remembered(MemoryQuestions):
    """Answers from the memory's own documents."""

    streams: MemoryStreams = field(default_factory=MemoryStreams)

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        for source in people(self.streams):
            person = source["anthropic"]["people"]["person"]
            yield {name: person.get(name.rpartition(".")[2]) for name in by}, source

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        (wanted,) = (terms or {}).values()
        for source in people(self.streams):
            at = datetime.fromisoformat(source["@timestamp"])
            if span.start <= at < span.end and source["anthropic"]["people"]["basis"] in wanted:
                yield "", source


def people(streams: MemoryStreams) -> list[dict[str, Any]]:
    return [source for copy, source in streams.store.copies.values() if copy.missing_since is None]


@dataclass
class Interrupted(Tally):
    """Does something after the first page."""

    acts: list[Callable[[], object]] = field(default_factory=list)

    def page(self) -> None:
        super().page()
        while self.acts:
            self.acts.pop(0)()


@dataclass
class World:
    server: SimulatorServer
    clock: SettableClock
    streams: MemoryStreams = field(default_factory=MemoryStreams)

    @contextmanager
    def poller(self, teams: Sequence[TeamSettings] = (), **people: Any) -> Iterator[PeoplePoller]:
        """That of a new agent."""
        anthropic = AnthropicSettings(
            base_url=self.server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
        )
        config = Config(anthropic=anthropic, people=PeopleSettings(enabled=True, salt=SALT, **people))
        with AdminClient(anthropic, retry=RetryPolicy(attempts=1)) as client:
            inventory = Inventory(AdminDirectory(client), teams=teams_of(teams))
            yield PeoplePoller(config, client, inventory, clock=self.clock.now)

    def poll(
        self,
        *,
        kind: str = "live",
        teams: Sequence[TeamSettings] = (),
        meanwhile: Callable[[], object] | None = None,
        **people: Any,
    ) -> Tally:
        """A new agent's poll. A live poll of the same agent comes `meanwhile` something has happened, after
        the first answer."""
        with self.poller(teams, **people) as poller:
            sink = Sink(self.streams, lambda _: None, Remembered(streams=self.streams))
            (job,), (live,) = getattr(poller, kind)(sink), poller.live(sink)
            tally = Interrupted(job.poller, job.stream)
            if meanwhile is not None:
                tally.acts += [meanwhile, lambda: live.run(Tally(job.poller, job.stream))]
            job.run(tally)
        return tally

    @property
    def uses(self) -> list[dict[str, Any]]:
        return [each for each in self._fields() if each["kind"] == "use"]

    @property
    def works(self) -> list[dict[str, Any]]:
        return [each for each in self._fields() if each["kind"] == "claude_code"]

    def _fields(self) -> list[dict[str, Any]]:
        return [source["anthropic"]["people"] for source in people(self.streams)]

    def records(self) -> list[dict[str, Any]]:
        """What the Claude Code report has of the last three days."""
        days = [date(2026, 11, day) for day in (17, 18, 19)]
        return [row for day in days for row in claude_code_rows(self.server.simulation, day, NOW)]

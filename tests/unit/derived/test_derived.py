"""A derived stream computes what its inputs changed; everything after another state, or once a day."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic_core import to_json

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.derived.changes import Changes
from anthropic_metrics.derived.derivation import Computed, Input, Moment
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import COST, USAGE, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import NO_TERMS, Sink, Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import SettableClock
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import MemoryStreams

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(hours=12, minutes=30)
USED, BILLED, SPENT = (stream_name(name, "default") for name in (USAGE, COST, "anthropic_metrics.toy"))


@dataclass
class Spent:
    """An hour of usage, priced by the bill of its day: the shape of the stream of money."""

    known: str = "prices"
    computed: list[Range] = field(default_factory=list)
    dataset: str = "anthropic_metrics.toy"
    only: str = "toy"
    namespace: str = "default"
    window: timedelta = HOUR
    run_length: timedelta = timedelta(hours=6)
    interval: timedelta = timedelta(minutes=5)
    follows: str | None = None
    completed_by: str | None = None
    inputs: tuple[Input, ...] = (Input(USAGE, HOUR), Input(COST, DAY, fills=False))

    @property
    def terms(self) -> Terms:
        return NO_TERMS

    def history(self, now: datetime) -> Range:
        return Range(MIDNIGHT - DAY, floor(now, HOUR) + HOUR)

    def older(self, wanted: Range, now: datetime) -> Range | None:
        return wanted

    def state(self, ask: Questions, names: Names) -> Hashable:
        return self.known

    def compute(self, span: Range, at: Moment) -> Computed:
        self.computed.append(span)
        starts = sorted(at.ask.windows(USED, "org-1", span, HOUR))
        documents = [
            Prepared(f"{start:%dT%H}", self.known, to_json({"@timestamp": start.isoformat()}))
            for start in starts
        ]
        return Computed(documents, len(documents), max(starts, default=None))


class Known(Inventory):
    """An organization that needs no Admin API."""

    def names(self, now: datetime, *, unknown: bool = False) -> Names:
        return Names.of("org-1", "Acme", [], [])


class World:
    def __init__(self, hours: Collection[int]) -> None:
        self.clock = SettableClock(NOW)
        self.derivation = Spent()
        used = [(MIDNIGHT + number * HOUR, NOW - DAY) for number in hours]
        self.ask = MemoryQuestions({USED: used, BILLED: []})
        self.streams = MemoryStreams()
        settings = AnthropicSettings.model_validate({"admin_key": "sk-ant-admin-unused"})
        with AdminClient(settings) as client:
            inventory = Known(AdminDirectory(client))
            self.poller = DerivedPoller(Changes(self.derivation), inventory, clock=self.clock.now)

    def poll(self) -> list[int]:
        """The hours that a live job computes, counted from midnight, those without input among them."""
        self.derivation.computed.clear()
        (job,) = self.poller.live(Sink(self.streams, lambda _: None, self.ask))
        job.run(Tally("", ""))
        hours: list[int] = []
        for span in self.derivation.computed:
            hours += range((span.start - MIDNIGHT) // HOUR, (span.end - MIDNIGHT) // HOUR)
        return sorted(hours)


def test_the_first_pass_computes_every_window_that_holds_input_newest_first_in_bounded_runs() -> None:
    world = World(range(12))
    assert world.poll() == list(range(12))
    assert [span.end - span.start for span in world.derivation.computed] == [6 * HOUR, 6 * HOUR]
    assert world.derivation.computed[0].end == MIDNIGHT + 12 * HOUR
    assert len(world.streams.store.copies) == 12


def test_later_only_windows_whose_input_was_written_are_computed() -> None:
    world = World(range(12))
    world.poll()
    world.clock.advance(timedelta(minutes=30))
    assert world.poll() == []
    world.ask.written[USED].append((MIDNIGHT + 3 * HOUR, world.clock.now()))
    assert world.poll() == [3]


def test_a_window_that_a_sweep_writes_after_the_longest_wait_for_its_answer_is_computed() -> None:
    world = World(range(12))
    asked_at = world.clock.now()
    world.clock.advance(RetryPolicy().longest_wait)
    world.poll()
    world.clock.advance(timedelta(minutes=5))
    world.ask.written[USED].append((MIDNIGHT + 3 * HOUR, asked_at))
    assert world.poll() == [3]


def test_a_bill_makes_every_hour_of_its_day_due_and_no_other() -> None:
    world = World([-2, 5])
    assert world.poll() == list(range(-2, 6))
    world.clock.advance(timedelta(minutes=30))
    world.ask.written[BILLED].append((MIDNIGHT - DAY, world.clock.now()))
    assert world.poll() == list(range(-24, 0))


def test_another_state_or_a_day_or_a_clock_set_back_computes_everything_anew() -> None:
    world = World([1, 7])
    everything = list(range(1, 8))
    assert world.poll() == everything
    world.clock.advance(timedelta(minutes=30))
    world.derivation.known = "other prices"
    assert world.poll() == everything
    world.clock.advance(DAY)
    assert world.poll() == everything
    world.clock.set(NOW)
    assert world.poll() == everything

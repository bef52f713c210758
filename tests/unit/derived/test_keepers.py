"""What every derived stream does alike: sweeps, older ranges, previews, and what a failed pass remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from anthropic_metrics.derived.changes import Changes
from anthropic_metrics.derived.derivation import Computed, Input, Moment
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from tests.unit.derived.test_derived import BILLED, DAY, HOUR, MIDNIGHT, USED, Spent, World


def sink(world: World) -> Sink:
    return Sink(world.streams, lambda _: None, world.ask)


def hours(world: World) -> list[int]:
    return sorted(
        hour
        for span in world.derivation.computed
        for hour in range((span.start - MIDNIGHT) // HOUR, (span.end - MIDNIGHT) // HOUR)
    )


def lately(world: World, derivation: Spent | None = None) -> DerivedPoller:
    keeper = Changes(derivation or world.derivation)
    return DerivedPoller(keeper, world.poller._inventory, clock=world.clock.now, live_for=timedelta(hours=3))


def test_a_live_job_that_looks_back_a_little_has_a_sweep_that_compares_everything() -> None:
    world = World(range(12))
    world.derivation.follows = USED
    poller = lately(world)
    (live,), (sweep,) = poller.live(sink(world)), poller.sweep(sink(world))
    live.run(Tally("", ""))
    assert hours(world) == [10, 11]
    world.derivation.computed.clear()
    assert sweep.run(Tally("", "")) == world.derivation.history(world.clock.now())
    assert hours(world) == list(range(12))
    assert (sweep.kind, sweep.after) == (Kind.sweep, f"{USED} sweep")
    assert world.poller.sweep(sink(world)) == []


def test_an_older_range_is_computed_as_far_as_it_can_be() -> None:
    world = World(range(12))
    (job,) = world.poller.older(sink(world), Range(MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR))
    job.run(Tally("", ""))
    assert hours(world) == [2, 3]
    assert world.poller.range() is None
    assert list(world.poller.documents(Range(MIDNIGHT, MIDNIGHT + DAY), Tally("", ""))) == []


def test_a_preview_computes_everything_and_writes_nothing() -> None:
    world = World(range(12))
    whole = world.derivation.history(world.clock.now())
    shown = list(world.poller.computed(whole, world.ask, Tally("", "")))
    assert sum(len(documents) for _, documents in shown) == 12
    assert not world.streams.store.copies


class LeavesOut(Spent):
    """Says that something is missing."""

    def compute(self, span: Range, at: Moment) -> Computed:
        return replace(super().compute(span, at), left_out="Something has no document.")


def test_a_pass_that_leaves_something_out_fails_and_computes_all_of_it_again() -> None:
    world = World(range(3))
    derivation = LeavesOut()
    poller = DerivedPoller(Changes(derivation), world.poller._inventory, clock=world.clock.now)
    for _ in range(2):
        derivation.computed.clear()
        tally = Tally("", "")
        poller.keep(derivation.history(world.clock.now()), sink(world), tally)
        assert tally.failures == ["Something has no document."]
        assert [span.end - span.start for span in derivation.computed] == [3 * HOUR]


def test_an_input_that_holds_onwards_makes_every_later_window_due() -> None:
    world = World(range(12))
    world.derivation.inputs = (
        Input("anthropic_metrics.usage", HOUR),
        Input("anthropic_metrics.cost", HOUR, onwards=True, fills=False),
    )
    world.poll()
    world.clock.advance(timedelta(minutes=30))
    world.ask.written[BILLED].append((MIDNIGHT + 9 * HOUR, world.clock.now()))
    assert world.poll() == list(range(9, 14))


def test_a_poll_of_the_completing_input_makes_its_last_windows_due_although_nothing_changed() -> None:
    world = World(range(12))
    world.derivation.completed_by = "anthropic_metrics.usage"
    world.ask.polled = world.clock.now()
    poller = DerivedPoller(Changes(world.derivation), world.poller._inventory, clock=world.clock.now)
    poller.keep(world.derivation.history(world.clock.now()), sink(world), Tally("", ""))
    world.derivation.computed.clear()
    world.clock.advance(timedelta(minutes=30))
    world.ask.polled = world.clock.now()
    poller.keep(world.derivation.history(world.clock.now()), sink(world), Tally("", ""))
    assert hours(world) == [11, 12]

"""Whatever happens to usage, bills, reports and agents: spend ends as a fresh computation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from anthropic_metrics.simulator.analytics import Terms
from tests.harness.memory_spend import NOW, SPENT, USED, Agent, MemorySpend, by_day_and_workspace

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)


class Life:
    """A small organization with two agents, and what may happen to them."""

    def __init__(self) -> None:
        self.world = MemorySpend(days=4, series=3)
        self.agents = [self.world.agent(), self.world.agent()]
        self.edits: list[object] = []

    def poll(self, agent: Agent) -> None:
        """A poll whose failures are said, and not raised."""
        agent.poll()

    def usage_revised(self) -> None:
        self.edits.append(
            self.world.simulation.edits.revise_usage(
                self.world.clock.now() - 9 * HOUR, factor=3, match={}, span=timedelta(hours=6)
            )
        )

    def usage_vanishes(self) -> None:
        self.edits.append(self.world.simulation.edits.vanish_usage(MIDNIGHT - DAY + 5 * HOUR, match={}))

    def bill_revised(self) -> None:
        self.edits.append(self.world.simulation.edits.revise_cost(MIDNIGHT - 4 * DAY, factor=2, match={}))

    def bill_vanishes(self) -> None:
        self.edits.append(self.world.simulation.edits.vanish_cost(MIDNIGHT - 4 * DAY))

    def all_is_back(self) -> None:
        for edit in self.edits:
            self.world.simulation.edits.take_back(edit)  # type: ignore[arg-type]  # an edit of either kind
        self.edits.clear()

    def reports_here(self) -> None:
        self.world.analytics(Terms(enrolled="on", revised=0.2))

    def reports_revised(self) -> None:
        terms = self.world.api.behaviour.analytics
        self.world.analytics(Terms(enrolled=terms.enrolled, lag=9 * HOUR))

    def reports_gone(self) -> None:
        self.world.analytics(Terms(enrolled="forbidden"))

    def reports_unreadable(self) -> None:
        self.world.wire.changed = "analytics"
        self.world.wire.change = lambda _: b'{"data":5}'

    def reports_readable(self) -> None:
        self.world.wire.change = None

    def store_refuses(self) -> None:
        self.world.streams.refusing.add(SPENT)

    def store_takes(self) -> None:
        self.world.streams.refusing.clear()

    def restarted(self) -> None:
        self.agents[0] = self.world.agent()

    def hours_pass(self) -> None:
        self.world.clock.advance(3 * HOUR)

    def a_day_passes(self) -> None:
        self.world.clock.advance(DAY)

    def one_polls(self) -> None:
        self.poll(self.agents[0])

    def the_other_polls(self) -> None:
        self.poll(self.agents[1])


EVENTS: list[Callable[[Life], None]] = [
    Life.usage_revised,
    Life.usage_vanishes,
    Life.bill_revised,
    Life.bill_vanishes,
    Life.all_is_back,
    Life.reports_here,
    Life.reports_revised,
    Life.reports_gone,
    Life.reports_unreadable,
    Life.reports_readable,
    Life.store_refuses,
    Life.store_takes,
    Life.restarted,
    Life.hours_pass,
    Life.a_day_passes,
    *[Life.one_polls, Life.the_other_polls] * 4,
]


# An example is a second or two; a failing one is short enough as it is.
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.sampled_from(EVENTS), min_size=4, max_size=12))
def test_spend_ends_as_a_fresh_computation_with_one_document_for_each_row(
    events: list[Callable[[Life], None]],
) -> None:
    life = Life()
    world = life.world
    for happens in events:
        happens(life)
        # No two documents of one row are made in the same millisecond.
        world.clock.advance(timedelta(seconds=1))
    life.reports_readable()
    life.store_takes()
    # A refusal of the reports is believed for a day, and what vanished is deleted by the second look.
    for passed in (DAY, 2 * HOUR, 2 * HOUR, 2 * HOUR):
        world.clock.advance(passed)
        for agent in life.agents:
            world.clock.advance(timedelta(seconds=1))
            tallies = agent.poll()
            assert not [failure for tally in tallies.values() for failure in tally.failures]

    fresh = world.agent().spend(everything=True)
    assert (fresh.changed, fresh.failures) == (0, [])
    rows = world.documents(USED)
    assert world.documents().keys() >= rows.keys()
    others = [source for id_, source in world.documents().items() if id_ not in rows]
    assert all("cost_type" in source["anthropic"]["spend"] for source in others)
    assert by_day_and_workspace(world, SPENT)

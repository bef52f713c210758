"""Crashes and faults that Elastic's own package was put through, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from anthropic_metrics.simulator import effects
from anthropic_metrics.simulator.faults import Rule
from tests.harness import proxy_effects as net
from tests.harness.chaos_world import Chaos

# What happens before the poll that counts, and the faults that have to strike.
Scenario = Callable[[Chaos], list[Rule]]


def _polls(world: Chaos, turns: int, minutes: int = 30) -> None:
    for _ in range(turns):
        world.poll()
        world.clock.advance(timedelta(minutes=minutes))


def _lost_acknowledgement(world: Chaos) -> list[Rule]:
    _polls(world, 2)
    world.proxy.add(net.lost_after, "bulk", times=50)
    world.runners[0].crash_at(9, after=True, stop=False)
    world.poll()
    assert world.runners[0].failures[-1] == "Killed"
    world.heal()
    return []


def _outage(world: Chaos) -> list[Rule]:
    _polls(world, 3)
    world.clock.advance(timedelta(hours=30))
    return []


def _registry(world: Chaos) -> list[Rule]:
    _polls(world, 3)
    world.runners[0].start()
    return []


def _nothing(world: Chaos) -> list[Rule]:
    _polls(world, 3)
    return []


def _limited(times: int) -> Scenario:
    def scenario(world: Chaos) -> list[Rule]:
        return [world.server.faults.add(effects.status(429, hint="seconds", seconds=7), times=times)]

    return scenario


def _failing_page(times: int) -> Scenario:
    def scenario(world: Chaos) -> list[Rule]:
        faults = world.server.faults  # the first makes two pages of one
        return [
            faults.add(effects.empty_page(), "*/messages"),
            faults.add(effects.status(500), "*/messages", where={"page": ...}, times=times),
        ]

    return scenario


def _empty_page(world: Chaos) -> list[Rule]:
    return [world.server.faults.add(effects.empty_page(), "*/messages", times=3)]


SCENARIOS: tuple[tuple[str, str, str, Scenario], ...] = (
    ("c: duplicates", "clean", "exact", _nothing),
    ("c: duplicates", "30 h outage and catch-up", "exact", _outage),
    ("c: duplicates", "a write not acknowledged before a crash", "+2.6%", _lost_acknowledgement),
    ("c: duplicates", "all state lost once (host moved), usage", "+49.9%", _registry),
    ("c: duplicates", "the same, cost", "+100%", _registry),
    ("d: errors", "429, Retry-After 7, once", "exact", _limited(1)),
    ("d: errors", "429 six times running", "exact, 1 error document", _limited(6)),
    ("d: errors", "500 once on a later page", "exact", _failing_page(1)),
    ("d: errors", "500 six times on a later page", "264 of 792 documents doubled", _failing_page(6)),
    ("d: errors", "an empty page with has_more", "delivered 15 min late", _empty_page),
)

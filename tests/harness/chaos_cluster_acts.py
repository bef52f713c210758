"""What can happen to Elasticsearch, to the network before it, to clocks and to agents."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from random import Random

from elasticsearch import ApiError

from tests.harness import proxy_effects as net
from tests.harness.chaos_acts import Acts, event
from tests.harness.chaos_world import Chaos, Runner

ACTS: Acts = {}
DATASETS = ("usage", "usage_1m", "cost", "rate_limit", "agent")


@event(ACTS, 6)
def es_connection_lost(world: Chaos, rng: Random) -> None:
    """Before, within or after the answer: a bulk that was done, but whose answer was lost, among them."""
    effect = rng.choice((net.lost_before, net.lost_within, net.lost_after))
    kind = rng.choice(("bulk", "bulk", "search", "refresh", "mget", "any"))
    world.proxy.add(effect, kind, nth=rng.randint(1, 6), times=rng.choice((1, 2, 5)))


@event(ACTS, 3)
def es_request_delayed(world: Chaos, rng: Random) -> None:
    """The network keeps writes and delivers them when the agent has moved on."""
    world.proxy.add(net.delayed, "bulk", nth=rng.randint(1, 4), times=rng.choice((1, 2, 4)))


@event(ACTS, 4)
def es_overloaded(world: Chaos, rng: Random) -> None:
    effect = net.refusing(rng.choice((429, 502, 503, 504)), done=rng.random() < 0.4)
    kind = rng.choice(("bulk", "search", "refresh", "any"))
    world.proxy.add(effect, kind, nth=rng.randint(1, 5), times=rng.choice((1, 5, 40)))


@event(ACTS, 6)
def es_items_refused(world: Chaos, rng: Random) -> None:
    """Single items of an accepted bulk: throttled, failed, refused, diverted, or not even that."""
    effect = rng.choice(
        (
            net.refusing_items(429, every=rng.randint(1, 5), done=rng.random() < 0.5),
            net.refusing_items(503, every=rng.randint(1, 5), done=rng.random() < 0.5),
            net.refusing_items(400, every=rng.randint(2, 5)),
            net.diverting_items(every=rng.randint(2, 5)),
            net.full_failure_store(every=rng.randint(2, 5)),
        )
    )
    world.proxy.add(effect, "bulk", nth=rng.randint(1, 5), times=rng.choice((1, 3, 30)))


@event(ACTS, 2)
def es_read_only(world: Chaos, rng: Random) -> None:
    """A block on every backing index of a stream, such as a full disk puts on."""
    for index in world.backing(rng.choice(DATASETS)):
        world.es.indices.put_settings(index=index, settings={"index.blocks.write": True})
        world.blocked.add(index)


@event(ACTS, 4)
def es_rollover(world: Chaos, rng: Random) -> None:
    with contextlib.suppress(ApiError):
        world.es.indices.rollover(alias=world.truth.stream(rng.choice(DATASETS[:4])))


@event(ACTS, 2)
def es_index_deleted(world: Chaos, rng: Random) -> None:
    """Somebody deletes the older backing indices of a stream."""
    for index in world.backing(rng.choice(DATASETS[:3]))[:-1]:
        world.es.indices.delete(index=index)


# --- time and processes


@event(ACTS, 2)
def clock_steps(world: Chaos, rng: Random) -> None:
    """The agents' clock is wrong until somebody sets it right."""
    world.skew = timedelta() if world.skew else timedelta(minutes=rng.choice((-200, -31, -4, 4, 45, 500)))


@event(ACTS, 2)
def agent_was_off(world: Chaos, rng: Random) -> None:
    """Hours pass without anybody polling. (Not more than the minutes that are read back.)"""
    world.clock.advance(timedelta(minutes=rng.choice((40, 50, 300))))


@event(ACTS, 6)
def agent_killed(world: Chaos, rng: Random) -> None:
    """At any of its requests to Elasticsearch, before or after it was done."""
    runner = rng.choice(world.runners)
    runner.crash_at(rng.choice((1, 2, 3, 5, 8, 13, 21)), after=rng.random() < 0.5, stop=False)


@event(ACTS, 2)
def agent_stopped(world: Chaos, rng: Random) -> None:
    rng.choice(world.runners).crash_at(rng.randint(1, 12), after=False, stop=True)


@event(ACTS, 3)
def second_agent(world: Chaos, rng: Random) -> None:
    """Another one on the same streams, from now on, mostly at the same instant."""
    if len(world.runners) < 2:
        world.runners.append(Runner(world, 1))
    world.side_by_side = rng.random() < 0.7

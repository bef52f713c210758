"""What can happen: each event is a name, a weight and what it does to the world, with its own random source.

An event acts when its step begins. Faults end with the step; what upstream changed stays changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import get_args

from elasticsearch import ApiError

from anthropic_metrics.simulator import effects
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.simulator.organization import Workspace
from anthropic_metrics.simulator.prices import MODELS
from tests.harness import fault_proxy as net
from tests.harness.chaos_world import Chaos, Runner

Act = Callable[[Chaos, Random], None]
ACTS: dict[str, tuple[int, Act]] = {}
# Of the analytics reports: only in schedules that begin with them.
REPORT_ACTS: dict[str, tuple[int, Act]] = {}
REPORTS = "*_report*"
DATASETS = ("usage", "usage_1m", "cost", "rate_limit", "agent")


@dataclass(frozen=True)
class Event:
    """`number` seeds the event's own choices, so that dropping other events does not change it."""

    step: int
    name: str
    number: int

    def act(self, world: Chaos) -> None:
        (ACTS | REPORT_ACTS)[self.name][1](world, Random(f"{self.name} {self.number}"))

    def __str__(self) -> str:
        return f"{self.step}:{self.name}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Event:
        step, name, number = text.split(":")
        return cls(int(step), name, int(number))


def event(weight: int, acts: dict[str, tuple[int, Act]] = ACTS) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        acts[act.__name__] = (weight, act)
        return act

    return register


# --- the Admin API


@event(4)
def api_limited(world: Chaos, rng: Random) -> None:
    """429 in every form of its header; a storm of them now and then."""
    hint = rng.choice(get_args(effects.RetryHint))
    effect = effects.status(429, hint=hint, seconds=rng.choice((1, 7, 60, 1200)))
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 2, 30)))


@event(3)
def api_failing(world: Chaos, rng: Random) -> None:
    """5xx and 529, once or longer than the agent's patience."""
    effect = effects.status(rng.choice((500, 502, 503, 529)))
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 6, 12)))


@event(2)
def api_refusing(world: Chaos, rng: Random) -> None:
    """The key is refused for a while."""
    world.server.faults.add(effects.status(rng.choice((401, 403))), nth=rng.randint(1, 5), times=4)


@event(3)
def api_cut_off(world: Chaos, rng: Random) -> None:
    """The connection breaks before, within or after the answer; or half of it is all there is."""
    effect = rng.choice(
        (
            effects.reset,
            partial(effects.reset, "in_body"),
            partial(effects.reset, "after"),
            effects.truncated,
            effects.malformed,
            effects.wrong_content_type,
        )
    )()
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 3, 8)))


@event(3)
def api_emptied(world: Chaos, rng: Random) -> None:
    """A whole answer is empty once."""
    world.server.faults.add(effects.emptied(buckets=rng.random() < 0.7), REPORTS, nth=rng.randint(1, 3))
    world.lying = True


@event(2)
def api_contradicting(world: Chaos, rng: Random) -> None:
    """Answers that no API should give: the window is left alone."""
    effect = rng.choice(
        (
            effects.no_next_page(),
            effects.repeated_page(),
            effects.stuck_token(),
            effects.shifted_buckets(timedelta(days=rng.choice((-3, 3)))),
            effects.reversed_buckets(),
            effects.doubled_bucket(),
        )
    )
    world.server.faults.add(effect, REPORTS, nth=rng.randint(1, 3), times=rng.randint(1, 3))


@event(2)
def api_odd_but_legal(world: Chaos, rng: Random) -> None:
    effect = rng.choice((effects.empty_page(), effects.shuffled_rows(), effects.extra_field()))
    world.server.faults.add(effect, REPORTS, times=rng.randint(1, 4))


@event(2)
def api_bad_row(world: Chaos, rng: Random) -> None:
    """A row that cannot be read: it is skipped, and nothing is taken for vanished."""
    field = rng.choice(("output_tokens", "amount", "workspace_id"))
    world.server.faults.add(effects.bad_row(field, rng.choice((None, "many", -1, {}))), REPORTS, times=2)
    world.lying = True


@event(2)
def api_expired_token(world: Chaos, rng: Random) -> None:
    """Page tokens end in mid-window."""
    world.server.faults.add(effects.expired_token(), REPORTS, times=rng.randint(1, 3))


@event(1)
def api_lists_failing(world: Chaos, rng: Random) -> None:
    """The inventory and the limits are away, the reports are not."""
    path = rng.choice(("*/workspaces", "*/api_keys", "*/rate_limits", "*/me"))
    world.server.faults.add(effects.status(rng.choice((403, 404, 500))), path, times=None)


# --- the analytics reports


@event(1, REPORT_ACTS)
def analytics_here(world: Chaos, rng: Random) -> None:
    """The organization has them; agents that believe that it has not begin anew, as a day later."""
    late = timedelta(hours=rng.choice((1, 4, 9)))
    world.server.behaviour.analytics = Terms(enrolled="on", lag=late, revised=rng.choice((0, 0.1, 0.4)))
    world.has_reports = True
    for runner in world.runners:
        runner.start()


@event(3, REPORT_ACTS)
def analytics_revised(world: Chaos, rng: Random) -> None:
    """Rows come late, or go again; and how far they are loaded changes."""
    late = timedelta(hours=rng.choice((1, 4, 9, 20)))
    terms = world.server.behaviour.analytics
    world.server.behaviour.analytics = replace(terms, lag=late, revised=rng.choice((0, 0.2, 0.5)))


@event(1, REPORT_ACTS)
def analytics_gone(world: Chaos, rng: Random) -> None:
    world.server.behaviour.analytics = Terms(enrolled=rng.choice(("off", "not_enrolled", "forbidden")))


@event(3, REPORT_ACTS)
def analytics_unreadable(world: Chaos, rng: Random) -> None:
    """Either report, or both, cannot be read."""
    effect = rng.choice((effects.status(500), effects.malformed(), effects.truncated(), effects.status(429)))
    path = rng.choice(("*/analytics/*", "*/analytics/cost", "*/analytics/usage"))
    world.server.faults.add(effect, path, nth=rng.randint(1, 3), times=rng.choice((1, 8, 30)))


# --- what upstream changes


def some_hour(world: Chaos, rng: Random) -> datetime:
    """Mostly recent, sometimes a day ago."""
    hours = rng.choice((1, 1, 2, 3, 5, 12, 22))
    return world.clock.now().replace(minute=0, second=0) - timedelta(hours=hours)


def some_series(world: Chaos, rng: Random) -> dict[str, str | None]:
    names = ("api_key_id", "workspace_id", "model")
    dimensions = rng.choice(world.simulation.series).dimensions
    return dict(zip(names, dimensions, strict=False))


@event(4)
def usage_revised(world: Chaos, rng: Random) -> None:
    factor = rng.choice((0.5, 0.9, 1.3, 3))
    world.simulation.edits.revise_usage(
        some_hour(world, rng), factor=factor, match=some_series(world, rng), span=timedelta(hours=2)
    )


@event(3)
def usage_vanishes(world: Chaos, rng: Random) -> None:
    edit = world.simulation.edits.vanish_usage(some_hour(world, rng), match=some_series(world, rng))
    world.taken.append(edit)


@event(2)
def costs_revised(world: Chaos, rng: Random) -> None:
    day = world.clock.now() - timedelta(days=1)
    world.simulation.edits.revise_cost(day, factor=rng.choice((0.5, 0.97, 1.05)))


@event(2)
def costs_vanish(world: Chaos, rng: Random) -> None:
    day = world.clock.now() - timedelta(days=1)
    models = {each.dimensions[2] for each in world.simulation.series}
    match = {"model": rng.choice(sorted(model for model in models if model))}
    world.taken.append(world.simulation.edits.vanish_cost(day, match=match))


@event(3)
def rows_reappear(world: Chaos, rng: Random) -> None:
    """Everything that had vanished is there again."""
    for edit in world.taken:
        world.simulation.edits.take_back(edit)
    world.taken.clear()


@event(2)
def usage_added_late(world: Chaos, rng: Random) -> None:
    """Use of a model without a key, in the default workspace, in a bucket that was thought finished."""
    world.simulation.edits.add_usage(
        some_hour(world, rng) + timedelta(minutes=rng.randrange(60)),
        {"model": rng.choice(sorted(MODELS)), "inference_geo": rng.choice(("global", "us"))},
        {"output_tokens": rng.randrange(1, 5000)},
        at=world.clock.now(),
    )


@event(3)
def inventory_changes(world: Chaos, rng: Random) -> None:
    """A workspace is renamed, archived or made; a key is renamed or deleted."""
    edits, now = world.simulation.edits, world.clock.now()
    organization = world.simulation.organization(now)
    workspace, key = rng.choice(organization.workspaces[1:]), rng.choice(organization.api_keys)
    name = f"renamed {rng.randrange(99)}"
    match rng.randrange(5):
        case 0:
            edits.rename_workspace(workspace.id, name)
        case 1:
            edits.archive_workspace(workspace.id)
        case 2:
            edits.add_workspace(Workspace(f"wrkspc_new{name[8:]}", name, now, "#000000"))
        case 3:
            edits.delete_api_key(key.id)
        case 4:
            edits.change(lambda org: org.with_api_key(key.id, name=name))


@event(2)
def limits_change(world: Chaos, rng: Random) -> None:
    group = rng.choice(world.simulation.rate_limits(world.clock.now()))
    limit = rng.choice(group["limits"])["type"]
    world.simulation.edits.set_rate_limit(group["group"]["id"], limit, rng.randrange(1, 10**6))


# --- Elasticsearch and the network before it


@event(6)
def es_connection_lost(world: Chaos, rng: Random) -> None:
    """Before, within or after the answer: a bulk that was done, but whose answer was lost, among them."""
    effect = rng.choice((net.lost_before, net.lost_within, net.lost_after))
    kind = rng.choice(("bulk", "bulk", "search", "refresh", "mget", "any"))
    world.proxy.add(effect, kind, nth=rng.randint(1, 6), times=rng.choice((1, 2, 5)))


@event(3)
def es_request_delayed(world: Chaos, rng: Random) -> None:
    """The network keeps writes and delivers them when the agent has moved on."""
    world.proxy.add(net.delayed, "bulk", nth=rng.randint(1, 4), times=rng.choice((1, 2, 4)))


@event(4)
def es_overloaded(world: Chaos, rng: Random) -> None:
    effect = net.refusing(rng.choice((429, 502, 503, 504)), done=rng.random() < 0.4)
    kind = rng.choice(("bulk", "search", "refresh", "any"))
    world.proxy.add(effect, kind, nth=rng.randint(1, 5), times=rng.choice((1, 5, 40)))


@event(6)
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


@event(2)
def es_read_only(world: Chaos, rng: Random) -> None:
    """A block on every backing index of a stream, such as a full disk puts on."""
    for index in world.backing(rng.choice(DATASETS)):
        world.es.indices.put_settings(index=index, settings={"index.blocks.write": True})
        world.blocked.add(index)


@event(4)
def es_rollover(world: Chaos, rng: Random) -> None:
    with contextlib.suppress(ApiError):
        world.es.indices.rollover(alias=world.truth.stream(rng.choice(DATASETS[:4])))


@event(2)
def es_index_deleted(world: Chaos, rng: Random) -> None:
    """Somebody deletes the older backing indices of a stream."""
    for index in world.backing(rng.choice(DATASETS[:3]))[:-1]:
        world.es.indices.delete(index=index)


# --- time and processes


@event(2)
def clock_steps(world: Chaos, rng: Random) -> None:
    """The agents' clock is wrong until somebody sets it right."""
    world.skew = timedelta() if world.skew else timedelta(minutes=rng.choice((-200, -31, -4, 4, 45, 500)))


@event(2)
def agent_was_off(world: Chaos, rng: Random) -> None:
    """Hours pass without anybody polling. (Not more than the minutes that are read back.)"""
    world.clock.advance(timedelta(minutes=rng.choice((40, 50, 300))))


@event(6)
def agent_killed(world: Chaos, rng: Random) -> None:
    """At any of its requests to Elasticsearch, before or after it was done."""
    runner = rng.choice(world.runners)
    runner.crash_at(rng.choice((1, 2, 3, 5, 8, 13, 21)), after=rng.random() < 0.5, stop=False)


@event(2)
def agent_stopped(world: Chaos, rng: Random) -> None:
    rng.choice(world.runners).crash_at(rng.randint(1, 12), after=False, stop=True)


@event(3)
def second_agent(world: Chaos, rng: Random) -> None:
    """Another one on the same streams, from now on, mostly at the same instant."""
    if len(world.runners) < 2:
        world.runners.append(Runner(world, 1))
    world.side_by_side = rng.random() < 0.7

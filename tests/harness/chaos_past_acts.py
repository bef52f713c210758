"""What can change upstream: figures of the past, names, limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from anthropic_metrics.simulator.organization import Workspace
from anthropic_metrics.simulator.prices import MODELS
from tests.harness.chaos_acts import Acts, event
from tests.harness.chaos_world import Chaos

ACTS: Acts = {}


def some_hour(world: Chaos, rng: Random) -> datetime:
    """Mostly recent, sometimes a day ago."""
    hours = rng.choice((1, 1, 2, 3, 5, 12, 22))
    return world.clock.now().replace(minute=0, second=0) - timedelta(hours=hours)


def some_series(world: Chaos, rng: Random) -> dict[str, str | None]:
    names = ("api_key_id", "workspace_id", "model")
    dimensions = rng.choice(world.simulation.series).dimensions
    return dict(zip(names, dimensions, strict=False))


@event(ACTS, 4)
def usage_revised(world: Chaos, rng: Random) -> None:
    factor = rng.choice((0.5, 0.9, 1.3, 3))
    world.simulation.edits.revise_usage(
        some_hour(world, rng), factor=factor, match=some_series(world, rng), span=timedelta(hours=2)
    )


@event(ACTS, 3)
def usage_vanishes(world: Chaos, rng: Random) -> None:
    edit = world.simulation.edits.vanish_usage(some_hour(world, rng), match=some_series(world, rng))
    world.taken.append(edit)


@event(ACTS, 2)
def costs_revised(world: Chaos, rng: Random) -> None:
    day = world.clock.now() - timedelta(days=1)
    world.simulation.edits.revise_cost(day, factor=rng.choice((0.5, 0.97, 1.05)))


@event(ACTS, 2)
def costs_vanish(world: Chaos, rng: Random) -> None:
    day = world.clock.now() - timedelta(days=1)
    models = {each.dimensions[2] for each in world.simulation.series}
    match = {"model": rng.choice(sorted(model for model in models if model))}
    world.taken.append(world.simulation.edits.vanish_cost(day, match=match))


@event(ACTS, 3)
def rows_reappear(world: Chaos, rng: Random) -> None:
    """Everything that had vanished is there again."""
    for edit in world.taken:
        world.simulation.edits.take_back(edit)
    world.taken.clear()


@event(ACTS, 2)
def usage_added_late(world: Chaos, rng: Random) -> None:
    """Use of a model without a key, in the default workspace, in a bucket that was thought finished."""
    world.simulation.edits.add_usage(
        some_hour(world, rng) + timedelta(minutes=rng.randrange(60)),
        {"model": rng.choice(sorted(MODELS)), "inference_geo": rng.choice(("global", "us"))},
        {"output_tokens": rng.randrange(1, 5000)},
        at=world.clock.now(),
    )


@event(ACTS, 3)
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


@event(ACTS, 2)
def limits_change(world: Chaos, rng: Random) -> None:
    group = rng.choice(world.simulation.rate_limits(world.clock.now()))
    limit = rng.choice(group["limits"])["type"]
    world.simulation.edits.set_rate_limit(group["group"]["id"], limit, rng.randrange(1, 10**6))

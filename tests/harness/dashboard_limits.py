"""What the headroom dashboard should say, from the simulation's minutes and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.harness.headroom_truth import Truth
from tests.harness.world import World

WHOLE = "the whole organization"
Row = dict[str, Any]


def windows(
    world: World, start: datetime, snapshot: datetime, chosen: Mapping[str, Sequence[str]]
) -> list[Row]:
    """Every window from `start` on, with names; `snapshot` is when the limits were first read."""
    now = world.clock.now()
    truth = Truth(world.simulation, "new", snapshot, speeds=False)
    groups = {
        row["group"]["id"]: name_of(row) for row in world.simulation.rate_limits(now) if _of_models(row)
    }
    spaces = {each["id"]: each["name"] for each in world.simulation.workspaces(now)} | {"Default": "Default"}
    rows = [
        {
            **figures,
            "scope": scope,
            "group": groups[group],
            "type": kind,
            "workspace": WHOLE if workspace is None else spaces[workspace],
            "time": begin,
        }
        for (scope, workspace, group, kind, begin), figures in truth.windows(start, now, now).items()
    ]
    wanted = chosen.get("anthropic.workspace.name")
    return [row for row in rows if wanted is None or row["workspace"] in wanted]


def ceilings(world: World) -> dict[tuple[str, str], dict[str, int]]:
    """The limits of model groups by group and workspace, as they stand now."""
    now = world.clock.now()
    found = {
        (name_of(row), WHOLE): _limits(row) for row in world.simulation.rate_limits(now) if _of_models(row)
    }
    for space in world.simulation.workspaces(now, default=False, archived=False):
        for row in world.simulation.workspace_rate_limits(space["id"], now, inherited=True):
            if _of_models(row):
                found[name_of(row), space["name"]] = _limits(row)
    return found


def name_of(row: Row) -> str:
    """A group's display name."""
    return str(row["group"]["display_name"])


def _of_models(row: Row) -> bool:
    return bool(row["group"]["type"] == "model_group")


def _limits(row: Row) -> dict[str, int]:
    return {each["type"]: each["value"] for each in row["limits"]}

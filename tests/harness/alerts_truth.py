"""What the Admin API itself says at a moment: from which moment on could anybody have known?"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from anthropic_metrics.simulator import Simulation
from tests.harness.alerts_replay import DAY, HOUR

LAG = timedelta(minutes=5)  # documented; an hour counts as complete so long after its end


def floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) % step


def hour_tokens(sim: Simulation, hour: datetime, model: str, at: datetime) -> int:
    """Tokens of a model in a closed hour; an hour that is open is not reported."""
    if at < hour + HOUR:
        return 0
    rows = sim.usage_rows(hour, hour + HOUR, "1h", ("model",), at=at)
    return sum(total_tokens(row) for row in rows if row["model"] == model)


def hit_percent(sim: Simulation, workspace: str, model: str, at: datetime) -> float:
    """Share of input that the cache served in the last closed hours, batch work left out."""
    group = ("model", "workspace_id", "service_tier")
    rows = [
        row
        for row in closed_rows(sim, at, group)
        if (row["workspace_id"], row["model"]) == (workspace, model) and row["service_tier"] != "batch"
    ]
    given = sum(input_tokens(row) for row in rows)
    return 100.0 * sum(row["cache_read_input_tokens"] for row in rows) / given if given else 100.0


def largest_share(sim: Simulation, at: datetime) -> tuple[str, float]:
    """The model with the most tokens of the last closed hours, and its share in per cent."""
    used: dict[str, int] = defaultdict(int)
    for row in closed_rows(sim, at, ("model",)):
        used[row["model"]] += total_tokens(row)
    most = max(used, key=lambda model: used[model])
    return most, 100.0 * used[most] / sum(used.values())


def closed_rows(sim: Simulation, at: datetime, group: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the complete hours among the last seven that have begun."""
    end = floor(at - LAG, HOUR)
    start = floor(at, HOUR) - 6 * HOUR
    return sim.usage_rows(start, end, "1h", group, at=at)


def day_costs(sim: Simulation, day: datetime, at: datetime | None) -> dict[str, float]:
    """USD by workspace of a closed UTC day."""
    costs: dict[str, float] = defaultdict(float)
    if at is not None and at < day + DAY:
        return costs
    for row in sim.cost_rows(day, day + DAY, ("workspace_id",), at=at):
        costs[row["workspace_id"] or "Default"] += float(row["amount"]) / 100
    return costs


def month_cost(sim: Simulation, first: datetime, end: datetime, at: datetime) -> float:
    """USD of the closed days in [first, end)."""
    days = (end - first) // DAY
    return sum(sum(day_costs(sim, first + n * DAY, at).values()) for n in range(days))


def usual(sim: Simulation, day: datetime, workspace: str, at: datetime) -> list[float]:
    """What the workspace cost on the four same weekdays before, where it had any spend."""
    before = (day_costs(sim, day - 7 * n * DAY, at).get(workspace) for n in range(1, 5))
    return [cost for cost in before if cost]


def is_far_above(
    sim: Simulation, day: datetime, workspace: str, at: datetime, factor: float, floor_usd: float
) -> bool:
    weeks = usual(sim, day, workspace, at)
    cost = day_costs(sim, day, at).get(workspace, 0.0)
    return len(weeks) >= 3 and cost > factor * median(weeks) and cost - median(weeks) > floor_usd


def input_tokens(row: dict[str, Any]) -> int:
    created = row["cache_creation"]
    return int(
        row["uncached_input_tokens"]
        + row["cache_read_input_tokens"]
        + created["ephemeral_5m_input_tokens"]
        + created["ephemeral_1h_input_tokens"]
    )


def total_tokens(row: dict[str, Any]) -> int:
    return input_tokens(row) + int(row["output_tokens"])

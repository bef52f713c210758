"""What the dashboards should say, computed from the simulation's own rows with plain decimals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.clock import epoch
from anthropic_metrics.simulator.prices import TOKEN_TYPES, WEB_SEARCH_CENTS, token_cents
from anthropic_metrics.simulator.series import DIMENSIONS
from tests.harness.world import GROUPED, World

DAY = timedelta(days=1)
NO_MODEL = "no model (search, code)"
CENTS = Decimal(100)
USAGE_KINDS = ("uncached", "reads", "writes_5m", "writes_1h", "output", "searches")
# The bill's token types, in the order of the first five kinds.
BILL_KINDS = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "output_tokens",
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """Rows of a range under some choices, named as the panels name them."""

    usage: list[Row]
    costs: list[Row]
    start: datetime
    end: datetime

    def days(self, first: datetime, last: datetime) -> Decimal:
        """Dollars of the days in [first, last)."""
        dollars: Decimal = total(row["usd"] for row in self.costs if first <= row["time"] < last)
        return dollars


def truth(
    world: World, start: datetime, end: datetime, chosen: Mapping[str, Sequence[str]] | None = None
) -> Truth:
    """The rows that the time range and the choices leave."""
    usage, costs = _everything(world.simulation, world.clock.now())

    def kept(rows: list[Row]) -> list[Row]:
        return [row for row in rows if start <= row["time"] <= end and fits(row, chosen or {})]

    return Truth(kept(usage), kept(costs), start, end)


@lru_cache(maxsize=1)
def _everything(simulation: Simulation, now: datetime) -> tuple[list[Row], list[Row]]:
    """All usage and cost rows as the API has them at `now`."""
    organization = simulation.organization(now)
    spaces = {each.report_id: each.name for each in organization.workspaces}
    keys: dict[str | None, str] = {key.id: key.name for key in organization.api_keys}
    first, grouped = simulation.first_day, ("workspace_id", "description")
    usage = simulation.usage_rows(first, now, "1h", GROUPED, at=now)
    costs = simulation.cost_rows(first, now, grouped, at=now)
    return [_usage(row, spaces, keys) for row in usage], [_cost(row, spaces) for row in costs]


def true_spend(
    world: World, start: datetime, end: datetime, chosen: Mapping[str, Sequence[str]] | None = None
) -> list[Row]:
    """What the requests of each hour in [start, end) really cost: by workspace, model and key."""
    found = _spent(world.simulation, world.clock.now())
    return [row for row in found if start <= row["time"] < end and fits(row, chosen or {})]


@lru_cache(maxsize=1)
def _spent(simulation: Simulation, now: datetime) -> list[Row]:
    organization = simulation.organization(now)
    spaces = {each.report_id: each.name for each in organization.workspaces}
    keys: dict[str | None, str] = {None: "Console"} | {key.id: key.name for key in organization.api_keys}
    first = day_of(now) - 14 * DAY
    rows: list[Row] = []
    # The hour that runs is not reported.
    until = int(epoch(now)) // 3600 * 3600
    for begin, cells in simulation.usage_cells(int(epoch(first)), until, 3600, now):
        for dimensions, cell in zip(simulation.edits.dimensions, cells, strict=False):
            values = dict(zip(DIMENSIONS, dimensions, strict=True))
            if cell is None or values["service_tier"] not in ("standard", "batch"):
                continue
            cents = [_cents(values, kind, count) for kind, count in zip(TOKEN_TYPES, cell, strict=False)]
            rows.append(
                {
                    "time": datetime.fromtimestamp(begin, UTC),
                    "workspace": spaces[values["workspace_id"]],
                    "model": values["model"],
                    "key_name": keys.get(values["api_key_id"]),
                    "key": keys.get(values["api_key_id"]) or values["api_key_id"],
                    "usd": (sum(cents) + cell[5] * WEB_SEARCH_CENTS) / CENTS,
                }
            )
    return rows


def _cents(values: dict[str, str | None], kind: str, count: int) -> Decimal:
    return token_cents(
        values["model"] or "",
        kind,
        count,
        tier=values["service_tier"] or "",
        window=values["context_window"] or "",
        geo=values["inference_geo"] or "",
        speed=values["speed"],
    )


def total(values: Iterable[Any]) -> Any:
    """A sum that begins with Decimal zero where there are decimals."""
    found = list(values)
    return sum(found, Decimal(0)) if any(isinstance(value, Decimal) for value in found) else sum(found)


def by(rows: Iterable[Row], names: Sequence[str], value: str | Callable[[Row], Any]) -> dict[Any, Any]:
    """Sums of `value` by the named columns: by the value itself where it is one, else by a tuple."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        key = row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)
        groups[key].append(row[value] if isinstance(value, str) else value(row))
    return {key: total(values) for key, values in groups.items()}


def day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def month_of(moment: datetime) -> datetime:
    return day_of(moment).replace(day=1)


def month_before(moment: datetime) -> datetime:
    return month_of(month_of(moment) - DAY)


def month_after(moment: datetime) -> datetime:
    return month_of(month_of(moment) + 32 * DAY)


def fits(row: Row, chosen: Mapping[str, Sequence[str]]) -> bool:
    columns = {
        "anthropic.workspace.name": "workspace",
        "anthropic.model": "model",
        "anthropic.api_key.name": "key_name",
    }
    return all(row.get(columns[field]) in values for field, values in chosen.items())


def _usage(row: Row, spaces: Mapping[str | None, str], keys: Mapping[str | None, str]) -> Row:
    numbers = (
        row["uncached_input_tokens"],
        row["cache_read_input_tokens"],
        row["cache_creation"]["ephemeral_5m_input_tokens"],
        row["cache_creation"]["ephemeral_1h_input_tokens"],
        row["output_tokens"],
        row["server_tool_use"]["web_search_requests"],
    )
    name = "Console" if row["api_key_id"] is None else keys.get(row["api_key_id"])
    return {
        "time": instant(row["starting_at"]),
        "until": instant(row["ending_at"]),
        "workspace": spaces[row["workspace_id"]],
        "model": row["model"],
        "tier": row["service_tier"],
        "region": row["inference_geo"],
        "key_name": name,
        "key": name or row["api_key_id"],
        **dict(zip(USAGE_KINDS, numbers, strict=True)),
        "input": sum(numbers[:4]),
        "tokens": sum(numbers[:5]),
    }


def _cost(row: Row, spaces: Mapping[str | None, str]) -> Row:
    assert row["currency"] == "USD"
    return {
        "time": instant(row["starting_at"]),
        "until": instant(row["ending_at"]),
        "workspace": spaces[row["workspace_id"]],
        "model": row["model"],
        "shown_model": row["model"] or NO_MODEL,
        "usd": Decimal(row["amount"]) / CENTS,
        "item": row["description"],
        "cost_type": row["cost_type"],
        "token_type": row["token_type"] or "no tokens",
        "tier": row["service_tier"] or "no tokens",
        "window": row["context_window"] or "no tokens",
        "region": row["inference_geo"] or "no tokens",
    }


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

"""Documents of the streams and rows of the Admin API in one form, so that they can be compared."""

from __future__ import annotations

from typing import Any, Protocol

from anthropic_metrics.documents.cost import NUMBERS as COST_NUMBERS
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.reports.corrections import value_at
from anthropic_metrics.simulator import SettableClock, Simulation
from tests.harness.chaos_world import Chaos
from tests.harness.world import COST_FIELDS, GROUPED, NULLS

NUMBERS = {"usage": USAGE_NUMBERS, "usage_1m": USAGE_NUMBERS, "cost": COST_NUMBERS}
IN_API = {
    "anthropic.usage.uncached_input_tokens": "uncached_input_tokens",
    "anthropic.usage.cached_input_tokens": "cache_read_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": "cache_creation.ephemeral_5m_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": "cache_creation.ephemeral_1h_input_tokens",
    "anthropic.usage.output_tokens": "output_tokens",
    "anthropic.usage.server_tool_use.web_search_requests": "server_tool_use.web_search_requests",
    "anthropic.cost.amount": "amount",
}
PAGE = 10_000
Documents = list[tuple[str, dict[str, Any]]]


class Wrong(AssertionError):
    """The streams do not say what the Admin API says."""


def documents(world: Chaos, *datasets: str) -> Documents:
    """Every copy of every document of the organization, with its id; none while a stream does not exist."""
    streams = [world.truth.stream(dataset) for dataset in datasets]
    world.es.indices.refresh(index=streams, ignore_unavailable=True)
    found: Documents = []
    after: dict[str, Any] = {}
    while True:
        page = world.es.search(
            index=streams,
            ignore_unavailable=True,
            size=PAGE,
            sort=["@timestamp", "event.hash", "_doc"],
            track_total_hits=False,
            **after,
        )["hits"]["hits"]
        found += [(hit["_id"], hit["_source"]) for hit in page if _is_own(world, hit["_source"])]
        if len(page) < PAGE:
            return found
        after = {"search_after": page[-1]["sort"]}


def _is_own(world: Chaos, source: dict[str, Any]) -> bool:
    """Whether it is a document of the world's organization, of several."""
    return world.polled is None or source["organization"].get("id") == world.simulation.organization().id


def held_row(dataset: str, source: dict[str, Any]) -> Any:
    """A document as a row: bucket, dimensions, numbers, names."""
    anthropic = source["anthropic"]
    row = anthropic["cost" if dataset == "cost" else "usage"]
    names = COST_FIELDS if dataset == "cost" else GROUPED
    numbers = (
        (row["amount_exact"],)
        if dataset == "cost"
        else tuple(value_at(source, name) for name in USAGE_NUMBERS)
    )
    called = anthropic.get("workspace", {}).get("name"), anthropic.get("api_key", {}).get("name")
    return source["@timestamp"], *(row.get(name) for name in names), *numbers, *called


class Simulated(Protocol):
    """What the truth of a row is asked of."""

    @property
    def simulation(self) -> Simulation: ...

    @property
    def clock(self) -> SettableClock: ...


def true_row(world: Simulated, dataset: str, row: dict[str, Any]) -> Any:
    """A row of the API's as `held_row` shows the document that it should be."""
    names = COST_FIELDS if dataset == "cost" else GROUPED
    nulls = {"workspace_id": "Default"} if dataset == "cost" else NULLS
    dimensions = {name: row[name] or nulls.get(name) for name in names}
    numbers = (
        (row["amount"],)
        if dataset == "cost"
        else tuple(value_at(row, IN_API[name]) for name in USAGE_NUMBERS)
    )
    called = _names(world, dimensions)
    return row["starting_at"], *dimensions.values(), *numbers, *called


def _names(world: Simulated, dimensions: dict[str, Any]) -> tuple[str | None, str | None]:
    organization = world.simulation.organization(world.clock.now())
    workspace, key = dimensions.get("workspace_id"), dimensions.get("api_key_id")
    named = organization.workspace(workspace) if workspace else None
    keys = {each.id: each.name for each in organization.api_keys}
    return (
        workspace if workspace == "Default" else named.name if named else None,
        key if key == "Console" else keys.get(key) if key else None,
    )

"""What the simulated organization's requests really cost, by key, from its finest series and their prices."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.simulator.clock import epoch
from anthropic_metrics.simulator.prices import TOKEN_TYPES, WEB_SEARCH_CENTS, token_cents
from anthropic_metrics.simulator.series import DIMENSIONS
from tests.harness.world import World

DAY_SECONDS = 86_400
BILLED = {"standard", "batch"}


def true_cost_by_key(w: World, day: datetime) -> dict[str, Decimal]:
    """Dollars of each key on a UTC day: tokens and web searches at the price of each request's own kind."""
    begin = int(epoch(day))
    ((_, cells),) = w.simulation.usage_cells(begin, begin + DAY_SECONDS, DAY_SECONDS, None)
    found: dict[str, Decimal] = defaultdict(Decimal)
    for dimensions, cell in zip(w.simulation.edits.dimensions, cells, strict=False):
        values = dict(zip(DIMENSIONS, dimensions, strict=True))
        if cell is None or values["service_tier"] not in BILLED:
            continue
        key = values["api_key_id"] or "Console"
        for token_type, count in zip(TOKEN_TYPES, cell, strict=False):
            found[key] += token_type_cents(values, token_type, count) / 100
        found[key] += cell[5] * WEB_SEARCH_CENTS / 100
    return found


def token_type_cents(values: dict[str, str | None], token_type: str, count: int) -> Decimal:
    """What `count` tokens of one type cost in a request with these dimensions, cents."""
    return token_cents(
        values["model"] or "",
        token_type,
        count,
        tier=values["service_tier"] or "",
        window=values["context_window"] or "",
        geo=values["inference_geo"] or "",
        speed=values["speed"],
    )


def spend(w: World) -> dict[str, dict[str, Any]]:
    """Every document of the spend stream by its `_id`; no `_id` may come twice."""
    return by_id(w, "spend")


def by_id(w: World, dataset: str) -> dict[str, dict[str, Any]]:
    w.es.indices.refresh(index=w.stream(dataset))
    found: dict[str, dict[str, Any]] = {}
    for hit in hits(w, dataset):
        assert hit["_id"] not in found
        found[hit["_id"]] = hit["_source"]
    return found


def hits(w: World, dataset: str) -> list[dict[str, Any]]:
    body = w.es.search(index=w.stream(dataset), size=10_000, query={"match_all": {}}).body
    found: list[dict[str, Any]] = body["hits"]["hits"]
    assert len(found) < 10_000
    return found


def figures(source: dict[str, Any]) -> tuple[str, ...]:
    each = source["anthropic"]["spend"]
    names = ("basis", "amount_exact", "price_source", "total_tokens", "unpriced_tokens", "priority_tokens")
    return (*(str(each.get(name)) for name in names), str(source["anthropic"].get("missing_since")))


def bill_by_day_and_workspace(w: World) -> dict[tuple[str, str], Decimal]:
    """The bill in the cost stream, exact dollars; lines that the API no longer reports count no more."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for source in w.sources("cost"):
        cost = source["anthropic"]["cost"]
        if "missing_since" in source["anthropic"]:
            continue
        found[cost["bucket_start_time"][:10], cost["workspace_id"]] += Decimal(cost["amount_exact"]) / 100
    return found


def spend_by_day_and_workspace(w: World) -> dict[tuple[str, str], Decimal]:
    """The spend stream in the same terms."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for source in spend(w).values():
        each = source["anthropic"]["spend"]
        if "missing_since" in source["anthropic"]:
            continue
        found[source["@timestamp"][:10], each["workspace_id"]] += Decimal(each.get("amount_exact", "0"))
    return found

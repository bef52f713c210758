"""A parent organization's key reads its children's rows too; none of them becomes the parent's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from pydantic import SecretStr

from anthropic_metrics.config import InventorySettings, RateLimitSettings, UsageSettings
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from tests.harness.organizations import NOW, OneOf, Several, several

MIDNIGHT = NOW.replace(hour=0, minute=0)
SALT = SecretStr("a salt for tests only, long enough")


@pytest.fixture
def family(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[Several]:
    """`acme`, whose key is a parent's, and its child `acme-eu`, which has a key of its own."""
    usage = UsageSettings(granularities=("1h",))
    with several(es, elasticsearch_url, namespace, now=NOW, days=2, series=2, usage=usage) as found:
        parent, child = found.each.values()
        parent.server.behaviour.analytics = Terms("on", children=(child.simulation,))
        child.server.behaviour.analytics = Terms("on")
        first, second = found.config.organizations
        own = first.model_copy(update={"organization_id": parent.id, "parent": True})
        found.config = found.config.model_copy(
            update={
                "organizations": (own, second),
                "people": PeopleSettings(enabled=True, salt=SALT),
                "rate_limits": RateLimitSettings(enabled=False),
                "inventory": InventorySettings(enabled=False),
            }
        )
        yield found


def billed(world: OneOf, dataset: str, part: str) -> Decimal:
    """What the stream has of the organization's day before the last, billed."""
    amounts = (
        source["anthropic"][part]
        for source in world.sources(dataset)
        if MIDNIGHT - timedelta(days=1) <= at(source) < MIDNIGHT
    )
    return sum(
        (Decimal(each.get("amount_exact", "0")) for each in amounts if each["basis"] == "billed"), Decimal(0)
    )


def at(source: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(source["@timestamp"])


def truth(world: OneOf) -> Decimal:
    rows = analytics_rows(world.simulation, "cost", MIDNIGHT - timedelta(days=1), MIDNIGHT, "1d")
    return sum((Decimal(row["cost"]["amount"]) for row in rows), Decimal(0)) / 100


def test_each_organizations_rows_land_under_its_own_id(family: Several) -> None:
    family.once()
    for world in family.each.values():
        assert billed(world, "spend", "spend") == truth(world) > 0
        assert billed(world, "people", "people") == truth(world)
    keys = {key["id"]: name for name, world in family.each.items() for key in world.simulation.api_keys()}
    for name, world in family.each.items():
        ids = {source["anthropic"]["api_key"]["id"] for source in world.sources("spend")}
        assert {keys[id_] for id_ in ids & keys.keys()} == {name}

"""Two organizations that were read once; the tests that share them only read, or write what none counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config.budgets import BudgetSettings
from tests.harness.organizations import NOW, Several, several

REVISED = NOW.replace(minute=0) - timedelta(hours=4)
USD = {"acme": 90_000, "acme-eu": 1}


@pytest.fixture(scope="session")
def two(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Several]:
    budgets = {
        name: {"budgets": (BudgetSettings(name="everything", usd=Decimal(usd)),)} for name, usd in USD.items()
    }
    namespace = f"two{uuid4().hex[:8]}"
    with several(es, elasticsearch_url, namespace, now=NOW, days=2, series=6, own=budgets) as found:
        found.once()
        # An hour of one of them is revised, so that it has corrections to tell.
        found.each["acme"].simulation.edits.revise_usage(REVISED, factor=2)
        found.once()
        yield found

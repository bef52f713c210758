"""The world of the dashboards' tests: it takes a while to fill, so all their modules share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from tests.harness.dashboard_world import filled_world
from tests.harness.world import World


@pytest.fixture(scope="session")
def filled(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    with filled_world(es, elasticsearch_url) as w:
        yield w

"""Streams of a real Elasticsearch, for the tests of reconciliation."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.elastic import reconcile
from anthropic_metrics.elastic.lookup import stored_copies
from anthropic_metrics.elastic.operations import remove
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.elastic.write import BulkWriter
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.ranges import Range
from tests.harness.reconcile_samples import HOUR, WINDOW, Faulty


@pytest.fixture(scope="module", autouse=True)
def templates(es: Elasticsearch, elasticsearch_url: str) -> None:
    steps = apply(
        es, plan_setup(es, Config.model_validate({"elasticsearch": {"hosts": [elasticsearch_url]}}))
    )
    assert not [step for step in steps if step.status == "failed"]


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small windows, too, are first compared by their hashes."""
    monkeypatch.setattr(reconcile, "MANY", 1)


@pytest.fixture
def fresh(namespace: str) -> str:
    """A stream that does not exist yet."""
    return stream_name("anthropic_metrics.usage", namespace)


@pytest.fixture(scope="module")
def shared() -> str:
    """Making a stream is slow, so most tests take turns with one; it has one backing index."""
    return stream_name("anthropic_metrics.usage", f"shared{uuid.uuid4().hex[:8]}")


@pytest.fixture
def stream(es: Elasticsearch, shared: str) -> str:
    """An empty stream."""
    copies = stored_copies(es, shared, WINDOW, {}) + stored_copies(
        es, shared, Range(WINDOW.end, WINDOW.end + HOUR), {}
    )
    BulkWriter(es).write(shared, [remove("delete", copy) for copy in copies])
    return shared


@pytest.fixture
def streams(es: Elasticsearch) -> Streams:
    return Streams(es, sleep=lambda seconds: None)


@pytest.fixture
def faulty(elasticsearch_url: str) -> Iterator[Streams]:
    Faulty.rule, Faulty.numbers = None, itertools.count(1)
    with Elasticsearch(elasticsearch_url, transport_class=Faulty, max_retries=0) as client:
        yield Streams(client, sleep=lambda seconds: None)
    Faulty.rule = None

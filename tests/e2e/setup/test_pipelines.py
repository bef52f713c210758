"""The ingest pipelines run for real, over every dataset's documents and over broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from anthropic_metrics.elastic.assets import load_assets
from anthropic_metrics.kernel.datasets import template_name
from anthropic_metrics.streams.registry import BY_DATASET

GENERAL = "metrics-anthropic_metrics@custom"
FAILING: dict[str, Any] = {"rename": {"field": "no.such.field", "target_field": "x"}}
BROKEN: list[dict[str, Any]] = [
    {},
    {"event": "no object"},
    {"event": None},
    {"tags": {"a": 1}, "error": "text"},
]

datasets = pytest.mark.parametrize("dataset", list(BY_DATASET))


@pytest.fixture
def server(processors_url: str) -> Iterator[httpx.Client]:
    """The server with our pipelines; `@custom` pipelines that a test puts are gone after it."""
    with httpx.Client(base_url=processors_url, timeout=60) as client:
        for name, body in load_assets().pipelines.items():
            put(client, name, body)
        yield client
        client.delete("/_ingest/pipeline/*@custom")


def put(server: httpx.Client, name: str, body: dict[str, Any]) -> None:
    # This server does not know `_meta`.
    sent = {key: value for key, value in body.items() if key != "_meta"}
    server.put(f"/_ingest/pipeline/{name}", json=sent).raise_for_status()


def custom(server: httpx.Client, name: str, *processors: dict[str, Any]) -> None:
    put(server, name, {"processors": list(processors)})


def through(server: httpx.Client, dataset: str, source: dict[str, Any]) -> dict[str, Any]:
    """The source as the dataset's pipeline leaves it."""
    body = {"docs": [{"_index": "x", "_id": "a", "_source": source}]}
    answer = server.post(f"/_ingest/pipeline/{template_name(dataset)}/_simulate", json=body)
    answer.raise_for_status()
    (result,) = answer.json()["docs"]
    assert "doc" in result, result
    processed: dict[str, Any] = result["doc"]["_source"]
    return processed


def sent(dataset: str) -> dict[str, Any]:
    """A document as the agent sends it, as far as the pipelines can tell."""
    return {
        "@timestamp": "2026-03-01T00:00:00Z",
        "data_stream": {"type": "metrics", "dataset": dataset, "namespace": "default"},
        "event": {"kind": "event", "module": "anthropic_metrics", "hash": "0123"},
        "organization": {"id": "o"},
        "anthropic": {"model": "claude", "missing_since": "2026-03-02T00:00:00.000Z"},
    }


@datasets
def test_a_document_gets_the_servers_time_and_is_otherwise_as_sent(
    server: httpx.Client, dataset: str
) -> None:
    before = datetime.now(UTC)
    result = through(server, dataset, sent(dataset))
    ingested = datetime.fromisoformat(result["event"].pop("ingested"))
    assert abs((ingested - before).total_seconds()) < 300
    assert result == sent(dataset)


@datasets
def test_the_users_own_pipelines_run_the_datasets_then_the_general_one(
    server: httpx.Client, dataset: str
) -> None:
    custom(server, f"{template_name(dataset)}@custom", {"set": {"field": "labels.team", "value": "first"}})
    custom(server, GENERAL, {"append": {"field": "labels.team", "value": "then"}})
    assert through(server, dataset, sent(dataset))["labels"] == {"team": ["first", "then"]}


@datasets
def test_a_document_that_a_users_pipeline_fails_on_is_kept_and_says_why(
    server: httpx.Client, dataset: str
) -> None:
    custom(server, GENERAL, FAILING)
    result = through(server, dataset, {**sent(dataset), "tags": ["mine"]})
    assert result["event"]["kind"] == "pipeline_error"
    assert result["event"]["hash"] == "0123"
    assert "ingested" in result["event"]
    assert result["tags"] == ["mine", "pipeline_error"]
    message = result["error"]["message"]
    assert "rename" in message
    assert GENERAL in message
    assert "no.such.field" in message
    assert result["anthropic"] == sent(dataset)["anthropic"]


def test_a_document_that_fails_again_when_it_is_rewritten_is_tagged_once(server: httpx.Client) -> None:
    dataset = "anthropic_metrics.usage"
    custom(server, GENERAL, FAILING)
    once = through(server, dataset, sent(dataset))
    assert through(server, dataset, once)["tags"] == ["pipeline_error"]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_broken_document_is_kept(server: httpx.Client, broken: dict[str, Any]) -> None:
    result = through(server, "anthropic_metrics.usage", broken)
    assert broken.keys() <= result.keys()

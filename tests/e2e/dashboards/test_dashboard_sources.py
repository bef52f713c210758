"""What the panels read: this agent's documents alone, and streams that may not exist."""

from __future__ import annotations

from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.cli.dashboards import draw
from anthropic_metrics.streams import registry
from tests.harness.dashboard_world import NOW, PANELS, asked
from tests.harness.world import World

STREAMS = [stream.key for stream in registry.STREAMS if stream.panels]


def foreign(source: dict[str, Any]) -> dict[str, Any]:
    """The same document as another shipper of the same dataset would have written it."""
    return source | {"agent": {"name": "host-of-a-fleet", "type": "filebeat", "version": "9.4.0"}}


def figures(w: World, name: str) -> list[dict[str, Any]]:
    """The rows of a panel; sums of doubles depend on their order in the last digits."""
    return [
        {key: f"{value:.9g}" if isinstance(value, float) else value for key, value in record.items()}
        for record in asked(w, name).records()
    ]


def test_a_foreign_document_in_each_stream_changes_no_figure(filled: World) -> None:
    before = {name: figures(filled, name) for name in PANELS}
    made = []
    try:
        for stream in STREAMS:
            document = foreign(max(filled.sources(stream), key=lambda each: str(each["@timestamp"])))
            made += [
                filled.es.index(index=filled.stream(stream), document=each, op_type="create", refresh=True)
                for each in (document, {key: document[key] for key in document if key != "agent"})
            ]
        assert {name: figures(filled, name) for name in PANELS} == before
    finally:
        for each in made:
            filled.es.delete(index=each["_index"], id=each["_id"], refresh=True)


def test_panels_without_their_stream_are_empty_and_say_so(
    filled: World, es: Elasticsearch, namespace: str
) -> None:
    """Usage is collected, costs and rate limits are not: no panel fails."""
    source = max(filled.sources("usage"), key=lambda each: str(each["@timestamp"]))
    es.index(
        index=f"metrics-anthropic_metrics.usage-{namespace}", document=source, op_type="create", refresh=True
    )
    page = draw(es, namespace, NOW)
    assert page.failures == []
    assert page.missing == sorted(
        f"metrics-anthropic_metrics.{stream}-{namespace}" for stream in STREAMS if stream != "usage"
    )
    assert f"cost-{namespace} does not exist" in page.html
    assert 'class="big good"' not in page.html.partition('id="cost"')[2]

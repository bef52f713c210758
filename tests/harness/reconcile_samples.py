"""A stream to reconcile: its documents, what it holds, what other writers and a broken network do to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, Transport, TransportApiResponse
from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ranges import Range

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Range(START, START + timedelta(days=1))
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORGANIZATION = "11111111-2222-3333-4444-555555555555"
BLOCKS = "index.blocks.write"


def document(number: int, tokens: int | str = 1, organization: str = ORGANIZATION, **fields: Any) -> Prepared:
    """Row `number` of the window; its hash is its figure."""
    digest = f"hash-of-{tokens}"
    source = {
        "@timestamp": (START + timedelta(minutes=number % 1440)).isoformat(),
        "event": {"hash": digest},
        "organization": {"id": organization},
        "anthropic": {"usage": {"output_tokens": tokens}, "workspace": {"id": f"w{number % 2}"}},
        **fields,
    }
    return Prepared(f"row-{number}", digest, to_json(source))


def documents(count: int, tokens: int = 1) -> list[Prepared]:
    return [document(number, tokens) for number in range(count)]


def reconcile(
    streams: Streams, stream: str, wanted: list[Prepared], now: datetime = NOW, **options: Any
) -> Outcome:
    options = {"organization_id": ORGANIZATION, "confirm_after": HOUR, **options}
    return streams.reconcile(stream, WINDOW, wanted, now=now, **options)


def rows(es: Elasticsearch, stream: str) -> list[tuple[str, int, str | None]]:
    """Everything the stream holds: id, figure and mark, one entry for each copy."""
    es.indices.refresh(index=stream)
    hits = es.search(index=stream, size=10_000, sort="_doc")["hits"]["hits"]
    anthropic = [(hit["_id"], hit["_source"]["anthropic"]) for hit in hits]
    return sorted((id_, part["usage"]["output_tokens"], part.get("missing_since")) for id_, part in anthropic)


def plain(wanted: list[Prepared]) -> list[tuple[str, int, None]]:
    return sorted((each.id, each.source["anthropic"]["usage"]["output_tokens"], None) for each in wanted)


def backing(es: Elasticsearch, stream: str) -> list[str]:
    """Backing indices, oldest first."""
    found: list[str] = sorted(es.indices.get_settings(index=stream))
    return found


def put(es: Elasticsearch, stream: str, wanted: Prepared) -> None:
    """What another agent does."""
    es.create(index=stream, id=wanted.id, document=wanted.source)


Send = Callable[[], TransportApiResponse]


def overwrite(es: Elasticsearch, stream: str, wanted: Prepared) -> None:
    """What another agent does to a document that is there."""
    at = where(es, stream, wanted.id)
    es.index(id=wanted.id, document=wanted.source, **at)


def where(es: Elasticsearch, stream: str, id_: str) -> dict[str, Any]:
    (index,) = backing(es, stream)
    found = es.get(index=index, id=id_)
    return {"index": index, "if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}


class Faulty(Transport):
    """A transport whose bulk requests can be tampered with: `rule(number, send, body)` answers them."""

    rule: ClassVar[Callable[[int, Send, bytes], TransportApiResponse] | None] = None
    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def perform_request(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        def send() -> TransportApiResponse:
            return super(Faulty, self).perform_request(method, target, **options)

        rule = type(self).rule
        if rule and "_bulk" in target:
            return rule(next(self.numbers), send, b"".join(options["body"]))
        return send()


def canned(status: int) -> TransportApiResponse:
    """What a proxy answers in the cluster's place."""
    node = NodeConfig("http", "localhost", 9200)
    return TransportApiResponse(ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, node), "gateway")

"""Questions whose answers must be whole: aggregations and sources, all pages, every shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.errors import RetryLater

_KEEP_ALIVE = "2m"
_PAGE = 10_000  # the default of index.max_result_window, and below search.max_buckets

Body = dict[str, Any]


def aggregate(es: Elasticsearch, stream: str, query: Body, aggregations: Body) -> Body:
    """The aggregations over the matching documents of a stream; empty for a stream that does not exist.

    Raises RetryLater when shards did not answer: half an answer would look like half the use.
    """
    with translated(f"Asking {stream}"):
        try:
            answer = es.search(
                index=stream,
                query=query,
                aggregations=aggregations,
                size=0,
                track_total_hits=False,
            )
        except NotFoundError:
            return {}
    _whole(answer.body, stream)
    found: Body = answer.body.get("aggregations", {})
    return found


def composite(
    es: Elasticsearch,
    stream: str,
    query: Body,
    sources: Sequence[Mapping[str, Body]],
    aggregations: Body,
    *,
    page: int = _PAGE,
) -> Iterator[Body]:
    """Every bucket of a composite aggregation, page by page."""
    after: Body = {}
    while True:
        body = {"composite": {"sources": list(sources), "size": page, **after}, "aggregations": aggregations}
        found = aggregate(es, stream, query, {"all": body}).get("all", {})
        yield from found.get("buckets", ())
        if "after_key" not in found or len(found["buckets"]) < page:
            return
        after = {"after": found["after_key"]}


def sources(es: Elasticsearch, stream: str, query: Body, fields: Sequence[str]) -> Iterator[Body]:
    """The matching documents' sources, only `fields` of them, as of one point in time."""
    with translated(f"Reading {stream}"):
        try:
            pit = es.open_point_in_time(index=stream, keep_alive=_KEEP_ALIVE)["id"]
        except NotFoundError:
            return
    after: Body = {}
    try:
        while True:
            with translated(f"Reading {stream}"):
                answer = es.search(
                    pit={"id": pit, "keep_alive": _KEEP_ALIVE},
                    query=query,
                    source={"includes": list(fields)},
                    sort=["_shard_doc"],
                    size=_PAGE,
                    track_total_hits=False,
                    **after,
                ).body
            _whole(answer, stream)
            pit = answer.get("pit_id", pit)
            hits = answer["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            after = {"search_after": hits[-1]["sort"]}
    finally:
        _close(es, pit)


def _close(es: Elasticsearch, pit: str) -> None:
    try:
        es.close_point_in_time(id=pit)
    except ApiError:
        return  # it ends by itself after its keep-alive


def _whole(answer: Mapping[str, Any], stream: str) -> None:
    if answer.get("timed_out", True) or answer.get("_shards", {}).get("failed", 1):
        raise RetryLater(f"Asking {stream}: only some of the shards answered.")

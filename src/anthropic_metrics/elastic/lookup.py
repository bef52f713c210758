"""What a stream holds of a window: ids, versions and digests, from all of its backing indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from anthropic_metrics.elastic.diff import Held
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.errors import RetryLater

Window = tuple[datetime, datetime]

PAGE = 10_000  # the default of index.max_result_window, the most that one search may return
_KEEP_ALIVE = "2m"
_HIT = ("_id", "_index", "_seq_no", "_primary_term", "fields", "sort")
_READ = ["_shards", "timed_out", "pit_id", *(f"hits.hits.{name}" for name in _HIT)]
_SEARCH: dict[str, Any] = {
    "_source": False,
    "seq_no_primary_term": True,
    "track_total_hits": False,
    "docvalue_fields": [
        {"field": "event.hash"},
        {"field": "anthropic.missing_since", "format": "epoch_millis"},
    ],
}


def held(
    es: Elasticsearch, stream: str, window: Window, terms: Mapping[str, Sequence[str]], *, page: int = PAGE
) -> list[Held]:
    """Every copy of every document with `start <= @timestamp < end` whose fields have one of `terms`' values.

    Sees all that was acknowledged before the call. A stream that does not exist holds nothing. Raises
    RetryLater when shards did not answer: half an answer would look like vanished documents.
    """
    if not refresh(es, stream):
        return []
    query = window_query(window, terms)
    with translated(f"Looking up {stream}"):
        try:
            answer = _search(es, query, page, index=stream)
            hits = _hits(answer, stream)
            if len(hits) >= page:
                hits = list(_all_pages(es, stream, query, page))
        except NotFoundError:
            return []
    return [_held(hit) for hit in hits]


def present(es: Elasticsearch, stream: str, ids: Sequence[str]) -> set[str]:
    """Those of at most 10,000 `ids` that some backing index of the stream holds; refresh first."""
    with translated(f"Looking up {stream}"):
        try:
            answer = _search(es, {"ids": {"values": list(ids)}}, PAGE, index=stream)
        except NotFoundError:
            return set()
    return {hit["_id"] for hit in _hits(answer, stream)}


def refresh(es: Elasticsearch, stream: str) -> bool:
    """Make all acknowledged writes visible to searches; False when the stream does not exist."""
    with translated(f"Refreshing {stream}"):
        try:
            answer = es.indices.refresh(index=stream)
        except NotFoundError:
            return False
    if answer.get("_shards", {}).get("failed", 0):
        raise RetryLater(f"Refreshing {stream}: some shards failed.")
    return True


def window_query(window: Window, terms: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The query for a window (start inclusive, end exclusive) and exact values of keyword fields."""
    start, end = (time.astimezone(UTC).isoformat() for time in window)
    span: dict[str, Any] = {"range": {"@timestamp": {"gte": start, "lt": end}}}
    return {"bool": {"filter": [span, *({"terms": {name: list(values)}} for name, values in terms.items())]}}


def _search(es: Elasticsearch, query: dict[str, Any], size: int, **target: Any) -> dict[str, Any]:
    answer = es.search(query=query, size=size, filter_path=_READ, **_SEARCH, **target)
    body: dict[str, Any] = answer.body
    return body


def _all_pages(es: Elasticsearch, stream: str, query: dict[str, Any], page: int) -> Iterator[dict[str, Any]]:
    """All hits as of one point in time, page by page."""
    pit = es.open_point_in_time(index=stream, keep_alive=_KEEP_ALIVE)["id"]
    after: dict[str, Any] = {}
    try:
        while True:
            source = {"pit": {"id": pit, "keep_alive": _KEEP_ALIVE}, "sort": ["_shard_doc"]}
            answer = _search(es, query, page, **source, **after)
            pit = answer.get("pit_id", pit)
            hits = _hits(answer, stream)
            yield from hits
            if len(hits) < page:
                return
            after = {"search_after": hits[-1]["sort"]}
    finally:
        _close(es, pit)


def _close(es: Elasticsearch, pit: str) -> None:
    try:
        es.close_point_in_time(id=pit)
    except ApiError:
        return  # it ends by itself after its keep-alive


def _hits(answer: Mapping[str, Any], stream: str) -> list[dict[str, Any]]:
    shards = answer.get("_shards", {})
    if answer.get("timed_out", True) or shards.get("failed", 1):
        raise RetryLater(f"Looking up {stream}: only some of the shards answered.")
    hits: list[dict[str, Any]] = answer.get("hits", {}).get("hits", [])
    return hits


def _held(hit: dict[str, Any]) -> Held:
    fields = hit.get("fields", {})
    (digest,) = fields.get("event.hash", (None,))
    (missing,) = fields.get("anthropic.missing_since", (None,))
    since = None if missing is None else datetime.fromtimestamp(int(missing) / 1000, UTC)
    return Held(hit["_id"], hit["_index"], hit["_seq_no"], hit["_primary_term"], digest, since)

"""What a stream holds of a window: ids, versions and digests, from all of its backing indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.empty_ranges import EVER, MOMENT
from anthropic_metrics.elastic.failures import reading, translated
from anthropic_metrics.elastic.query import PAGE, aggregate, all_hits, complete, hits_of
from anthropic_metrics.errors import AuthError, RetryLater
from anthropic_metrics.kernel.ranges import Range, from_milliseconds, iso

_HIT = ("_id", "_index", "_seq_no", "_primary_term", "fields", "sort")
_READ = ["_shards", "timed_out", "pit_id", *(f"hits.hits.{name}" for name in _HIT)]
_SEARCH: dict[str, Any] = {
    "_source": False,
    "seq_no_primary_term": True,
    "track_total_hits": False,
    "docvalue_fields": [
        {"field": "event.hash"},
        {"field": "anthropic.missing_since", "format": "epoch_millis"},
        {"field": "anthropic.usage.bucket_complete"},
    ],
}

_HASHES: dict[str, Any] = {
    # A map holds the window's hashes. Without it, the first search after each write numbers all hashes of the
    # index anew, and keeps the numbers in memory.
    "hashes": {"terms": {"field": "event.hash", "size": PAGE, "missing": "", "execution_hint": "map"}},
    "marked": {"filter": {"exists": {"field": "anthropic.missing_since"}}},
}
_VERSIONS: dict[str, Any] = {"seq_no_primary_term": True, "track_total_hits": False, "sort": ["_doc"]}
SEARCHED = 20  # copies whose sources are searched for; of fewer each is got


def stored_copies(
    es: Elasticsearch,
    stream: str,
    window: Range,
    terms: Mapping[str, Sequence[str]],
    *,
    indices: str | None = None,
    page: int = PAGE,
    may_refresh: bool = True,
) -> list[Copy]:
    """Every copy of every document with `start <= @timestamp < end` whose fields have one of `terms`' values.

    Sees all that was acknowledged before the call; with `may_refresh` off, for users who only read, what was
    before the last refresh. `indices` names all backing indices that can hold such a document, if these are
    known. A stream that does not exist holds nothing. Raises RetryLater when shards did not answer: half an
    answer would look like vanished documents.
    """
    query, hits = window_query(window, terms), None
    if (refresh if may_refresh else refresh_if_allowed)(es, stream, indices):
        with translated(f"Looking up {stream}"):
            hits = _hits(es, stream, query, page, indices)
    if hits is None and indices:  # one of them was deleted since
        return stored_copies(es, stream, window, terms, page=page, may_refresh=may_refresh)
    with reading(f"Looking up {stream}"):
        return [_copy(hit) for hit in hits or ()]


def _hits(
    es: Elasticsearch, stream: str, query: dict[str, Any], page: int, indices: str | None
) -> list[dict[str, Any]] | None:
    """All hits; None where there is nothing of that name."""
    try:
        hits = _search(es, stream, query, page, indices)
        if len(hits) >= page:
            options = {"page": page, "filter_path": _READ, **_SEARCH}
            hits = list(all_hits(es, stream, query, indices=indices, **options))
    except NotFoundError:
        return None
    return hits


def stored_hashes(
    es: Elasticsearch,
    stream: str,
    window: Range,
    terms: Mapping[str, Sequence[str]],
    *,
    indices: str | None = None,
) -> Counter[str] | None:
    """How many documents of the window have each `event.hash` ("" is none), if none of them is marked.

    None where one is, where two have the same hash, or where there are more different hashes than a page
    holds. Equal rows have equal hashes, so without their ids nobody knows whether two documents are stored,
    or one of them twice; where every hash comes once, so does every document. Elasticsearch counts hashes
    at a tenth of the cost of ids: an id lies with its document's source, which is compressed. Takes
    `indices`, sees and raises as `stored_copies` does.
    """
    answer: dict[str, Any] = {}
    if refresh(es, stream, indices):
        answer = aggregate(es, stream, window_query(window, terms), _HASHES, indices=indices)
    if indices and not answer:  # one of them was deleted since
        return stored_hashes(es, stream, window, terms)
    with reading(f"Looking up {stream}"):
        if answer.get("marked", {}).get("doc_count"):
            return None
        hashes = answer.get("hashes", {})
        counts = Counter({bucket["key"]: bucket["doc_count"] for bucket in hashes.get("buckets", ())})
        return None if hashes.get("sum_other_doc_count") or counts.total() > len(counts) else counts


def empty_around(es: Elasticsearch, stream: str, window: Range, terms: Mapping[str, Sequence[str]]) -> Range:
    """The range around a window without documents of these `terms` that holds none either."""
    before = _nearest(es, stream, Range(EVER.start, window.start), terms, "desc")
    after = _nearest(es, stream, Range(window.end, EVER.end), terms, "asc")
    return Range(before + MOMENT if before else EVER.start, after or EVER.end)


def _nearest(
    es: Elasticsearch, stream: str, beside: Range, terms: Mapping[str, Sequence[str]], order: str
) -> datetime | None:
    query = window_query(beside, terms)
    first: dict[str, Any] = {"sort": [{"@timestamp": order}], "source": False, "track_total_hits": False}
    with translated(f"Looking up {stream}"):
        try:
            hits = hits_of(complete(es, stream, index=stream, query=query, size=1, **first))
        except NotFoundError:
            return None
    with reading(f"Looking up {stream}"):
        return from_milliseconds(hits[0]["sort"][0]) if hits else None


def present(es: Elasticsearch, stream: str, ids: Sequence[str]) -> set[str]:
    """Those of at most 10,000 `ids` that some backing index of the stream holds; refresh first."""
    with translated(f"Looking up {stream}"):
        try:
            hits = _search(es, stream, {"ids": {"values": list(ids)}}, PAGE)
        except NotFoundError:
            return set()
    with reading(f"Looking up {stream}"):
        return {hit["_id"] for hit in hits}


def refresh(es: Elasticsearch, stream: str, indices: str | None = None) -> bool:
    """Make all acknowledged writes visible to searches, of a stream or of these backing indices of it; False
    when one of those named does not exist. Commas separate several."""
    with translated(f"Refreshing {stream}"):
        try:
            answer = es.indices.refresh(index=indices or stream)
        except NotFoundError:
            return False
    with reading(f"Refreshing {stream}"):
        failed = answer.get("_shards", {}).get("failed", 0)
    if failed:
        raise RetryLater(f"Refreshing {stream}: some shards failed.")
    return True


def refresh_if_allowed(es: Elasticsearch, stream: str, indices: str | None = None) -> bool:
    """Like `refresh`; a user without the privilege maintenance reads what the last refresh made visible."""
    try:
        return refresh(es, stream, indices)
    except AuthError as error:
        if error.status != 403:
            raise
        return True


def versions_of(
    es: Elasticsearch, stream: str, copies: Sequence[Copy]
) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Sources of at most 5,000 copies by index, id and version, of those that are there in some version.

    Many are searched for by id, as of the last refresh: a get unpacks for each document what a search unpacks
    once for those that lie together.
    """
    if len(copies) < SEARCHED:
        wanted = [{"_index": copy.backing_index, "_id": copy.id} for copy in copies]
        with translated(f"Reading {stream}"):
            docs = es.mget(docs=wanted)["docs"]
    else:
        query = {"ids": {"values": [copy.id for copy in copies]}}
        with translated(f"Reading {stream}"):
            try:
                docs = hits_of(complete(es, stream, index=stream, query=query, size=PAGE, **_VERSIONS))
            except NotFoundError:
                return {}
    with reading(f"Reading {stream}"):
        return {
            (doc["_index"], doc["_id"], doc["_seq_no"]): doc["_source"] for doc in docs if "_source" in doc
        }


def sources_of(
    es: Elasticsearch, stream: str, copies: Sequence[tuple[str, str]]
) -> list[tuple[str, dict[str, Any]]]:
    """Ids with sources of copies that are named by index and id; one that went away is left out."""
    wanted = [{"_index": index, "_id": id_} for index, id_ in copies]
    with translated(f"Reading {stream}"):
        docs = es.mget(docs=wanted)["docs"]
    return [(doc["_id"], doc["_source"]) for doc in docs if doc.get("found")]


def window_query(window: Range, terms: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The query for a window (start inclusive, end exclusive) and exact values of keyword fields."""
    bounds: dict[str, Any] = {"range": {"@timestamp": {"gte": iso(window.start), "lt": iso(window.end)}}}
    return {
        "bool": {"filter": [bounds, *({"terms": {name: list(values)}} for name, values in terms.items())]}
    }


def _search(
    es: Elasticsearch, stream: str, query: dict[str, Any], size: int, indices: str | None = None
) -> list[dict[str, Any]]:
    where = indices or stream
    return hits_of(complete(es, stream, index=where, query=query, size=size, filter_path=_READ, **_SEARCH))


def _copy(hit: dict[str, Any]) -> Copy:
    fields = hit.get("fields", {})
    (digest,) = fields.get("event.hash", (None,))
    (missing,) = fields.get("anthropic.missing_since", (None,))
    (complete,) = fields.get("anthropic.usage.bucket_complete", (None,))
    since = None if missing is None else from_milliseconds(int(missing))
    return Copy(
        hit["_id"], hit["_index"], hit["_seq_no"], hit["_primary_term"], digest, since, complete is False
    )

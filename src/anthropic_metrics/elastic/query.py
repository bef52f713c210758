"""Questions whose answers must be whole: aggregations and sources, all pages, every shard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError

from anthropic_metrics.elastic.failures import error_type, reading, reason, translated
from anthropic_metrics.errors import NoData, RetryLater

_KEEP_ALIVE = "2m"
# The default of index.max_result_window, the most that one search may return; below search.max_buckets.
PAGE = 10_000
PAUSES = (0.2, 0.5, 1.0)  # seconds before a search that some shards did not answer is repeated
_NO_SHARD = ("search_phase_execution_exception", "no_shard_available_action_exception")
# Columns that only documents can bring: a name without a dot is the query's own, and a slip.
_UNKNOWN = re.compile(r"Unknown (?:index|column) \[([^\]]*)\]")
_NO_INDEX = re.compile(r"no such index \[([^\]]+)\]")
_FROM = re.compile(r"\s*FROM\s+(.+?)\s*(?:\||\bMETADATA\b|$)", re.DOTALL)

Body = dict[str, Any]
Table = tuple[list[str], list[list[Any]]]


def of_organization(organization_id: str | None) -> list[Body]:
    """A filter for the documents of an organization, and for those that say none; no filter for None."""
    if organization_id is None:
        return []
    nobody: Body = {"bool": {"must_not": [{"exists": {"field": "organization.id"}}]}}
    either = [{"term": {"organization.id": organization_id}}, nobody]
    return [{"bool": {"should": either, "minimum_should_match": 1}}]


def aggregate(
    es: Elasticsearch, stream: str, query: Body, aggregations: Body, *, indices: str | None = None
) -> Body:
    """The aggregations over the matching documents of a stream; empty for a stream that does not exist.

    `indices` names the backing indices to ask, if not all, separated by commas. Raises RetryLater when shards
    did not answer: half an answer would look like half the use.
    """
    with translated(f"Asking {stream}"):
        try:
            answer = complete(
                es,
                stream,
                index=indices or stream,
                query=query,
                aggregations=aggregations,
                size=0,
                track_total_hits=False,
            )
        except NotFoundError:
            return {}
    result: Body = answer.get("aggregations", {})
    return result


def composite(
    es: Elasticsearch,
    stream: str,
    query: Body,
    sources: Sequence[Mapping[str, Body]],
    aggregations: Body,
    *,
    page: int = PAGE,
) -> Iterator[Body]:
    """Every bucket of a composite aggregation, page by page."""
    after: Body = {}
    while True:
        body = {"composite": {"sources": list(sources), "size": page, **after}, "aggregations": aggregations}
        pages = aggregate(es, stream, query, {"all": body}).get("all", {})
        with reading(f"Asking {stream}"):
            yield from pages.get("buckets", ())
            if "after_key" not in pages or len(pages["buckets"]) < page:
                return
            after = {"after": pages["after_key"]}


def sources(es: Elasticsearch, stream: str, query: Body, fields: Sequence[str]) -> Iterator[Body]:
    """The matching documents' sources, only `fields` of them, as of one point in time."""
    only: Body = {"source": {"includes": list(fields)}, "track_total_hits": False}
    with reading(f"Reading {stream}"):
        try:
            yield from (hit["_source"] for hit in few_or_all_hits(es, stream, query, **only))
        except NotFoundError:
            return


def few_or_all_hits(
    es: Elasticsearch, stream: str, query: Body, *, page: int = PAGE, **options: Any
) -> Iterator[Body]:
    """All hits: in one search where a page holds them, else by `all_hits`, in three requests more."""
    hits = hits_of(complete(es, stream, index=stream, query=query, size=page, **options))
    yield from hits if len(hits) < page else all_hits(es, stream, query, page=page, **options)


def all_hits(
    es: Elasticsearch,
    stream: str,
    query: Body,
    *,
    indices: str | None = None,
    page: int = PAGE,
    **options: Any,
) -> Iterator[Body]:
    """All hits as of one point in time, page by page; `options` go to each search.

    `indices` as in `aggregate`. NotFoundError only where there is no such stream. A point in time that is
    lost on the way is answered with 404 too: that is RetryLater, for what came until then is not the whole.
    """
    where = indices or stream
    opened = _from_all_shards(
        f"Asking {stream}", lambda: es.open_point_in_time(index=where, keep_alive=_KEEP_ALIVE).body
    )
    with reading(f"Asking {stream}"):
        pit = opened["id"]
    after: Body = {}
    try:
        while True:
            at: Body = {"pit": {"id": pit, "keep_alive": _KEEP_ALIVE}, "sort": ["_shard_doc"]}
            try:
                answer = complete(es, stream, query=query, size=page, **at, **after, **options)
            except NotFoundError as error:
                raise RetryLater(f"Asking {stream}: the search was cut short.") from error
            pit = answer.get("pit_id", pit)
            hits = hits_of(answer)
            yield from hits
            if len(hits) < page:
                return
            with reading(f"Asking {stream}"):
                after = {"search_after": hits[-1]["sort"]}
    finally:
        _close(es, pit)


def complete(es: Elasticsearch, stream: str, **search: Any) -> Body:
    """The answer to a search. Raises RetryLater when shards did not answer, and go on not to."""
    answer = _from_all_shards(f"Asking {stream}", lambda: es.search(**search).body)
    if answer.get("timed_out", True) or "_shards" not in answer:
        raise RetryLater(f"Asking {stream}: the search was cut short.")
    return answer


def esql(
    es: Elasticsearch,
    query: str,
    *,
    doing: str,
    filter: Body | None = None,
    params: Mapping[str, str] | None = None,
) -> Table:
    """Column names and rows of an ES|QL query, from every shard. Raises what `typed_esql` raises."""
    columns, rows = typed_esql(es, query, doing=doing, filter=filter, params=params)
    return [name for name, _ in columns], rows


def typed_esql(
    es: Elasticsearch,
    query: str,
    *,
    doing: str,
    filter: Body | None = None,
    params: Mapping[str, str] | None = None,
) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    """The columns of an ES|QL query by name and type, and its rows, from every shard.

    Raises NoData for a stream or a field that does not exist (yet), BadRequest for a query that Elasticsearch
    refuses, RetryLater when shards did not answer, also those that are still starting.
    """
    named = [{name: value} for name, value in (params or {}).items()]

    def ask() -> Body:
        answer: Body = es.esql.query(query=query, filter=filter, params=named or None).body
        return answer

    with translated(doing):
        try:
            answer = _from_all_shards(doing, lambda: _unless_starting(es, query, ask))
        except NotFoundError as error:  # of several streams in FROM, one is not there
            missing = ", ".join(_NO_INDEX.findall(reason(error.body))) or "such stream"
            raise NoData(f"{doing}: there is no {missing} yet.") from error
        except BadRequestError as error:
            said = reason(error.body)
            unknown = _UNKNOWN.findall(said)
            if unknown and ("Unknown index" in said or all("." in name for name in unknown)):
                raise NoData(f"{doing}: there is no {', '.join(unknown)} yet.") from error
            raise
    with reading(doing):
        return [(column["name"], column["type"]) for column in answer["columns"]], answer["values"]


def sources_of(query: str) -> list[str]:
    """The names and patterns that an ES|QL query reads."""
    match = _FROM.match(query)
    return [name.strip() for name in match[1].split(",")] if match else []


def _unless_starting(es: Elasticsearch, query: str, ask: Callable[[], Body]) -> Body:
    """The answer to an ES|QL query, asked once more if it knows no index or field and a search finds shards.

    ES|QL calls an index unknown while its shards are starting; a search tells the two apart, and needs no
    more than the right to read. It raises the ApiError of the shards that do not answer.
    """
    try:
        return ask()
    except (NotFoundError, BadRequestError) as error:
        if not _UNKNOWN.search(reason(error.body)) and not _NO_INDEX.search(reason(error.body)):
            raise
        if not (names := sources_of(query)) or not _has_shards(es, names):
            raise
    return ask()


def _has_shards(es: Elasticsearch, names: Sequence[str]) -> bool:
    try:
        answer = es.search(index=list(names), size=0, track_total_hits=False, ignore_unavailable=True)
    except ApiError as error:
        if error.status_code >= 500:
            raise
        return False
    with reading(f"Asking {', '.join(names)}"):
        return bool(answer["_shards"]["total"])


def _from_all_shards(doing: str, ask: Callable[[], Body]) -> Body:
    """Ask again while shards are not there: that of an index which a rollover has made starts in a second."""
    for pause in (*PAUSES, None):
        try:
            answer = ask()
        except ApiError as error:
            if pause is None or error_type(error.body) not in _NO_SHARD:
                raise
        else:
            with reading(doing):
                if not answer.get("_shards", {}).get("failed", 0) and not answer.get("is_partial"):
                    return answer
        if pause is not None:
            time.sleep(pause)
    raise RetryLater(f"{doing}: only some of the shards answered.")


def hits_of(answer: Mapping[str, Any]) -> list[Body]:
    """The hits of an answer; none where filter_path left nothing."""
    with reading("Reading hits"):
        hits: list[Body] = list(answer.get("hits", {}).get("hits", []))
    return hits


def _close(es: Elasticsearch, pit: str) -> None:
    try:
        es.close_point_in_time(id=pit)
    except ApiError:
        return  # it ends by itself after its keep-alive

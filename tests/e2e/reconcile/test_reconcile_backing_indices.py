"""A stream of many backing indices is looked up where a window's documents can be, and ends as any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from elastic_transport import Transport, TransportApiResponse
from elasticsearch import Elasticsearch

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.backing_indices import LIFETIME, MANY, BackingIndices
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import BadRequest
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ranges import Range
from tests.harness.reconcile_samples import (
    HOUR,
    NOW,
    ORGANIZATION,
    START,
    backing,
    document,
    plain,
    put,
    rows,
)

DAY = timedelta(days=1)


class Watched(Transport):
    """Notes what each search asked, and can do something after the backing indices were listed."""

    searched: tuple[str, ...] = ()
    after_listing: Any = None

    def perform_request(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        path = target.partition("?")[0]
        if path.endswith("/_search"):
            type(self).searched += (path.split("/")[1],)
        answer = super().perform_request(method, target, **options)
        if "_settings" in path and (now := type(self).after_listing):
            type(self).after_listing = None
            now()
        return answer


@pytest.fixture
def watched(elasticsearch_url: str) -> Iterator[Streams]:
    with Elasticsearch(elasticsearch_url, transport_class=Watched) as client:
        yield Streams(client, sleep=lambda seconds: None)
    Watched.searched, Watched.after_listing = (), None


def of_day(day: int, tokens: int = 1) -> Prepared:
    return document(day, tokens, **{"@timestamp": (START + day * DAY).isoformat()})


def window(day: int) -> Range:
    return Range(START + day * DAY, START + (day + 1) * DAY)


def keep(streams: Streams, stream: str, day: int, wanted: Prepared) -> Outcome:
    return streams.reconcile(
        stream, window(day), [wanted], organization_id=ORGANIZATION, confirm_after=HOUR, now=NOW
    )


@pytest.fixture
def long(es: Elasticsearch, fresh: str) -> str:
    """A stream of `MANY` backing indices, each with one day."""
    for day in range(MANY):
        if day:
            es.indices.rollover(alias=fresh)
        put(es, fresh, of_day(day))
    return fresh


def test_a_window_is_looked_up_only_where_its_documents_can_be(
    es: Elasticsearch, watched: Streams, long: str
) -> None:
    names = backing(es, long)
    assert keep(watched, long, 2, of_day(2)) == Outcome(kept=1)
    assert keep(watched, long, 2, of_day(2, tokens=7)) == Outcome(replaced=1)
    assert set(Watched.searched) == {f"{names[2]},{names[-2]},{names[-1]}"}
    assert rows(es, long) == plain([of_day(day, 7 if day == 2 else 1) for day in range(MANY)])


def test_a_document_that_another_agent_wrote_after_a_rollover_is_not_written_twice(
    es: Elasticsearch, watched: Streams, long: str
) -> None:
    """Even if the rollover comes between the list of backing indices and the search."""
    keep(watched, long, 2, of_day(2))
    elsewhere = document(100, **{"@timestamp": (START + 2 * DAY + HOUR).isoformat()})

    def roll_over() -> None:
        es.indices.rollover(alias=long)
        put(es, long, elsewhere)

    Watched.after_listing = roll_over
    outcome = watched.reconcile(
        long, window(2), [of_day(2), elsewhere], organization_id=ORGANIZATION, confirm_after=HOUR, now=NOW
    )
    assert outcome == Outcome(kept=1, conflicts=1)
    assert rows(es, long) == plain([*(of_day(day) for day in range(MANY)), elsewhere])


def test_a_backing_index_that_is_deleted_before_it_is_searched_hides_no_other(
    es: Elasticsearch, watched: Streams, long: str
) -> None:
    both = Range(START, START + 2 * DAY)
    keep(watched, long, 2, of_day(2))
    Watched.after_listing = lambda: es.indices.delete(index=backing(es, long)[0])
    outcome = watched.reconcile(
        long, both, [of_day(0), of_day(1)], organization_id=ORGANIZATION, confirm_after=HOUR, now=NOW
    )
    assert outcome == Outcome(created=1, kept=1)
    assert rows(es, long) == plain([of_day(day) for day in range(MANY)])


def test_a_look_up_that_fails_names_the_stream_and_not_its_backing_indices(
    es: Elasticsearch, watched: Streams, long: str
) -> None:
    keep(watched, long, 2, of_day(2))
    Watched.after_listing = lambda: es.indices.close(index=backing(es, long)[2])
    with pytest.raises(BadRequest, match=f"^Refreshing {long}: "):
        keep(watched, long, 2, of_day(2))


def test_a_stream_that_grows_long_is_noticed_after_a_while(es: Elasticsearch, long: str) -> None:
    now = 0.0
    names = backing(es, long)
    es.indices.delete(index=names[0])
    indices = BackingIndices(es, monotonic=lambda: now)
    assert indices.holding(long, window(2)) is None
    es.indices.rollover(alias=long)
    assert indices.holding(long, window(2)) is None
    now = LIFETIME
    assert indices.holding(long, window(2)) == ",".join([names[2], names[-1], backing(es, long)[-1]])


def test_a_window_of_most_backing_indices_is_looked_up_in_the_stream(es: Elasticsearch, long: str) -> None:
    assert BackingIndices(es).holding(long, Range(START, START + 5 * DAY)) is None


def test_a_stream_of_few_backing_indices_or_none_is_asked_as_a_whole(es: Elasticsearch, fresh: str) -> None:
    assert BackingIndices(es).holding(fresh, window(2)) is None
    put(es, fresh, of_day(2))
    assert BackingIndices(es).holding(fresh, window(2)) is None

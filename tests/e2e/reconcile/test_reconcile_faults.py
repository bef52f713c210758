"""Reconciliation with other writers, lost answers and rollovers in between."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from elastic_transport import ConnectionError as ConnectionLost
from elastic_transport import SerializationError, TransportApiResponse
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.lookup import stored_copies
from anthropic_metrics.elastic.reconcile import ROUNDS, Streams
from anthropic_metrics.errors import RetryLater, Stopped
from anthropic_metrics.kernel.outcome import Change, Outcome
from tests.harness.reconcile_samples import (
    WINDOW,
    Faulty,
    Send,
    backing,
    canned,
    document,
    documents,
    overwrite,
    plain,
    put,
    reconcile,
    rows,
    where,
)


def test_when_recording_fails_nothing_is_written(es: Elasticsearch, streams: Streams, stream: str) -> None:
    def record(changes: list[Change]) -> None:
        raise RetryLater("away")

    reconcile(streams, stream, documents(1))
    with pytest.raises(RetryLater):
        reconcile(streams, stream, [document(0, 5)], record=record)
    assert rows(es, stream) == plain(documents(1))


def test_another_agents_write_in_between_is_looked_up_and_compared_anew(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    put(es, stream, document(0, 1))
    put(es, stream, document(1, 1))

    def meddle(number: int, send: Send, body: bytes) -> TransportApiResponse:
        if number == 1:
            overwrite(es, stream, document(0, 9))
            es.delete(id="row-1", **where(es, stream, "row-1"))
            put(es, stream, document(2, 9))
        return send()

    Faulty.rule = meddle
    wanted = documents(3, 5)
    assert reconcile(faulty, stream, wanted) == Outcome(created=1, replaced=2, conflicts=3)
    assert rows(es, stream) == plain(wanted)


def test_a_document_that_moved_before_it_was_read_for_the_record_is_compared_anew(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(es, stream, document(0, 1))
    seen: list[Change] = []
    real = es.mget

    def meddle(**arguments: Any) -> Any:
        monkeypatch.undo()
        overwrite(es, stream, document(0, 9))
        return real(**arguments)

    monkeypatch.setattr(es, "mget", meddle)
    assert reconcile(streams, stream, [document(0, 5)], record=seen.extend) == Outcome(
        replaced=1, conflicts=1
    )
    assert [change.before for change in seen] == [document(0, 9).source]


def test_the_three_other_writers_of_two_agents_may_each_be_faster_twice(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    put(es, stream, document(0))

    def meddle(number: int, send: Send, body: bytes) -> TransportApiResponse:
        if number <= 3 * 2:
            overwrite(es, stream, document(0, 100 + number))
        return send()

    Faulty.rule = meddle
    assert reconcile(faulty, stream, [document(0, 5)]) == Outcome(replaced=1, conflicts=6)
    assert rows(es, stream) == plain([document(0, 5)])


def test_endless_conflicts_end_after_some_rounds_and_the_window_is_not_done(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    put(es, stream, document(0))

    def meddle(number: int, send: Send, body: bytes) -> TransportApiResponse:
        overwrite(es, stream, document(0, 100 + number))
        return send()

    Faulty.rule = meddle
    outcome = reconcile(faulty, stream, [document(0, 5)])
    assert outcome == Outcome(conflicts=ROUNDS, unsettled=1)
    assert not outcome.done


def test_after_a_lost_acknowledgement_the_next_pass_finds_all_done(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    def lose(number: int, send: Send, body: bytes) -> TransportApiResponse:
        send()
        raise ConnectionLost("reset by peer")

    Faulty.rule = lose
    with pytest.raises(RetryLater, match="no connection"):
        reconcile(faulty, stream, documents(5))
    Faulty.rule = None
    assert reconcile(faulty, stream, documents(5)) == Outcome(kept=5)
    assert rows(es, stream) == plain(documents(5))


def test_a_bulk_that_was_done_but_answered_503_is_settled_in_the_same_pass(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    def fail_once(number: int, send: Send, body: bytes) -> TransportApiResponse:
        answer = send()
        return answer if number > 1 else canned(503)

    Faulty.rule = fail_once
    assert reconcile(faulty, stream, documents(5)) == Outcome(conflicts=5)
    assert rows(es, stream) == plain(documents(5))


def test_an_answer_that_was_cut_off_is_for_the_next_pass(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    def cut(number: int, send: Send, body: bytes) -> TransportApiResponse:
        send()
        raise SerializationError("Unable to deserialize")

    Faulty.rule = cut
    with pytest.raises(RetryLater, match="cut off"):
        reconcile(faulty, stream, documents(5))
    Faulty.rule = None
    assert reconcile(faulty, stream, documents(5)) == Outcome(kept=5)


def test_a_proxy_that_allows_less_gets_smaller_requests(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    def limit(number: int, send: Send, body: bytes) -> TransportApiResponse:
        return canned(413) if len(body) > 2_000 else send()

    Faulty.rule = limit
    assert reconcile(faulty, stream, documents(40)) == Outcome(created=40)
    assert rows(es, stream) == plain(documents(40))


def test_a_backing_index_deleted_in_between_loses_nothing_that_is_wanted(
    es: Elasticsearch, faulty: Streams, fresh: str
) -> None:
    put(es, fresh, document(0, 1))
    es.indices.rollover(alias=fresh)
    old = backing(es, fresh)[0]

    def delete(number: int, send: Send, body: bytes) -> TransportApiResponse:
        if number == 1:
            es.indices.delete(index=old)
        return send()

    Faulty.rule = delete
    assert reconcile(faulty, fresh, [document(0, 5)]) == Outcome(created=1, conflicts=1)
    assert rows(es, fresh) == plain([document(0, 5)])


def test_a_partial_lookup_is_an_error_and_never_an_empty_stream(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile(streams, stream, documents(2))
    real = es.search

    def partial(**arguments: Any) -> Any:
        answer = real(**arguments)
        answer.body["_shards"]["failed"] = 1
        answer.body["hits"]["hits"] = []
        return answer

    monkeypatch.setattr(es, "search", partial)
    monkeypatch.setattr(query, "PAUSES", (0, 0))
    with pytest.raises(RetryLater, match="only some of the shards"):
        reconcile(streams, stream, [])
    monkeypatch.undo()
    assert rows(es, stream) == plain(documents(2))


@pytest.mark.parametrize("asked", ["search", "open_point_in_time"])
def test_a_lookup_is_repeated_until_the_shard_that_a_rollover_made_is_there(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    reconcile(streams, stream, documents(2))
    real, left = getattr(es, asked), [True, True]

    def starting(**arguments: Any) -> Any:
        answer = real(**arguments)
        if left and left.pop():
            answer.body["_shards"] = {**answer.body["_shards"], "failed": 1}
        return answer

    monkeypatch.setattr(es, asked, starting)
    monkeypatch.setattr(query, "PAUSES", (0, 0))
    assert len(stored_copies(es, stream, WINDOW, {}, page=1)) == 2
    assert not left


def test_a_stopping_agent_leaves_before_the_next_request(es: Elasticsearch, stream: str) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        reconcile(Streams(es, stop=stop), stream, documents(1))


def test_two_agents_at_once_leave_each_document_once(
    elasticsearch_url: str, es: Elasticsearch, stream: str
) -> None:
    """Both write the same new window at the same time."""
    wanted = documents(3_000)
    barrier = threading.Barrier(2)
    outcomes: list[Outcome] = []

    def agent() -> None:
        with Elasticsearch(elasticsearch_url, request_timeout=60) as client:
            barrier.wait()
            outcomes.append(reconcile(Streams(client), stream, wanted))

    threads = [threading.Thread(target=agent) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.done for outcome in outcomes] == [True, True]
    assert sum(outcome.created for outcome in outcomes) == 3_000
    assert rows(es, stream) == plain(wanted)

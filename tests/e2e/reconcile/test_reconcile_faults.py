"""Reconciliation with other writers, lost answers, refusals and rollovers in between."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from elastic_transport import ConnectionError as ConnectionLost
from elastic_transport import SerializationError, TransportApiResponse
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.lookup import stored_copies
from anthropic_metrics.elastic.reconcile import ROUNDS, Streams
from anthropic_metrics.errors import RetryLater, SinkError, Stopped
from anthropic_metrics.kernel.outcome import Change, Outcome
from tests.harness.reconcile_samples import (
    BLOCKS,
    NOW,
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


def test_a_refused_document_is_named_and_does_not_keep_the_others_back(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    outcome = reconcile(streams, stream, [*documents(3), document(3, "a number, honestly")])
    assert (outcome.created, outcome.kept) == (3, 0)
    assert outcome.refused + outcome.diverted == 1  # diverted where there is a failure store
    assert not outcome.done
    assert rows(es, stream) == plain(documents(3))


def test_a_document_diverted_to_the_failure_store_is_counted_once_and_not_done(
    faulty: Streams, stream: str
) -> None:
    """The embedded server has no failure store: the answer is as Elasticsearch documents it."""
    sent: list[bytes] = []

    def divert(number: int, send: Send, body: bytes) -> TransportApiResponse:
        sent.append(body)
        answer = send()
        for item in answer.body["items"]:
            if "error" in item["create"]:
                item["create"] = {"status": 201, "failure_store": "used"}
        return answer

    Faulty.rule = divert
    wanted = [document(0), document(1, "no number")]
    outcome = reconcile(faulty, stream, wanted)
    assert outcome == Outcome(created=1, diverted=1)
    assert not outcome.done
    assert len(sent) == 1
    # It stays counted, but fills the failure store no further for an hour; then for two.
    for minutes, diverted in ((5, 0), (59, 0), (60, 1), (120, 0), (179, 0), (180, 1)):
        again = reconcile(faulty, stream, wanted, NOW + timedelta(minutes=minutes))
        assert again == Outcome(kept=1, diverted=diverted, withheld=1 - diverted)
        assert not again.done
    assert len(sent) == 3
    mended = reconcile(faulty, stream, [document(0), document(1, 7)], NOW + timedelta(minutes=181))
    assert mended == Outcome(created=1, kept=1)


def test_a_refused_document_is_not_sent_again_when_conflicts_ask_for_another_round(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    put(es, stream, document(0))

    def meddle(number: int, send: Send, body: bytes) -> TransportApiResponse:
        if number == 1:
            overwrite(es, stream, document(0, 9))
        else:
            assert b"row-1" not in body
        return send()

    Faulty.rule = meddle
    outcome = reconcile(faulty, stream, [document(0, 5), document(1, "no number")])
    assert (outcome.replaced, outcome.conflicts, outcome.unsettled) == (1, 1, 0)
    assert outcome.refused + outcome.diverted == 1
    assert not outcome.done


def test_a_refused_replacement_leaves_the_old_figure_and_says_so(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    reconcile(streams, stream, documents(2))
    outcome = reconcile(streams, stream, [document(0, "no number"), document(1, 5)])
    assert (outcome.refused, outcome.replaced) == (1, 1)
    assert outcome.refusals[0][0] == "row-0"
    assert "no number" in outcome.refusals[0][1] or "output_tokens" in outcome.refusals[0][1]
    assert rows(es, stream) == [("row-0", 1, None), ("row-1", 5, None)]


def test_a_read_only_backing_index_is_an_error_with_its_cure_after_all_else_was_written(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    reconcile(streams, fresh, documents(2))
    es.indices.rollover(alias=fresh)
    old = backing(es, fresh)[0]
    es.indices.put_settings(index=old, settings={BLOCKS: True})
    try:
        with pytest.raises(SinkError, match=r"403.*index\.blocks\.write"):
            reconcile(streams, fresh, [document(0, 5), document(1), document(2)])
    finally:
        es.indices.put_settings(index=old, settings={BLOCKS: None})
    assert rows(es, fresh) == plain(documents(3))
    assert reconcile(streams, fresh, [document(0, 5), document(1), document(2)]).done


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


def test_a_name_without_a_template_is_refused_and_names_setup(es: Elasticsearch, streams: Streams) -> None:
    with pytest.raises(SinkError, match="anthropic-metrics setup"):
        reconcile(streams, "nobody-made-a-template-for-this", documents(1))
    assert not es.indices.exists(index="nobody-made-a-template-for-this")


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

"""Reconciliation against a real Elasticsearch, with other writers, rollovers and failures in between."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from elastic_transport import (
    ApiResponseMeta,
    HttpHeaders,
    NodeConfig,
    SerializationError,
    Transport,
    TransportApiResponse,
)
from elastic_transport import ConnectionError as ConnectionLost
from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.assets import stream_name
from anthropic_metrics.elastic.diff import milliseconds
from anthropic_metrics.elastic.lookup import held
from anthropic_metrics.elastic.reconcile import ROUNDS, Change, Outcome, Streams
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.elastic.write import BulkWriter, remove
from anthropic_metrics.errors import RetryLater, SinkError, Stopped

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = (START, START + timedelta(days=1))
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORGANIZATION = "11111111-2222-3333-4444-555555555555"
BLOCKS = "index.blocks.write"


@pytest.fixture(scope="module", autouse=True)
def templates(es: Elasticsearch, elasticsearch_url: str) -> None:
    steps = apply(
        es, plan_setup(es, Config.model_validate({"elasticsearch": {"hosts": [elasticsearch_url]}}))
    )
    assert not [step for step in steps if step.status == "failed"]


@pytest.fixture
def fresh(namespace: str) -> str:
    """A stream that does not exist yet."""
    return stream_name("anthropic_metrics.usage", namespace)


@pytest.fixture(scope="module")
def shared() -> str:
    """Making a stream is slow, so most tests take turns with one; it has one backing index."""
    return stream_name("anthropic_metrics.usage", f"shared{uuid.uuid4().hex[:8]}")


@pytest.fixture
def stream(es: Elasticsearch, shared: str) -> str:
    """An empty stream."""
    copies = held(es, shared, WINDOW, {}) + held(es, shared, (WINDOW[1], WINDOW[1] + HOUR), {})
    BulkWriter(es).write(shared, [remove("delete", copy) for copy in copies])
    return shared


@pytest.fixture
def streams(es: Elasticsearch) -> Streams:
    return Streams(es, sleep=lambda seconds: None)


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


@pytest.fixture
def faulty(elasticsearch_url: str) -> Iterator[Streams]:
    Faulty.rule, Faulty.numbers = None, itertools.count(1)
    with Elasticsearch(elasticsearch_url, transport_class=Faulty, max_retries=0) as client:
        yield Streams(client, sleep=lambda seconds: None)
    Faulty.rule = None


def canned(status: int) -> TransportApiResponse:
    """What a proxy answers in the cluster's place."""
    node = NodeConfig("http", "localhost", 9200)
    return TransportApiResponse(ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, node), "gateway")


def test_a_stream_that_does_not_exist_is_made_and_filled(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    wanted = documents(25)
    assert reconcile(streams, fresh, wanted) == Outcome(created=25)
    assert rows(es, fresh) == plain(wanted)


def test_a_second_pass_writes_nothing(es: Elasticsearch, streams: Streams, stream: str) -> None:
    wanted = documents(25)
    reconcile(streams, stream, wanted)
    before = held(es, stream, WINDOW, {})
    assert reconcile(streams, stream, wanted) == Outcome(kept=25)
    assert sorted(held(es, stream, WINDOW, {}), key=str) == sorted(before, key=str)


def test_no_documents_and_no_stream_is_nothing_to_do(streams: Streams, fresh: str) -> None:
    assert reconcile(streams, fresh, []) == Outcome()


def test_revisions_and_late_rows_replace_and_join(es: Elasticsearch, streams: Streams, stream: str) -> None:
    reconcile(streams, stream, documents(5))
    wanted = [*documents(3), document(3, 30), document(4, 0), document(5)]
    assert reconcile(streams, stream, wanted) == Outcome(created=1, replaced=2, kept=3)
    assert rows(es, stream) == plain(wanted)


def test_revisions_reach_documents_in_older_backing_indices(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    reconcile(streams, fresh, documents(4))
    es.indices.rollover(alias=fresh)
    wanted = [*documents(3), document(3, 30), document(4)]
    assert reconcile(streams, fresh, wanted) == Outcome(created=1, replaced=1, kept=3)
    assert rows(es, fresh) == plain(wanted)
    assert len(backing(es, fresh)) == 2


def test_copies_in_two_backing_indices_become_one(es: Elasticsearch, streams: Streams, fresh: str) -> None:
    reconcile(streams, fresh, documents(3))
    es.indices.rollover(alias=fresh)
    for twin in documents(3):
        put(es, fresh, twin)
    assert reconcile(streams, fresh, documents(3)) == Outcome(deleted=3, kept=3)
    assert rows(es, fresh) == plain(documents(3))
    newest = backing(es, fresh)[-1]
    assert {copy.index for copy in held(es, fresh, WINDOW, {})} == {newest}


def test_a_row_that_vanishes_is_marked_then_deleted_after_the_confirmation(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    reconcile(streams, stream, documents(3))
    assert reconcile(streams, stream, documents(2)) == Outcome(marked=1, kept=2)
    stamp = milliseconds(NOW).isoformat(timespec="milliseconds")
    assert rows(es, stream) == [*plain(documents(2)), ("row-2", 1, stamp)]
    assert reconcile(streams, stream, documents(2), NOW + HOUR / 2) == Outcome(waiting=1, kept=2)
    assert reconcile(streams, stream, documents(2), NOW + HOUR) == Outcome(deleted=1, kept=2)
    assert rows(es, stream) == plain(documents(2))


def test_a_mark_changes_nothing_else_in_the_document(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    enriched = document(0, labels={"team": "search"}, tags=["mine"])
    reconcile(streams, stream, [enriched])
    reconcile(streams, stream, [])
    es.indices.refresh(index=stream)
    (hit,) = es.search(index=stream)["hits"]["hits"]
    del hit["_source"]["anthropic"]["missing_since"]
    assert hit["_source"] == enriched.source


def test_a_marked_row_that_reappears_unchanged_loses_its_mark_and_is_no_correction(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    seen: list[Change] = []
    reconcile(streams, stream, documents(1))
    reconcile(streams, stream, [])
    outcome = reconcile(streams, stream, documents(1), NOW + 2 * HOUR, record=seen.extend)
    assert outcome == Outcome(replaced=1)
    assert rows(es, stream) == plain(documents(1))
    assert not seen


def test_a_row_that_vanishes_again_after_it_reappeared_waits_anew(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    reconcile(streams, stream, documents(1))
    reconcile(streams, stream, [])
    reconcile(streams, stream, documents(1), NOW + HOUR)
    assert reconcile(streams, stream, [], NOW + 2 * HOUR) == Outcome(marked=1)


def test_one_agents_mark_is_confirmed_by_another(es: Elasticsearch, stream: str) -> None:
    one, two = Streams(es), Streams(es)
    reconcile(one, stream, documents(2))
    reconcile(one, stream, documents(1))
    assert reconcile(two, stream, documents(1), NOW + HOUR) == Outcome(deleted=1, kept=1)


def test_nothing_is_marked_or_deleted_when_deletes_are_off(streams: Streams, stream: str) -> None:
    reconcile(streams, stream, documents(2))
    assert reconcile(streams, stream, documents(1), deletes=False) == Outcome(kept=1)


def test_only_the_window_the_organization_and_the_terms_are_looked_at(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    other = document(101, organization="other")
    outside = document(103, **{"@timestamp": WINDOW[1].isoformat()})
    for each in (other, outside, document(0), document(1)):
        put(es, stream, each)
    assert reconcile(streams, stream, [], terms={"anthropic.workspace.id": ["w1"]}) == Outcome(marked=1)
    marked = [id_ for id_, _, mark in rows(es, stream) if mark]
    assert marked == ["row-1"]


def test_a_document_without_a_hash_is_replaced(es: Elasticsearch, streams: Streams, stream: str) -> None:
    put(es, stream, document(0, event={}))
    assert reconcile(streams, stream, documents(1)) == Outcome(replaced=1)


def test_changes_are_recorded_before_they_are_written(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    seen: list[Change] = []

    def record(changes: list[Change]) -> None:
        seen.extend(changes)
        assert rows(es, stream)[0][1] == 1
        assert len(rows(es, stream)) == 2

    reconcile(streams, stream, documents(2))
    reconcile(streams, stream, documents(1))
    (first,) = (copy for copy in held(es, stream, WINDOW, {}) if copy.id == "row-0")
    reconcile(streams, stream, [document(0, 5)], NOW + HOUR, record=record)
    replaced, deleted = seen
    before, after = document(0).source, document(0, 5).source
    assert replaced == Change("row-0", first.index, first.seq_no, before, after)
    assert (deleted.id, deleted.after) == ("row-1", None)
    assert deleted.before
    assert rows(es, stream) == plain([document(0, 5)])


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
    outcome = reconcile(faulty, stream, [document(0), document(1, "no number")])
    assert outcome == Outcome(created=1, diverted=1)
    assert not outcome.done
    assert len(sent) == 1


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


def test_windows_larger_than_a_page_are_held_whole(es: Elasticsearch, streams: Streams, stream: str) -> None:
    wanted = documents(25)
    reconcile(streams, stream, wanted)
    for page in (5, 10, 25, 26):
        found = held(es, stream, WINDOW, {}, page=page)
        assert sorted(copy.id for copy in found) == sorted(each.id for each in wanted)


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
    with pytest.raises(RetryLater, match="only some of the shards"):
        reconcile(streams, stream, [])
    monkeypatch.undo()
    assert rows(es, stream) == plain(documents(2))


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


def test_append_writes_each_id_once_over_a_rollover_too(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    given = documents(4)
    assert streams.append(fresh, given[:2]) == Outcome(created=2)
    es.indices.rollover(alias=fresh)
    assert streams.append(fresh, given[:3]) == Outcome(created=1, kept=2)
    assert streams.append(fresh, [*given, given[3]]) == Outcome(created=1, kept=4)
    assert rows(es, fresh) == plain(documents(4))

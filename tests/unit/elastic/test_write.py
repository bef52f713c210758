"""Bulk requests: how they are cut, how each item is read, what is sent again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, Elasticsearch
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.operations import Kind, Operation, chunks, create, overwrite, remove
from anthropic_metrics.elastic.write import ATTEMPTS, BulkWriter, Verdict, classify
from anthropic_metrics.errors import AuthError, RetryLater, SinkError, Stopped

COPY = Copy('a"b', ".ds-x-000001", 7, 2, "h")
Answer = Callable[[int, list[str]], list[dict[str, Any]]]


class FakeBulk:
    """Stands for the client: `answer(number, ids)` gives the items of the n-th request, or raises."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[list[str]] = []

    def bulk(self, *, operations: tuple[bytes], **_: Any) -> dict[str, Any]:
        lines = [json.loads(line) for line in operations[0].splitlines()]
        ids = [line["create"]["_id"] for line in lines if "create" in line]
        self.requests.append(ids)
        return {"items": [{"create": item} for item in self.answer(len(self.requests), ids)]}


def writer(answer: Answer, **options: Any) -> tuple[BulkWriter, FakeBulk, list[float]]:
    waits: list[float] = []
    fake: Any = FakeBulk(answer)
    es: Elasticsearch = fake
    return BulkWriter(es, sleep=waits.append, **options), fake, waits


def creates(count: int) -> list[Operation]:
    return [create(str(number), b"{}") for number in range(count)]


def failed(status: int, kind: str = "x_exception", reason: str = "because") -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason}}


def api_error(status: int, body: Any = "gateway") -> ApiError:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))
    return ApiError(str(body), meta, body)


def test_lines_are_valid_json_whatever_the_id_holds() -> None:
    action, source = create('a"\n', b'{"x":0.1}').lines.splitlines()
    assert json.loads(action) == {"create": {"_id": 'a"\n', "require_data_stream": True}}
    assert json.loads(source) == {"x": 0.1}
    version = {"_index": ".ds-x-000001", "_id": 'a"b', "if_seq_no": 7, "if_primary_term": 2}
    action, source = overwrite("replace", COPY, b'{"x":1}').lines.splitlines()
    assert (json.loads(action), json.loads(source)) == ({"index": version}, {"x": 1})
    (action,) = remove("delete", COPY).lines.splitlines()
    assert json.loads(action) == {"delete": version}


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 7), st.integers(10, 100))
def test_chunks_hold_everything_in_order_within_their_limits(sizes: list[int], count: int, size: int) -> None:
    operations = [Operation("create", str(i), b"x" * length) for i, length in enumerate(sizes)]
    cut = list(chunks(operations, count, size))
    assert [operation for chunk in cut for operation in chunk] == operations
    for chunk in cut:
        assert 1 <= len(chunk) <= count
        assert len(chunk) == 1 or sum(len(operation.lines) for operation in chunk) <= size


@pytest.mark.parametrize(
    ("kind", "item", "verdict"),
    [
        ("create", {"status": 201, "result": "created"}, Verdict.DONE),
        ("replace", {"status": 200, "result": "updated"}, Verdict.DONE),
        ("delete", {"status": 200, "result": "deleted"}, Verdict.DONE),
        ("create", {"status": 201, "failure_store": "used"}, Verdict.DIVERTED),
        ("create", {"status": 201, "failure_store": "not_applicable_or_unknown"}, Verdict.DONE),
        ("create", {**failed(400), "failure_store": "failed"}, Verdict.REFUSED),
        ("create", {**failed(400), "failure_store": "not_enabled"}, Verdict.REFUSED),
        ("create", {"status": 200, "result": "noop"}, Verdict.DROPPED),
        ("replace", {"status": 200, "result": "noop"}, Verdict.DROPPED),
        ("create", failed(409), Verdict.CONFLICT),
        ("delete", failed(409), Verdict.CONFLICT),
        ("delete", {"status": 404, "result": "not_found"}, Verdict.DONE),
        ("extra", failed(404), Verdict.DONE),
        ("replace", failed(404), Verdict.CONFLICT),
        ("mark", failed(404), Verdict.CONFLICT),
        ("create", failed(404), Verdict.BLOCKED),
        ("create", failed(429), Verdict.RETRY),
        ("replace", failed(503), Verdict.RETRY),
        ("create", failed(403), Verdict.BLOCKED),
        ("create", failed(401), Verdict.BLOCKED),
        ("create", failed(400), Verdict.REFUSED),
        ("create", failed(413), Verdict.REFUSED),
    ],
)
def test_every_item_gets_a_verdict(kind: Kind, item: dict[str, Any], verdict: Verdict) -> None:
    assert classify(kind, item) is verdict


def test_only_throttled_items_are_sent_again_after_longer_and_longer_waits() -> None:
    def answer(number: int, ids: list[str]) -> list[dict[str, Any]]:
        return [failed(429) if number < 4 and id_ in ("1", "3") else {"status": 201} for id_ in ids]

    bulk, fake, waits = writer(answer)
    assert bulk.write("s", creates(5)).done["create"] == 5
    assert fake.requests == [["0", "1", "2", "3", "4"], *[["1", "3"]] * 3]
    assert len(waits) == 3
    assert 0.75 <= waits[0] < waits[1] < waits[2] <= 5


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_whole_request_that_failed_on_the_servers_side_is_sent_again(status: int) -> None:
    def answer(number: int, ids: list[str]) -> list[dict[str, Any]]:
        if number == 1:
            raise api_error(status)
        return [{"status": 201} for _ in ids]

    bulk, fake, _ = writer(answer)
    assert bulk.write("s", creates(2)).done["create"] == 2
    assert len(fake.requests) == 2


def test_endless_throttling_ends_in_retry_later_with_the_reason() -> None:
    bulk, fake, waits = writer(lambda number, ids: [failed(429, reason="queue is full") for _ in ids])
    with pytest.raises(RetryLater, match="2 documents were not accepted: queue is full"):
        bulk.write("s", creates(2))
    assert (len(fake.requests), len(waits)) == (ATTEMPTS, ATTEMPTS - 1)


def test_a_stop_during_a_wait_ends_the_repetitions() -> None:
    stop = threading.Event()

    def answer(number: int, ids: list[str]) -> list[dict[str, Any]]:
        stop.set()
        return [failed(429)]

    bulk, fake, _ = writer(answer, stop=stop)
    with pytest.raises(Stopped):
        bulk.write("s", creates(1))
    assert len(fake.requests) == 1


def test_a_blocked_item_keeps_no_other_back_and_is_raised_at_the_end() -> None:
    def answer(number: int, ids: list[str]) -> list[dict[str, Any]]:
        return [
            failed(403, "cluster_block_exception", "read-only") if id_ == "0" else {"status": 201}
            for id_ in ids
        ]

    bulk, fake, _ = writer(answer)
    with pytest.raises(SinkError, match="read-only") as caught:
        bulk.write("s", creates(1_500))
    assert "index.blocks.write" in caught.value.cure
    assert sum(len(ids) for ids in fake.requests) == 1_500


def test_missing_rights_are_an_auth_error_with_elasticsearchs_own_naming_of_them() -> None:
    reason = (
        "action [indices:data/write/bulk[s]] is unauthorized, granted by the index privileges [create_doc]"
    )
    bulk, _, _ = writer(lambda number, ids: [failed(403, "security_exception", reason)])
    with pytest.raises(AuthError, match="create_doc"):
        bulk.write("s", creates(1))


def test_an_answer_with_items_missing_is_never_taken_for_done() -> None:
    bulk, _, _ = writer(lambda number, ids: [{"status": 201}])
    with pytest.raises(SinkError, match="1 answers to 2 operations"):
        bulk.write("s", creates(2))


def test_a_document_too_large_for_the_server_is_refused_by_name() -> None:
    def answer(number: int, ids: list[str]) -> list[dict[str, Any]]:
        if "2" in ids:
            raise api_error(413)
        return [{"status": 201} for _ in ids]

    bulk, _, _ = writer(answer)
    written = bulk.write("s", creates(4))
    assert written.done["create"] == 3
    assert [id_ for id_, _ in written.refused] == ["2"]

"""Several bulk requests are under way together, with the guarantees of one after the other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
from elastic_transport import ConnectionError as LostConnection
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.operations import CHUNK_COUNT, Operation, create, overwrite, remove
from anthropic_metrics.elastic.write import CONNECTIONS, BulkWriter
from anthropic_metrics.errors import RetryLater

PATIENCE = 30.0
DONE = {"status": 201}


class Server:
    """Answers each request by `answer(number, kinds)` per item, and counts those under way."""

    def __init__(self, answer: Callable[[int], dict[str, Any]] = lambda number: DONE) -> None:
        self.answer = answer
        self.lock = threading.Lock()
        self.under_way = self.most = 0
        self.sent: list[tuple[str, ...]] = []
        self.alone: list[bool] = []

    def bulk(self, *, operations: tuple[bytes], **_: Any) -> dict[str, Any]:
        lines = [json.loads(line) for line in operations[0].splitlines()]
        kinds = [kind for line in lines for kind in ("create", "index", "delete") if kind in line]
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.alone.append(self.under_way == 1)
            self.sent.append(tuple(sorted(set(kinds))))
            number = len(self.sent)
        try:
            item = self.answer(number)
            return {"items": [{kind: item} for kind in kinds]}
        finally:
            with self.lock:
                self.under_way -= 1


def writer(server: Any, sleep: Callable[[float], object] = lambda seconds: None) -> BulkWriter:
    es: Elasticsearch = server
    return BulkWriter(es, sleep=sleep)


def creates(count: int) -> Iterator[Operation]:
    return (create(str(number), b"{}") for number in range(count))


def copies(count: int) -> list[Copy]:
    return [Copy(str(number), ".ds-x-000001", number, 1, "h") for number in range(count)]


def test_chunks_of_one_kind_are_under_way_together_and_no_more_than_the_connections() -> None:
    together = threading.Barrier(CONNECTIONS, timeout=PATIENCE)

    def answer(number: int) -> dict[str, Any]:
        together.wait()
        return DONE

    server = Server(answer)
    written = writer(server).write("s", creates(2 * CONNECTIONS * CHUNK_COUNT))
    assert written.done["create"] == 2 * CONNECTIONS * CHUNK_COUNT
    assert (len(server.sent), server.most) == (2 * CONNECTIONS, CONNECTIONS)


def test_a_single_chunk_takes_no_thread() -> None:
    threads: list[str] = []

    def answer(number: int) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return DONE

    writer(Server(answer)).write("s", creates(CHUNK_COUNT))
    assert threads == [threading.current_thread().name]


def test_replacements_wait_for_every_creation_and_deletions_for_every_replacement() -> None:
    server = Server()
    held = copies(2 * CHUNK_COUNT)
    operations = chain(
        creates(2 * CHUNK_COUNT),
        (overwrite("replace", copy, b"{}") for copy in held),
        (remove("delete", copy) for copy in held),
    )
    done = writer(server).write("s", operations).done
    assert done == {"create": 2 * CHUNK_COUNT, "replace": 2 * CHUNK_COUNT, "delete": 2 * CHUNK_COUNT}
    assert server.sent == [("create",)] * 2 + [("index",)] * 2 + [("delete",)] * 2
    assert [server.alone[2], server.alone[4]] == [True, True]


def test_what_was_throttled_is_sent_again_when_nothing_is_under_way() -> None:
    throttled = {"status": 429, "error": {"type": "x", "reason": "busy"}}
    server = Server(lambda number: throttled if number <= CONNECTIONS else DONE)
    under_way: list[int] = []
    written = writer(server, lambda seconds: under_way.append(server.under_way)).write(
        "s", creates(5 * CHUNK_COUNT)
    )
    assert written.done["create"] == 5 * CHUNK_COUNT
    assert under_way == [0] * CONNECTIONS


def test_a_lost_answer_is_raised_only_when_nothing_is_under_way_any_more() -> None:
    lost = threading.Event()

    def answer(number: int) -> dict[str, Any]:
        if number == 1:
            lost.set()
            raise LostConnection("gone")
        assert lost.wait(PATIENCE)
        return DONE

    server = Server(answer)
    with pytest.raises(RetryLater):
        writer(server).write("s", creates(10 * CHUNK_COUNT))
    assert server.under_way == 0
    # The request that arrives first need not be the one that was sent first: those before it go on.
    assert len(server.sent) < 2 * CONNECTIONS

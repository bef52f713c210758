"""Three ways to write the same documents into an empty stream: the agent, a bulk helper, and bare sockets."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.operations import chunks, create
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.kernel.tally import Tally
from bench.setting import DAYS, agent_at, backfill, hourly

CONNECTIONS = 4


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock and of this process's CPU."""

    wall: float
    cpu: float


class Stopwatch:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self) -> Spent:
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def documents(api: str, elasticsearch: str, days: int = DAYS) -> list[Prepared]:
    """What a backfill of so many days has to write; the server gets its templates."""
    with agent_at(api, elasticsearch, days=days) as agent:
        ensure(agent.runtime.elasticsearch, agent.config)
        poller = hourly(agent)
        windows = poller.documents(poller.view.whole(agent.clock()), Tally("", ""))
        return [document for _, prepared in windows for document in prepared]


def by_agent(api: str, elasticsearch: str, namespace: str, expected: int, days: int = DAYS) -> Spent:
    """A first pass into an empty stream: fetch, build, look up, compare, write."""
    with agent_at(api, elasticsearch, namespace, days) as agent:
        job = backfill(agent)
        watch = Stopwatch()
        tally = agent.attempt(job)
        spent = watch.spent()
    assert (tally.created, tally.done) == (expected, True), tally
    return spent


def by_helper(elasticsearch: str, namespace: str, ready: Sequence[Prepared]) -> Spent:
    """`parallel_bulk`, at its defaults, for documents that are there already as objects."""
    with Elasticsearch(elasticsearch, request_timeout=60) as es:
        actions = [
            {
                "_op_type": "create",
                "_index": stream(namespace),
                "_id": document.id,
                "_source": document.source,
            }
            for document in ready
        ]
        watch = Stopwatch()
        written = sum(ok for ok, _ in parallel_bulk(es, actions))
        spent = watch.spent()
    assert written == len(ready)
    return spent


def by_socket(elasticsearch: str, namespace: str, ready: Sequence[Prepared]) -> Spent:
    """Bulk bodies that are there already, over four connections: the most that this server takes."""
    operations = (create(document.id, document.body) for document in ready)
    bodies = [b"".join(operation.lines for operation in chunk) for chunk in chunks(operations)]
    shares = [bodies[number::CONNECTIONS] for number in range(CONNECTIONS)]
    watch = Stopwatch()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [pool.submit(_post, elasticsearch, namespace, share) for share in shares]
        assert all(answer.result() for answer in answers)
    return watch.spent()


def _post(elasticsearch: str, namespace: str, bodies: Sequence[bytes]) -> bool:
    connection = http.client.HTTPConnection(urlsplit(elasticsearch).netloc, timeout=60)
    path = f"/{stream(namespace)}/_bulk?filter_path=errors"
    good = True
    for body in bodies:
        connection.request("POST", path, body, {"content-type": "application/x-ndjson"})
        good = (connection.getresponse().read() == b'{"errors":false}') and good
    connection.close()
    return good


def stream(namespace: str) -> str:
    """The data stream of usage by the hour."""
    return f"metrics-anthropic_metrics.usage-{namespace}"

"""Documents per second of a whole backfill, beside the bulk helper that is given the same documents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from statistics import median

from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.tally import Tally
from bench.setting import Figure, agent_at, backfill, canned, hourly

ROWS = 30  # in each bucket: 22,080 documents
ROUNDS = 5
WARM_UP = 2  # rounds that do not count: the server compiles its own code first
AIM = 0.5


def measure() -> list[Figure]:
    """Rounds of both in turn; the ratio is the median of the rounds' own ratios."""
    numbers = count()
    rates: list[tuple[float, float]] = []
    with canned("api", ROWS) as api, EmbeddedElasticsearch(heap="1g") as server:
        with agent_at(api, server.url) as agent:
            poller = hourly(agent)
            ready = list(poller.documents(poller.view.whole(agent.clock()), Tally("", "")))
        for round_ in range(WARM_UP + ROUNDS):
            if round_ % 2:
                helper = _bulk_helper(server.url, f"n{next(numbers)}", ready)
                ours = _agent(api, server.url, f"n{next(numbers)}", len(ready))
            else:
                ours = _agent(api, server.url, f"n{next(numbers)}", len(ready))
                helper = _bulk_helper(server.url, f"n{next(numbers)}", ready)
            rates.append((len(ready) / ours, len(ready) / helper))
    rates = rates[WARM_UP:]
    ratio = median(ours / helper for ours, helper in rates)
    return [
        Figure(
            f"backfill of {len(ready):,} documents",
            f"{median(ours for ours, _ in rates):,.0f} documents/s",
            f"parallel_bulk {median(helper for _, helper in rates):,.0f} documents/s",
            f"{ratio:.2f} of it (aim: {AIM} or more)",
            ratio >= AIM,
        )
    ]


def _agent(api: str, elasticsearch: str, namespace: str, expected: int) -> float:
    """Seconds of a first pass into an empty stream: fetch, build, look up, compare, write."""
    with agent_at(api, elasticsearch, namespace) as agent:
        job = backfill(agent)
        started = time.perf_counter()
        tally = agent.attempt(job)
        seconds = time.perf_counter() - started
    assert (tally.created, tally.done) == (expected, True), tally
    return seconds


def _bulk_helper(elasticsearch: str, namespace: str, ready: Sequence[Prepared]) -> float:
    """Seconds of `parallel_bulk`, at its defaults, for documents that are there already."""
    stream = f"metrics-anthropic_metrics.usage-{namespace}"
    with Elasticsearch(elasticsearch, request_timeout=60) as es:
        actions = (
            {"_op_type": "create", "_index": stream, "_id": document.id, "_source": document.source}
            for document in ready
        )
        started = time.perf_counter()
        written = sum(ok for ok, _ in parallel_bulk(es, actions))
        seconds = time.perf_counter() - started
    assert written == len(ready)
    return seconds

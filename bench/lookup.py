"""A look-up in a stream of thirty backing indices beside the same in a stream of three.

Both hold the same documents. The look-ups of a day and of an hour take turns on both streams.
"""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median

from elasticsearch import Elasticsearch

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.lookup import stored_copies
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.ranges import Range
from bench.setting import DAYS, NOW, Figure, canned
from bench.writers import by_socket, documents, stream

AN_HOUR = 100  # 73,600 documents
INDICES = (3, 30)
ROUNDS = 15
END = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=DAYS // 2)
WINDOWS = {"an hour": timedelta(hours=1), "a day": timedelta(days=1)}
AIM = 1.25


def measure() -> list[Figure]:
    """Milliseconds of a look-up in each stream."""
    with (
        canned("api", AN_HOUR) as api,
        EmbeddedElasticsearch(heap="1g") as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        ready = documents(api, server.url)
        for indices in INDICES:
            _fill(es, server.url, indices, ready)
        return [_figure(es, name, length, len(ready)) for name, length in WINDOWS.items()]


def _fill(es: Elasticsearch, url: str, indices: int, ready: list[Prepared]) -> None:
    """The same share of the documents in each backing index, as time would have it."""
    share = -(-len(ready) // indices)
    for start in range(0, len(ready), share):
        if start:
            es.indices.rollover(alias=stream(f"n{indices}"))
        by_socket(url, f"n{indices}", ready[start : start + share])
    names = es.indices.get_settings(index=stream(f"n{indices}"))
    assert len(names) == indices, list(names)


def _figure(es: Elasticsearch, name: str, length: timedelta, count: int) -> Figure:
    window = Range(END - length, END)
    rounds = [[_milliseconds(es, indices, window) for indices in INDICES] for _ in range(2 + ROUNDS)][2:]
    few, many = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(theirs / own for own, theirs in rounds)
    return Figure(
        f"look-up of {name} of {count:,} documents",
        f"{many:.1f} ms in {INDICES[1]} indices",
        f"{few:.1f} ms in {INDICES[0]}",
        f"{ratio:.2f} of it (aim: {AIM:g} or less)",
        ratio <= AIM,
    )


def _milliseconds(es: Elasticsearch, indices: int, window: Range) -> float:
    started = time.perf_counter()
    found = stored_copies(es, stream(f"n{indices}"), window, {})
    taken = time.perf_counter() - started
    assert len(found) == AN_HOUR * ((window.end - window.start) // timedelta(hours=1))
    return taken * 1e3

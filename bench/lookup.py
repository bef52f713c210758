"""A look-up in a stream of thirty backing indices beside the same in a stream of three.

Both hold the same documents. Look-ups of an hour, of a day and of a day's hashes take turns on both streams.
`python -m bench.lookup 5` puts five months of them, 368,000, into each index: eleven million into thirty, the
newest 1.1 million into three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from statistics import median

from elasticsearch import Elasticsearch

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.backing_indices import BackingIndices
from anthropic_metrics.elastic.lookup import stored_copies, stored_hashes
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.ranges import Range
from bench.setting import DAYS, NOW, Figure, canned
from bench.writers import by_socket, documents, stream

AN_HOUR = 100  # 73,600 documents
INDICES = (3, 30)
WARM, ROUNDS = 40, 40
END = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=DAYS // 2)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AIM = 1.25
MONTH = timedelta(days=DAYS)

Ask = Callable[[Elasticsearch, str, Range, str | None], int]
# The documents of each backing index, the oldest first, by how many indices there are.
Contents = Callable[[list[Prepared], int], Iterator[list[Prepared]]]


def measure() -> list[Figure]:
    """Milliseconds of a look-up in each stream, of the same documents."""
    return _measured(_shares)


def main(months: str) -> None:
    """Print milliseconds of a look-up in each stream, with so many months of documents in every index."""
    for figure in _measured(partial(_months, int(months))):
        print(f"{figure.what}: {figure.agent}, {figure.beside}, {figure.verdict}")


def _shares(ready: list[Prepared], indices: int) -> Iterator[list[Prepared]]:
    share = -(-len(ready) // indices)
    for start in range(0, len(ready), share):
        yield ready[start : start + share]


def _months(each: int, ready: list[Prepared], indices: int) -> Iterator[list[Prepared]]:
    for number in reversed(range(indices)):
        months = reversed(range(number * each, (number + 1) * each))
        yield [_older(document, month) for month in months for document in ready]


def _older(document: Prepared, months: int) -> Prepared:
    """The document so many months of thirty days earlier."""
    stamp = document.body.partition(b'"@timestamp":"')[2].partition(b'"')[0]
    earlier = datetime.fromisoformat(stamp.decode()) - months * MONTH
    moved = document.body.replace(stamp, f"{earlier:%Y-%m-%dT%H:%M:%SZ}".encode())
    return Prepared(f"{document.id}{months}", document.hash, moved)


def _measured(contents: Contents) -> list[Figure]:
    with (
        canned("api", AN_HOUR) as api,
        EmbeddedElasticsearch(heap="1g") as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        ready = documents(api, server.url)
        counts = [_fill(es, server.url, indices, contents(ready, indices)) for indices in INDICES]
        backing = BackingIndices(es)
        return [_figure(es, backing, *asked, counts) for asked in ASKED]


def _fill(es: Elasticsearch, url: str, indices: int, contents: Iterator[list[Prepared]]) -> int:
    """Fill each backing index as time would have it; how many documents there are."""
    name = stream(f"n{indices}")
    count = 0
    for number, documents_of_index in enumerate(contents):
        if number:
            es.indices.rollover(alias=name)
        by_socket(url, f"n{indices}", documents_of_index)
        count += len(documents_of_index)
    names = es.indices.get_settings(index=name)
    assert len(names) == indices, list(names)
    while es.indices.stats(index=name, metric="merge")["_all"]["total"]["merges"]["current"]:
        time.sleep(1)
    return count


def _copies(es: Elasticsearch, name: str, window: Range, indices: str | None) -> int:
    return len(stored_copies(es, name, window, {}, indices=indices))


def _hashes(es: Elasticsearch, name: str, window: Range, indices: str | None) -> int:
    hashes = stored_hashes(es, name, window, {}, indices=indices)
    assert hashes is not None
    return hashes.total()


ASKED = (("an hour", HOUR, _copies), ("a day", DAY, _copies), ("a day's hashes", DAY, _hashes))


def _figure(
    es: Elasticsearch, backing: BackingIndices, name: str, length: timedelta, ask: Ask, counts: list[int]
) -> Figure:
    window = Range(END - length, END)
    streams = [stream(f"n{indices}") for indices in INDICES]
    rounds = [
        [_milliseconds(es, backing, each, window, ask) for each in streams] for _ in range(WARM + ROUNDS)
    ]
    few, many = (median(column) for column in zip(*rounds[WARM:], strict=True))
    ratio = median(theirs / own for own, theirs in rounds[WARM:])
    each = (many - few) / (INDICES[1] - INDICES[0])
    return Figure(
        f"look-up of {name} of {counts[1]:,} documents",
        f"{many:.1f} ms in {INDICES[1]} indices",
        f"{few:.1f} ms in {INDICES[0]}, of {counts[0]:,}",
        f"{ratio:.2f} of it (aim: {AIM:g} or less), {each:.2f} ms a further index",
        ratio <= AIM,
    )


def _milliseconds(es: Elasticsearch, backing: BackingIndices, name: str, window: Range, ask: Ask) -> float:
    started = time.perf_counter()
    found = ask(es, name, window, backing.holding(name, window))
    taken = time.perf_counter() - started
    assert found == AN_HOUR * ((window.end - window.start) // HOUR)
    return taken * 1e3


if __name__ == "__main__":
    main(*sys.argv[1:])

"""An audit holds no more in memory than one range of a stream, and leaves no part of its window out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.audit import compare as module
from anthropic_metrics.audit.compare import Audited, audit, compare_runs
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.kernel.ports import Documents
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.streams.registry import BY_DATASET
from tests.harness.memory_streams import Store, document, small_wire
from tests.harness.view_pollers import connected, history, pollers

NOW = datetime(2026, 11, 20, 6, 42, 10, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_CLIENT: Any = None


class Looked:
    """Answers for Elasticsearch from a store in memory, and notes the ranges that were looked up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = Store()
        self.ranges: list[Range] = []
        monkeypatch.setattr(module, "stored_copies", self._copies)
        monkeypatch.setattr(module, "sources_of", self._sources)

    def put(self, *documents: Prepared) -> None:
        assert all(self.store.put(one, None) for one in documents)

    def _copies(
        self, es: object, stream: str, window: Range, terms: Mapping[str, Sequence[str]], **_: Any
    ) -> list[Copy]:
        self.ranges.append(window)
        return self.store.held(window)

    def _sources(
        self, es: object, stream: str, copies: Sequence[tuple[str, str]]
    ) -> list[tuple[str, dict[str, Any]]]:
        return [(id_, self.store.copies[id_][1]) for _, id_ in copies]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Looked:
    return Looked(monkeypatch)


def covered(ranges: Sequence[Range], whole: Range) -> bool:
    """Whether the ranges make up the whole, without a gap and without overlapping."""
    ordered = sorted(ranges, key=lambda one: one.start)
    bounds = [whole.start, *(one.end for one in ordered)]
    return [one.start for one in ordered] == bounds[:-1] and bounds[-1] == whole.end


def test_a_report_is_compared_window_by_window(looked: Looked) -> None:
    wire = small_wire(NOW)
    client, inventory = connected(wire)
    poller = pollers(wire, (client, inventory))[1]
    window = history(poller, wire)
    total = BY_DATASET[poller.dataset].total
    assert total is not None
    looked.put(document("stray", "h", window.start))

    result = audit(NO_CLIENT, poller, total, inventory, window, NOW)

    assert len(looked.ranges) > 1
    assert covered(looked.ranges, window)
    kinds = [difference.kind for difference in result.differences]
    assert kinds.count("extra") == 1
    assert kinds.count("missing") == result.documents_there > 0


def test_between_the_runs_of_a_derived_stream_nothing_is_expected(looked: Looked) -> None:
    window = Range(MIDNIGHT, MIDNIGHT + 6 * HOUR)
    looked.put(*(document(f"d{hour}", "h", MIDNIGHT + hour * HOUR) for hour in range(6)))

    def runs() -> Iterator[Documents]:
        for hour in (4, 1):
            run = Range(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR)
            yield run, [document(f"d{hour}", "h", run.start)]

    result = Audited("a stream", window)
    compare_runs(NO_CLIENT, result, runs(), {})

    assert covered(looked.ranges, window)
    extra = [difference.document_id for difference in result.differences if difference.kind == "extra"]
    assert sorted(extra) == ["d0", "d2", "d3", "d5"]

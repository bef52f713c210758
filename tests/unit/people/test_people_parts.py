"""People's days in parts that fit in memory, each day written from the newest answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from anthropic_metrics.audit import compare
from anthropic_metrics.audit.compare import Audited
from anthropic_metrics.audit.people import audit_people
from anthropic_metrics.errors import AnswerTooLarge
from anthropic_metrics.kernel import plan
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.read import Reader
from anthropic_metrics.simulator.analytics import Terms
from tests.harness.memory_streams import MemoryStreams
from tests.harness.people_world import DAY, TODAY, Remembered, World, people


def test_a_pass_over_everything_reads_the_history_and_a_second_agent_changes_nothing(w: World) -> None:
    w.poll(kind="whole")
    written = len(w.streams.store.written)
    assert {source["@timestamp"][:10] for source in people(w.streams)} == {
        f"2026-11-{day}" for day in range(15, 20)
    }

    tally = w.poll(kind="sweep")

    assert len(w.streams.store.written) == written
    assert tally.kept == written


def test_of_all_people_the_documents_of_one_day_are_in_memory_at_once(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[Range] = []
    reconcile = w.streams.reconcile

    def note(stream: str, window: Range, *arguments: Any, **named: Any) -> Any:
        ranges.append(window)
        return reconcile(stream, window, *arguments, **named)

    monkeypatch.setattr(w.streams, "reconcile", note)
    w.poll()
    assert ranges == [Range(TODAY - days * DAY, TODAY - (days - 1) * DAY) for days in (3, 2, 1)]


def test_a_sweep_leaves_days_alone_that_a_poll_asked_for_after_it_has_written(w: World) -> None:
    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=30))

    def load() -> None:
        w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))

    w.poll(kind="sweep", meanwhile=load)

    assert {source["@timestamp"][:10] for source in people(w.streams)} >= {"2026-11-15", "2026-11-19"}
    swept = w.streams.store.says()
    w.poll()
    assert w.streams.store.says() == swept


def test_an_audit_compares_people_day_by_day(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    days: list[Range] = []

    def copies(es: object, stream: str, window: Range, *_: Any, **__: Any) -> list[Any]:
        days.append(window)
        return []

    monkeypatch.setattr(compare, "stored_copies", copies)
    no_client: Any = None
    with w.poller() as poller:
        window = Range(TODAY - 3 * DAY, TODAY)
        result = audit_people(no_client, Remembered(streams=w.streams), poller, window, "org")
    assert days == [Range(TODAY - number * DAY, TODAY - (number - 1) * DAY) for number in (3, 2, 1)]
    assert isinstance(result, Audited)
    assert result.documents_there == len(result.differences) > 0


def test_days_whose_answer_is_too_large_are_read_in_smaller_parts(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, most = Reader._rows, DAY

    def limited(reader: Reader, path: str, item: Any, time_range: Range, tally: Tally) -> Any:
        if time_range.end - time_range.start > most:
            raise AnswerTooLarge("too large")
        return rows(reader, path, item, time_range, tally)

    w.poll()
    expected = w.streams.store.says()
    w.streams = MemoryStreams()
    monkeypatch.setattr(Reader, "_rows", limited)
    tally = w.poll()
    assert w.streams.store.says() == expected
    assert tally.windows == 3
    most = timedelta(0)
    with pytest.raises(AnswerTooLarge):
        w.poll()


def test_a_part_has_no_more_rows_than_fit_in_memory_by_the_part_before(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Reader.days
    read: list[tuple[int, int]] = []

    def note(reader: Reader, time_range: Range, *arguments: Any) -> Any:
        each = days(reader, time_range, *arguments)
        read.append(((time_range.end - time_range.start) // DAY, reader.rows))
        return each

    monkeypatch.setattr(Reader, "days", note)
    w.poll(kind="sweep")
    (first, rows), *others = read
    assert (first, sum(count for count, _ in read)) == (7, 31)
    assert len(others) == 1, "few rows are read in few requests"
    read.clear()
    monkeypatch.setattr(plan, "WINDOW_ROWS", rows // 2)
    w.poll(kind="sweep")
    assert [count for count, _ in read] == [7, 3, 14, 7], "seven days had twice as many; older ones have none"

"""Reconciliation against a real Elasticsearch: what is written, marked, deleted and recorded."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.lookup import stored_copies
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.ranges import iso
from tests.harness.reconcile_samples import (
    HOUR,
    NOW,
    WINDOW,
    backing,
    document,
    documents,
    plain,
    put,
    reconcile,
    rows,
)


def test_a_stream_that_does_not_exist_is_made_and_filled(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    wanted = documents(25)
    assert reconcile(streams, fresh, wanted) == Outcome(created=25)
    assert rows(es, fresh) == plain(wanted)


def test_a_second_pass_writes_nothing(es: Elasticsearch, streams: Streams, stream: str) -> None:
    wanted = documents(25)
    reconcile(streams, stream, wanted)
    before = stored_copies(es, stream, WINDOW, {})
    assert reconcile(streams, stream, wanted) == Outcome(kept=25)
    assert sorted(stored_copies(es, stream, WINDOW, {}), key=str) == sorted(before, key=str)


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
    assert {copy.backing_index for copy in stored_copies(es, fresh, WINDOW, {})} == {newest}


def test_a_row_that_vanishes_is_marked_then_deleted_after_the_confirmation(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    reconcile(streams, stream, documents(3))
    assert reconcile(streams, stream, documents(2)) == Outcome(marked=1, kept=2)
    stamp = iso(NOW)
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
    outside = document(103, **{"@timestamp": WINDOW.end.isoformat()})
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
    (first,) = (copy for copy in stored_copies(es, stream, WINDOW, {}) if copy.id == "row-0")
    reconcile(streams, stream, [document(0, 5)], NOW + HOUR, record=record)
    replaced, deleted = seen
    before, after = document(0).source, document(0, 5).source
    assert replaced == Change("row-0", first.backing_index, first.seq_no, before, after)
    assert (deleted.id, deleted.after) == ("row-1", None)
    assert deleted.before
    assert rows(es, stream) == plain([document(0, 5)])


def test_windows_larger_than_a_page_are_held_whole(es: Elasticsearch, streams: Streams, stream: str) -> None:
    wanted = documents(25)
    reconcile(streams, stream, wanted)
    for page in (5, 10, 25, 26):
        found = stored_copies(es, stream, WINDOW, {}, page=page)
        assert sorted(copy.id for copy in found) == sorted(each.id for each in wanted)


def test_append_writes_each_id_once_over_a_rollover_too(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    given = documents(4)
    assert streams.append(fresh, given[:2]) == Outcome(created=2)
    es.indices.rollover(alias=fresh)
    assert streams.append(fresh, given[:3]) == Outcome(created=1, kept=2)
    assert streams.append(fresh, [*given, given[3]]) == Outcome(created=1, kept=4)
    assert rows(es, fresh) == plain(documents(4))

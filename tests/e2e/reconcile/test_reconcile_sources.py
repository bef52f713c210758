"""Sources for the record of many replacements, and whether a window is as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic import lookup
from anthropic_metrics.elastic import reconcile as module
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.lookup import SEARCHED, stored_hashes, versions_of
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.outcome import Change, Outcome
from tests.harness.reconcile_samples import (
    HOUR,
    NOW,
    ORGANIZATION,
    WINDOW,
    document,
    documents,
    overwrite,
    plain,
    put,
    reconcile,
    rows,
)


def test_many_replacements_are_recorded_with_what_stood_there_without_a_get(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, wanted = documents(SEARCHED + 5), documents(SEARCHED + 5, 7)
    reconcile(streams, stream, before)
    monkeypatch.setattr(es, "mget", None)
    changes: list[Change] = []
    assert reconcile(streams, stream, wanted, record=changes.extend) == Outcome(replaced=SEARCHED + 5)
    assert sorted(change.id for change in changes) == sorted(document.id for document in before)
    assert all(change.before == {d.id: d.source for d in before}[change.id] for change in changes)
    assert rows(es, stream) == plain(wanted)


def test_growth_of_an_incomplete_bucket_is_no_change_to_record_and_no_source_is_read_for_it(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing, finished = bucket(0, complete=False), bucket(1, complete=True)
    reconcile(streams, stream, [*growing, *finished])
    read: list[Copy] = []

    def reading(es: Elasticsearch, stream: str, copies: Sequence[Copy]) -> Any:
        read.extend(copies)
        return versions_of(es, stream, copies)

    monkeypatch.setattr(module, "versions_of", reading)
    changes: list[Change] = []
    grown = [*bucket(0, complete=True, tokens=7)[1:], *bucket(1, complete=True, tokens=7)[1:]]
    reconcile(streams, stream, grown, record=changes.extend)
    later = NOW + HOUR
    assert reconcile(streams, stream, grown, later, record=changes.extend).deleted == 2
    assert {change.id for change in changes} == {document.id for document in finished}
    replaced = {document.id for document in growing[1:]}
    assert replaced.isdisjoint(copy.id for copy in read)
    assert rows(es, stream) == plain(grown)


def bucket(number: int, *, complete: bool, tokens: int = 1) -> list[Prepared]:
    usage = {"output_tokens": tokens, "bucket_complete": complete}
    return [
        document(2 * row + number, tokens, anthropic={"usage": usage, "workspace": {"id": "w"}})
        for row in range(3)
    ]


def test_many_that_another_writer_changed_meanwhile_are_compared_anew(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, wanted = documents(SEARCHED + 5), documents(SEARCHED + 5, 7)
    reconcile(streams, stream, before)

    def meddle(*arguments: Any) -> Any:
        monkeypatch.undo()
        overwrite(es, stream, documents(1, 9)[0])
        return versions_of(*arguments)

    monkeypatch.setattr(module, "versions_of", meddle)
    changes: list[Change] = []
    outcome = reconcile(streams, stream, wanted, record=changes.extend)
    assert outcome == Outcome(replaced=SEARCHED + 5, conflicts=1)
    assert rows(es, stream) == plain(wanted)


def test_a_window_that_is_as_wanted_is_kept_without_a_look_at_ids(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [document(number, number) for number in range(5)]
    reconcile(streams, stream, wanted)
    monkeypatch.setattr(module, "stored_copies", None)
    assert reconcile(streams, stream, wanted) == Outcome(kept=5)


def test_counting_a_windows_hashes_leaves_nothing_in_the_servers_memory(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    wanted = [document(number, number) for number in range(4)]
    for count in range(1, 5):  # a segment each
        reconcile(streams, stream, wanted[:count])
    assert stored_hashes(es, stream, WINDOW, {}) == Counter(document.hash for document in wanted)
    held = es.indices.stats(index=stream, metric="fielddata")["_all"]["total"]["fielddata"]
    assert held["memory_size_in_bytes"] == 0


def test_a_window_whose_hashes_are_others_or_hide_something_is_compared_and_mended(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    wanted = [document(number, number) for number in range(5)]
    reconcile(streams, stream, wanted)
    bare = to_json({**document(3, 3).source, "event": {}})
    for meddled in (document(3, 9), document(3, 3, organization="another"), Prepared("row-3", "", bare)):
        overwrite(es, stream, meddled)
        reconcile(streams, stream, wanted)
        assert rows(es, stream) == plain(wanted)
    reconcile(streams, stream, wanted[:4])  # the fifth is marked
    assert reconcile(streams, stream, wanted) == Outcome(kept=4, replaced=1)
    put(es, stream, document(7, 1))  # a hash that is wanted, once too often
    assert reconcile(streams, stream, wanted) == Outcome(kept=5, marked=1)
    assert reconcile(streams, stream, wanted, NOW + HOUR) == Outcome(kept=5, deleted=1)


def test_of_equal_documents_one_that_is_stored_twice_does_not_stand_in_for_a_missing_one(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    wanted = documents(2)
    twice = fingerprint(Counter(document.hash for document in wanted))
    reconcile(streams, fresh, wanted[:1])
    es.indices.rollover(alias=fresh)
    put(es, fresh, wanted[0])
    assert streams.holds(fresh, WINDOW, twice, organization_id=ORGANIZATION) is None
    assert reconcile(streams, fresh, wanted) == Outcome(kept=1, created=1, deleted=1)
    assert rows(es, fresh) == plain(wanted)


def test_a_window_of_more_hashes_than_a_page_holds_is_compared(
    es: Elasticsearch, streams: Streams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [document(number, number) for number in range(4)]
    reconcile(streams, stream, wanted)
    monkeypatch.setitem(lookup._HASHES["hashes"]["terms"], "size", 3)
    assert stored_hashes(es, stream, WINDOW, {}) is None
    assert reconcile(streams, stream, wanted) == Outcome(kept=4)


def test_a_window_holds_just_these_documents_or_it_is_compared(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    wanted = [document(number, number) for number in range(4)]
    expected = fingerprint(Counter(document.hash for document in wanted))

    def count() -> int | None:
        return streams.holds(stream, WINDOW, expected, organization_id=ORGANIZATION)

    assert count() is None
    reconcile(streams, stream, wanted)
    assert count() == 4
    reconcile(streams, stream, wanted[:3])  # the fourth is marked
    assert count() is None
    reconcile(streams, stream, wanted)
    overwrite(es, stream, documents(1, 9)[0])
    assert count() is None
    reconcile(streams, stream, wanted)
    put(es, stream, document(5, event={}))  # one too many, which has no hash
    assert count() is None

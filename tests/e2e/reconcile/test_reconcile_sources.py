"""Sources for the record of many replacements, and whether a window is as it was."""

from __future__ import annotations

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import reconcile as module
from anthropic_metrics.elastic.lookup import SEARCHED, versions_of
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.outcome import Change, Outcome
from tests.harness.reconcile_samples import (
    ORGANIZATION,
    WINDOW,
    documents,
    overwrite,
    plain,
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


def test_a_window_holds_just_these_documents_or_it_is_compared(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    wanted = documents(4)
    expected = fingerprint((document.id, document.hash) for document in wanted)

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

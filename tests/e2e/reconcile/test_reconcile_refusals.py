"""Documents, indices and streams that Elasticsearch refuses, in the middle of reconciliation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from elastic_transport import TransportApiResponse
from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import SinkError
from anthropic_metrics.kernel.outcome import Outcome
from tests.harness.reconcile_samples import (
    BLOCKS,
    NOW,
    Faulty,
    Send,
    backing,
    document,
    documents,
    overwrite,
    plain,
    put,
    reconcile,
    rows,
)


def test_a_refused_document_is_named_and_does_not_keep_the_others_back(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    outcome = reconcile(streams, stream, [*documents(3), document(3, "a number, honestly")])
    assert (outcome.created, outcome.kept) == (3, 0)
    assert outcome.refused + outcome.diverted == 1  # diverted where there is a failure store
    assert not outcome.done
    assert rows(es, stream) == plain(documents(3))


def test_a_document_diverted_to_the_failure_store_is_counted_once_and_not_done(
    faulty: Streams, stream: str
) -> None:
    """The embedded server has no failure store: the answer is as Elasticsearch documents it."""
    sent: list[bytes] = []

    def divert(number: int, send: Send, body: bytes) -> TransportApiResponse:
        sent.append(body)
        answer = send()
        for item in answer.body["items"]:
            if "error" in item["create"]:
                item["create"] = {"status": 201, "failure_store": "used"}
        return answer

    Faulty.rule = divert
    wanted = [document(0), document(1, "no number")]
    outcome = reconcile(faulty, stream, wanted)
    assert outcome == Outcome(created=1, diverted=1)
    assert not outcome.done
    assert len(sent) == 1
    # It stays counted, but fills the failure store no further for an hour; then for two.
    for minutes, diverted in ((5, 0), (59, 0), (60, 1), (120, 0), (179, 0), (180, 1)):
        again = reconcile(faulty, stream, wanted, NOW + timedelta(minutes=minutes))
        assert again == Outcome(kept=1, diverted=diverted, withheld=1 - diverted)
        assert not again.done
    assert len(sent) == 3
    mended = reconcile(faulty, stream, [document(0), document(1, 7)], NOW + timedelta(minutes=181))
    assert mended == Outcome(created=1, kept=1)


def test_a_refused_document_is_not_sent_again_when_conflicts_ask_for_another_round(
    es: Elasticsearch, faulty: Streams, stream: str
) -> None:
    put(es, stream, document(0))

    def meddle(number: int, send: Send, body: bytes) -> TransportApiResponse:
        if number == 1:
            overwrite(es, stream, document(0, 9))
        else:
            assert b"row-1" not in body
        return send()

    Faulty.rule = meddle
    outcome = reconcile(faulty, stream, [document(0, 5), document(1, "no number")])
    assert (outcome.replaced, outcome.conflicts, outcome.unsettled) == (1, 1, 0)
    assert outcome.refused + outcome.diverted == 1
    assert not outcome.done


def test_a_refused_replacement_leaves_the_old_figure_and_says_so(
    es: Elasticsearch, streams: Streams, stream: str
) -> None:
    reconcile(streams, stream, documents(2))
    outcome = reconcile(streams, stream, [document(0, "no number"), document(1, 5)])
    assert (outcome.refused, outcome.replaced) == (1, 1)
    assert outcome.refusals[0][0] == "row-0"
    assert "no number" in outcome.refusals[0][1] or "output_tokens" in outcome.refusals[0][1]
    assert rows(es, stream) == [("row-0", 1, None), ("row-1", 5, None)]


def test_a_read_only_backing_index_is_an_error_with_its_cure_after_all_else_was_written(
    es: Elasticsearch, streams: Streams, fresh: str
) -> None:
    reconcile(streams, fresh, documents(2))
    es.indices.rollover(alias=fresh)
    old = backing(es, fresh)[0]
    es.indices.put_settings(index=old, settings={BLOCKS: True})
    try:
        with pytest.raises(SinkError, match=r"403.*index\.blocks\.write"):
            reconcile(streams, fresh, [document(0, 5), document(1), document(2)])
    finally:
        es.indices.put_settings(index=old, settings={BLOCKS: None})
    assert rows(es, fresh) == plain(documents(3))
    assert reconcile(streams, fresh, [document(0, 5), document(1), document(2)]).done


def test_a_name_without_a_template_is_refused_and_names_setup(es: Elasticsearch, streams: Streams) -> None:
    with pytest.raises(SinkError, match="anthropic-metrics setup"):
        reconcile(streams, "nobody-made-a-template-for-this", documents(1))
    assert not es.indices.exists(index="nobody-made-a-template-for-this")

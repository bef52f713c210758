"""What makes a document's `_id`, and what its `event.hash` leaves out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.documents.base import Document
from anthropic_metrics.documents.identity import document_id, prepare

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
EVENT = {"dataset": "anthropic_metrics.usage", "created": START}
DIMENSIONS = {"model": "claude-opus-5-5", "workspace_id": None}


def said(**changed: object) -> Document:
    source = {
        "timestamp": START,
        "event": EVENT,
        "data_stream": {"dataset": "anthropic_metrics.usage", "namespace": "default"},
    }
    return Document.model_validate(source | changed)


def test_an_id_stays_as_streams_have_it() -> None:
    """A change of this digest would write every document of every installation anew."""
    assert (
        document_id("org_1", "anthropic_metrics.usage", START, DIMENSIONS)
        == "955f1f99df58e2913ae62a167be5f020"
    )


def test_the_order_of_dimensions_makes_no_other_id() -> None:
    backwards = dict(reversed(DIMENSIONS.items()))
    assert document_id("org_1", "usage", START, DIMENSIONS) == document_id("org_1", "usage", START, backwards)


@pytest.mark.parametrize(
    "other",
    [
        ("org_2", "usage", START, DIMENSIONS, 0),
        ("org_1", "cost", START, DIMENSIONS, 0),
        ("org_1", "usage", START + timedelta(hours=1), DIMENSIONS, 0),
        ("org_1", "usage", START, {**DIMENSIONS, "workspace_id": "wrkspc_1"}, 0),
        ("org_1", "usage", START, DIMENSIONS, 1),
    ],
)
def test_anything_else_makes_another_id(other: tuple[str, str, datetime, dict[str, str | None], int]) -> None:
    assert document_id(*other) != document_id("org_1", "usage", START, DIMENSIONS)


def test_the_hash_leaves_out_when_and_by_which_version_it_was_read() -> None:
    later = said(event={**EVENT, "created": START + timedelta(hours=1)}, agent={"version": "0.0.1"})
    assert prepare("a", later).hash == prepare("a", said()).hash
    assert prepare("a", later).source != prepare("a", said()).source


def test_the_hash_has_everything_else() -> None:
    hashes = {
        prepare("a", document).hash
        for document in (
            said(),
            said(timestamp=START + timedelta(hours=1)),
            said(event={**EVENT, "outcome": "failure"}),
            said(data_stream={"dataset": "anthropic_metrics.cost", "namespace": "default"}),
        )
    }
    assert len(hashes) == 4


def test_a_source_has_the_names_of_elasticsearch_and_no_empty_fields() -> None:
    prepared = prepare("a", said())
    assert prepared.source["@timestamp"] == "2026-11-20T09:00:00Z"
    assert None not in prepared.source.values()
    assert prepared.source["event"]["hash"] == prepared.hash
    assert prepared.source is not prepared.source

"""A page's text cut into its buckets' texts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from anthropic_metrics.admin_api.cut import NotCut, page_without_buckets, pieces
from anthropic_metrics.admin_api.pages import Bucket, BucketQuery, read_buckets
from anthropic_metrics.errors import BrokenContract

START, END = "2026-11-20T00:00:00Z", "2026-11-20T02:00:00Z"
ROWS: list[dict[str, Any]] = [{"model": 'quoted "}],"has_more":', "output_tokens": 5}]
PAGE: dict[str, Any] = {
    "data": [
        {"starting_at": START, "ending_at": "2026-11-20T01:00:00Z", "results": ROWS},
        {"starting_at": "2026-11-20T01:00:00Z", "ending_at": END, "results": []},
    ],
    "has_more": False,
    "next_page": None,
}
QUERY = BucketQuery("/x", datetime.fromisoformat(START), datetime.fromisoformat(END), "1h", 24)
COMPACT = json.dumps(PAGE, separators=(",", ":")).encode()
SPACED = json.dumps(PAGE).encode()
OTHERWISE = {
    "indented": json.dumps(PAGE, indent=1).encode(),
    "another order": json.dumps(dict(reversed(PAGE.items()))).encode(),
    "another order in a bucket": COMPACT.replace(b'"results":[],', b"").replace(
        b'"ending_at":"2026-11-20T02:00:00Z","results":[]', b'"results":[],"ending_at":"2026-11-20T02:00:00Z"'
    ),
    "nested": COMPACT.replace(b'"output_tokens":5', b'"span":[{"starting_at":"x"},{"starting_at":"y"}]'),
    "null rows": COMPACT.replace(b'"results":[]', b'"results":null'),
    "a further field": COMPACT.replace(b'"results":[]}', b'"results":[],"new":{}}'),
}


class Client:
    """Answers one body; counts what was parsed of it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def get(self, path: str, params: Any, *, parse: Any = json.loads, **_: Any) -> Any:
        return (parse or json.loads)(self.body)


def read(body: bytes, known: dict[int, int]) -> list[Bucket]:
    client: Any = Client(body)
    return list(read_buckets(client, QUERY, seen=lambda _, digest: known.get(digest)))


@pytest.mark.parametrize("body", [COMPACT, SPACED])
def test_a_usual_page_is_cut_into_the_texts_of_its_buckets(body: bytes) -> None:
    texts = [piece.text for piece in pieces(body)]
    assert [json.loads(text) for text in texts] == PAGE["data"]
    assert page_without_buckets(body) == PAGE | {"data": []}


@pytest.mark.parametrize("body", [COMPACT, SPACED, *OTHERWISE.values()], ids=str)
def test_buckets_are_the_same_whether_or_not_the_page_can_be_cut(body: bytes) -> None:
    whole: Any = Client(body)
    assert read(body, {}) == list(read_buckets(whole, QUERY))


@pytest.mark.parametrize("body", OTHERWISE.values(), ids=list(OTHERWISE))
def test_a_page_in_another_form_is_not_cut(body: bytes) -> None:
    with pytest.raises(NotCut):
        list(pieces(body))


def test_a_bucket_whose_text_was_seen_is_parsed_only_when_its_rows_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = read(COMPACT, {})
    known = {bucket.digest: bucket.count for bucket in first if bucket.digest is not None}
    assert len(known) == 2
    parsed: list[bytes] = []
    monkeypatch.setattr("anthropic_metrics.admin_api.pages.read_json", lambda text: parsed.append(text))
    again = read(COMPACT, known)
    assert [(bucket.start, bucket.count) for bucket in again] == [(b.start, b.count) for b in first]
    assert parsed == []
    monkeypatch.undo()
    assert again == first


@pytest.mark.parametrize(
    "body",
    [
        COMPACT.replace(b'"ending_at":"2026-11-20T02', b'"ending_at":"2026-11-20T03'),
        COMPACT.replace(b'"starting_at":"2026-11-20T01', b'"starting_at":"2026-11-20T00'),
        COMPACT.replace(b'"has_more":false', b'"has_more":true'),
    ],
)
def test_a_page_that_contradicts_itself_is_refused_though_its_buckets_were_seen(body: bytes) -> None:
    known = {hash(piece.text): 1 for piece in pieces(body)}
    with pytest.raises(BrokenContract):
        read(body, known)

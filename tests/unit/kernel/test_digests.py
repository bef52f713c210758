"""The digests that ids and hashes are made of; streams that exist hold them, so they are literal here."""

from __future__ import annotations

from anthropic_metrics.kernel.digests import (
    Digest,
    digest,
    digest_of_values,
    fingerprint,
    hex_digest,
    keyed_digest,
    summed,
)

TEXT = "05479c9dec02654eba7eeeecfe03ebd6"
SHORT = "7f63b01c829d"
RECORD = "b48d357c4c47fb5aaf7a1f2f4f23666a"
KEYED = "9b814b8843c386a7"


def test_the_digest_of_a_text_stays_what_it_was_when_the_streams_were_written() -> None:
    assert hex_digest("anthropic") == hex_digest(b"anthropic") == digest("anthropic").hex() == TEXT
    assert hex_digest("anthropic", size=6) == SHORT


def test_the_digest_of_a_record_stays_what_it_was_when_the_streams_were_written() -> None:
    assert digest_of_values("org-1", "Acme ü", None, 3) == RECORD


def test_a_digest_in_pieces_is_the_digest_of_the_whole_and_can_be_asked_again() -> None:
    begun = Digest(b"anthro")
    assert [begun.with_more(b"pic"), begun.with_more(b"pic")] == [TEXT, TEXT]


def test_a_keyed_digest_depends_on_the_key_and_takes_long_ones() -> None:
    assert keyed_digest("secret", key="x" * 70) == KEYED
    assert keyed_digest("secret", key="y") != KEYED


def test_a_fingerprint_counts_every_document_those_without_a_hash_too() -> None:
    parts = [fingerprint({"a": 2}), fingerprint({"b": 1})]
    assert summed(parts) == fingerprint({"a": 2, "b": 1})
    others = [{"a": 1, "b": 1}, {"a": 2}, {"a": 2, "b": 1, "": 1}]
    assert summed(parts) not in map(fingerprint, others)

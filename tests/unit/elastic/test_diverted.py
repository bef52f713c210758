"""When a document that went to the failure store is sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic import diverted as module
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.diverted import LONGEST, DivertedRetries

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DOCUMENT = Prepared("a", "says this", b"{}")


def waits(
    patience: DivertedRetries, now: datetime, document: Prepared = DOCUMENT, held: list[Copy] | None = None
) -> bool:
    return patience.waiting("s", [document], held or [], now) == {"a"}


def test_a_wait_doubles_up_to_a_day() -> None:
    patience, now = DivertedRetries(), NOW
    for hours in (1, 2, 4, 8, 16, 24, 24):
        patience.diverted("s", [DOCUMENT], now)
        assert waits(patience, now + hours * HOUR - timedelta(seconds=1))
        now += hours * HOUR
        assert not waits(patience, now)
    assert hours * HOUR == LONGEST


def test_a_document_that_says_something_else_or_stands_in_another_stream_does_not_wait() -> None:
    patience = DivertedRetries()
    patience.diverted("s", [DOCUMENT], NOW)
    assert not waits(patience, NOW, Prepared("a", "says that", b"{}"))
    assert patience.waiting("t", [DOCUMENT], [], NOW) == set()
    patience.diverted("s", [Prepared("a", "says that", b"{}")], NOW)
    assert not waits(patience, NOW + HOUR, Prepared("a", "says that", b"{}"))


def test_what_another_agent_has_written_by_now_waits_no_longer() -> None:
    patience = DivertedRetries()
    patience.diverted("s", [DOCUMENT], NOW)
    assert waits(patience, NOW, held=[Copy("a", "i", 1, 1, "said that")])
    assert not waits(patience, NOW, held=[Copy("a", "i", 1, 1, "says this")])
    assert not patience


def test_a_clock_that_was_ahead_keeps_nothing_back() -> None:
    patience = DivertedRetries()
    patience.diverted("s", [DOCUMENT], NOW + 400 * LONGEST)
    assert not waits(patience, NOW)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    patience, many = DivertedRetries(), [Prepared(id_, "x", b"{}") for id_ in "abc"]
    patience.diverted("s", many, NOW)
    assert patience.waiting("s", many, [], NOW) == {"b", "c"}

"""A backfill into an empty range: its windows are not looked up one by one, and end as if they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from elastic_transport import Transport, TransportApiResponse
from elasticsearch import Elasticsearch

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.empty_ranges import WORTH
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ranges import Range
from tests.harness.reconcile_samples import (
    HOUR,
    NOW,
    ORGANIZATION,
    START,
    document,
    plain,
    put,
    rows,
)

DAY = timedelta(days=1)


class Counted(Transport):
    """Notes the last part of each path."""

    paths: tuple[str, ...] = ()

    def perform_request(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        type(self).paths += (target.partition("?")[0].rpartition("/")[2],)
        return super().perform_request(method, target, **options)


@pytest.fixture
def counted(elasticsearch_url: str) -> Iterator[Streams]:
    with Elasticsearch(elasticsearch_url, transport_class=Counted) as client:
        yield Streams(client, sleep=lambda seconds: None)
    Counted.paths = ()


def of_day(day: int, count: int = WORTH, tokens: int = 1) -> list[Prepared]:
    """Rows of one day, each an id of its own."""
    at = {"@timestamp": (START - day * DAY).isoformat()}
    return [document(day * 10_000 + number, tokens, **at) for number in range(count)]


def fill(streams: Streams, stream: str, day: int, wanted: list[Prepared]) -> Outcome:
    window = Range(START - day * DAY, START - (day - 1) * DAY)
    return streams.reconcile(
        stream, window, wanted, organization_id=ORGANIZATION, confirm_after=HOUR, now=NOW
    )


def asked() -> int:
    """How many searches there were since the last call."""
    count = Counted.paths.count("_search")
    Counted.paths = ()
    return count


def test_only_the_first_window_of_an_empty_range_is_looked_up(
    es: Elasticsearch, counted: Streams, fresh: str
) -> None:
    for day in range(3):
        assert fill(counted, fresh, day, of_day(day)) == Outcome(created=WORTH)
    assert asked() == 2  # for documents before and after the first window
    assert fill(counted, fresh, 1, of_day(1)) == Outcome(kept=WORTH)
    assert asked() == 1  # what was written is looked up again
    assert rows(es, fresh) == plain([row for day in range(3) for row in of_day(day)])


def test_the_range_ends_at_the_next_documents_on_either_side(
    es: Elasticsearch, counted: Streams, fresh: str
) -> None:
    for day in (0, 4):
        put(es, fresh, of_day(day, 1)[0])
    for day, searches in ((2, 3), (1, 0), (3, 0)):
        assert fill(counted, fresh, day, of_day(day)) == Outcome(created=WORTH)
        assert asked() == searches
    assert fill(counted, fresh, 4, of_day(4)) == Outcome(created=WORTH - 1, kept=1)


def test_two_writers_of_an_empty_range_end_in_one_copy_of_what_was_wanted_last(
    es: Elasticsearch, counted: Streams, fresh: str
) -> None:
    fill(counted, fresh, 0, of_day(0))
    fill(Streams(es), fresh, 1, of_day(1, WORTH + 1, tokens=7))
    outcome = fill(counted, fresh, 1, of_day(1, tokens=8))
    assert (outcome.replaced, outcome.marked, outcome.created) == (WORTH, 1, 0)
    assert (outcome.conflicts, outcome.unsettled) == (WORTH, 0)
    left = of_day(1, WORTH + 1, tokens=7)[-1]
    found = [(id_, tokens) for id_, tokens, _ in rows(es, fresh)]
    assert found == sorted(
        (id_, tokens) for id_, tokens, _ in plain([*of_day(0), *of_day(1, tokens=8), left])
    )
    # Somebody else writes there: each window is looked up again.
    asked()
    fill(counted, fresh, 2, of_day(2))
    assert asked() > 0


def test_a_few_documents_are_looked_up_as_ever(counted: Streams, fresh: str, es: Elasticsearch) -> None:
    put(es, fresh, of_day(5, 1)[0])
    for day in (0, 1):
        fill(counted, fresh, day, of_day(day, WORTH - 1))
        assert asked() == 1

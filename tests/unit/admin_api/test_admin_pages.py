"""Buckets and lists over the pages of the Admin API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.admin_api.pages import Bucket, BucketQuery, read_buckets, read_list
from anthropic_metrics.errors import BadRequest, RetryLater
from tests.harness.admin_pages import HOUR, PATH, QUERY, START, bucket, page
from tests.harness.admin_script import Make


def refused(message: str) -> httpx.Response:
    error = {"type": "invalid_request_error", "message": message}
    return httpx.Response(400, json={"type": "error", "error": error})


def hours(buckets: Iterator[Bucket]) -> list[float]:
    return [(found.start - START) / HOUR for found in buckets]


def test_buckets_come_in_order_over_all_pages_empty_ones_too(scripted: Make) -> None:
    rows = [{"model": "a"}, {"model": "b"}]
    it = scripted(page(bucket(0, *rows), bucket(1), following="p2"), page(bucket(2)))
    found = list(read_buckets(it.client, QUERY))
    assert found == [
        Bucket(START, START + HOUR, rows),
        Bucket(START + HOUR, START + 2 * HOUR, []),
        Bucket(START + 2 * HOUR, START + 3 * HOUR, []),
    ]


def test_a_query_is_asked_in_full_on_every_page_with_the_token_added(scripted: Make) -> None:
    query = BucketQuery(
        PATH,
        START,
        START + HOUR,
        "1h",
        168,
        group_by=("model", "workspace_id"),
        filters=(("workspace_ids[]", "w1"), ("workspace_ids[]", "w2")),
        headers=(("anthropic-beta", "fast-mode"),),
    )
    it = scripted(page(following="p2"), page())
    assert list(read_buckets(it.client, query)) == []
    first, second = (request.url.params.multi_items() for request in it.script.requests)
    assert first == [
        ("starting_at", "2026-11-01T00:00:00Z"),
        ("ending_at", "2026-11-01T01:00:00Z"),
        ("bucket_width", "1h"),
        ("limit", "168"),
        ("group_by[]", "model"),
        ("group_by[]", "workspace_id"),
        ("workspace_ids[]", "w1"),
        ("workspace_ids[]", "w2"),
    ]
    assert second == [*first, ("page", "p2")]
    assert [headers["anthropic-beta"] for headers in it.script.headers] == ["fast-mode"] * 2


def test_a_range_in_another_zone_is_asked_for_in_utc(scripted: Make) -> None:
    zone = datetime.fromisoformat("2026-11-01T01:00:00+01:00")
    it = scripted(page(bucket(0)))
    query = BucketQuery(PATH, zone, zone + HOUR, "1h", 1)
    assert hours(read_buckets(it.client, query)) == [0]
    assert it.script.requests[0].url.params["starting_at"] == "2026-11-01T00:00:00Z"


def test_pages_are_fetched_only_as_their_buckets_are_taken(scripted: Make) -> None:
    it = scripted(page(bucket(0), following="p2"), page(bucket(1)))
    buckets = read_buckets(it.client, QUERY)
    next(buckets)
    assert len(it.script.requests) == 1
    next(buckets)
    assert len(it.script.requests) == 2


def test_an_empty_page_with_more_behind_it_is_followed(scripted: Make) -> None:
    it = scripted(page(following="p2"), page(following="p3"), page(bucket(5)))
    assert hours(read_buckets(it.client, QUERY)) == [5]


@pytest.mark.parametrize(
    ("open_bucket", "expected"),
    [
        pytest.param(page(bucket(0), bucket(1)), [0, 1], id="left out"),
        pytest.param(page(*map(bucket, range(6))), [0, 1, 2, 3, 4, 5], id="returned"),
        pytest.param(refused("ending date must be after starting date"), [], id="refused with the range"),
        pytest.param(refused("ending_at must be after starting_at"), [], id="refused in other words"),
        pytest.param(page(), [], id="nothing at all"),
    ],
)
def test_whatever_happens_to_the_open_bucket_is_no_error(
    scripted: Make, open_bucket: httpx.Response, expected: list[float]
) -> None:
    assert hours(read_buckets(scripted(open_bucket).client, QUERY)) == expected


def test_other_400s_are_not_taken_for_nothing_yet(scripted: Make) -> None:
    with pytest.raises(BadRequest, match="more than 5"):
        list(read_buckets(scripted(refused("Cannot specify more than 5 group_by[]")).client, QUERY))


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(refused("page token has expired"), id="expired"),
        pytest.param(
            refused("ending date must be after starting date"), id="even in the words of nothing yet"
        ),
    ],
)
def test_a_refused_page_token_makes_the_window_be_read_anew(scripted: Make, later: httpx.Response) -> None:
    it = scripted(page(bucket(0), following="p2"), later)
    with pytest.raises(RetryLater, match="has to start again"):
        list(read_buckets(it.client, QUERY))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z", id="Z"),
        pytest.param("2026-11-01T00:00:00+00:00", "2026-11-01T01:00:00+00:00", id="an offset of zero"),
        pytest.param("2026-11-01T00:00:00.000Z", "2026-11-01T01:00:00.000000Z", id="fractions"),
        pytest.param("2026-11-01T02:00:00+02:00", "2026-11-01T03:00:00+02:00", id="another offset"),
    ],
)
def test_a_time_is_read_in_any_rfc3339_form(scripted: Make, start: str, end: str) -> None:
    answer = page({"starting_at": start, "ending_at": end, "results": []})
    found = next(read_buckets(scripted(answer).client, QUERY))
    assert (found.start, found.end) == (START, START + HOUR)
    assert found.start.tzinfo is UTC


def test_the_open_bucket_at_the_end_of_the_range_may_be_cut_off_at_the_present(scripted: Make) -> None:
    it = scripted(page(bucket(4), bucket(5, width=timedelta(minutes=7))))
    assert [(found.start, found.end) for found in read_buckets(it.client, QUERY)] == [
        (START + 4 * HOUR, START + 5 * HOUR),
        (START + 5 * HOUR, START + 6 * HOUR),
    ]


def test_null_is_empty(scripted: Make) -> None:
    (found,) = read_buckets(scripted(page(bucket(0) | {"results": None})).client, QUERY)
    assert found.rows == []
    nothing = httpx.Response(200, json={"data": None, "has_more": False, "next_page": None})
    assert list(read_buckets(scripted(nothing).client, QUERY)) == []
    assert list(read_list(scripted(nothing).client, "/v1/organizations/workspaces")) == []


@pytest.mark.parametrize(
    ("pages", "parameter"),
    [
        pytest.param(
            [
                {"data": [1, 2], "has_more": True, "first_id": "a", "last_id": "b"},
                {"data": [3], "has_more": False, "first_id": "c", "last_id": "c"},
            ],
            ("after_id", "b"),
            id="older: last_id",
        ),
        pytest.param(
            [{"data": [1, 2], "next_page": "n"}, {"data": [3], "next_page": None}],
            ("page", "n"),
            id="newer: next_page",
        ),
        pytest.param(
            [
                {"data": [1, 2], "has_more": True, "next_page": "n", "last_id": "b"},
                {"data": [3], "has_more": False, "next_page": "more", "last_id": "c"},
            ],
            ("page", "n"),
            id="both",
        ),
    ],
)
def test_a_list_is_followed_by_whichever_paging_comes(
    scripted: Make, pages: list[dict[str, Any]], parameter: tuple[str, str]
) -> None:
    it = scripted(*(httpx.Response(200, json=body) for body in pages))
    assert list(read_list(it.client, "/v1/x", [("limit", "2")], priority=Priority.BACKFILL)) == [1, 2, 3]
    asked = [request.url.params.multi_items() for request in it.script.requests]
    assert asked == [[("limit", "2")], [("limit", "2"), parameter]]


def test_a_list_on_one_page_with_a_last_id_is_not_asked_for_more(scripted: Make) -> None:
    it = scripted(httpx.Response(200, json={"data": [1], "last_id": "a"}))
    assert list(read_list(it.client, "/v1/x")) == [1]

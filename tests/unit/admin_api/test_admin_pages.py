from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.pages import Bucket, BucketQuery, read_buckets, read_list
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import BadRequest, BrokenContract, MetricsError, RetryLater
from tests.harness.admin_script import KEY, Make

PATH = "/v1/organizations/usage_report/messages"
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUERY = BucketQuery(PATH, START, START + 6 * HOUR, "1h", 3, group_by=("model",))


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def bucket(hour: float, *rows: Any, width: timedelta = HOUR) -> dict[str, Any]:
    start = START + hour * HOUR
    return {"starting_at": text(start), "ending_at": text(start + width), "results": list(rows)}


def page(*buckets: Any, following: str | None = None, **other: Any) -> httpx.Response:
    body = {"data": list(buckets), "has_more": following is not None, "next_page": following}
    return httpx.Response(200, json=body | other)


def refused(message: str) -> httpx.Response:
    error = {"type": "invalid_request_error", "message": message}
    return httpx.Response(400, json={"type": "error", "error": error})


def hours(buckets: Iterator[Bucket]) -> list[float]:
    return [(found.start - START) / HOUR for found in buckets]


# Reading buckets


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


def test_pages_without_end_break_the_contract(scripted: Make) -> None:
    numbers = count()
    it = scripted(lambda _: httpx.Response(200, json={"data": [1], "next_page": f"p{next(numbers)}"}))
    with pytest.raises(BrokenContract, match="more than 2,000 pages"):
        list(read_list(it.client, "/v1/organizations/rate_limits"))


# Broken contracts

BROKEN = {
    "has_more without next_page": page(bucket(0), has_more=True),
    "has_more with an empty next_page": page(bucket(0), has_more=True, next_page=""),
    "has_more that is no boolean": page(bucket(0), has_more="yes"),
    "next_page that is no text": page(bucket(0), has_more=None, next_page=7),
    "no data": httpx.Response(200, json={"has_more": False}),
    "data that is no list": httpx.Response(200, json={"data": {}, "has_more": False}),
    "before the range": page(bucket(-1)),
    "after the range": page(bucket(6)),
    "over the end": page(bucket(5.5)),
    "repeated": page(bucket(0), bucket(0)),
    "out of order": page(bucket(2), bucket(1)),
    "another width": page(bucket(0, width=timedelta(minutes=1))),
    "no width": page(bucket(0, width=timedelta())),
    "off the grid": page(bucket(0.5)),
    "a time without a zone": page(bucket(0) | {"starting_at": "2026-11-01T00:00:00"}),
    "a time that is none": page(bucket(0) | {"starting_at": "soon"}),
    "a time that is a number": page(bucket(0) | {"ending_at": 1761955200}),
    "a time that is a list": page(bucket(0) | {"ending_at": []}),
    "a time at the end of all": page(bucket(0) | {"ending_at": "9999-12-31T23:59:59-23:59"}),
    "no results": page({"starting_at": text(START), "ending_at": text(START + HOUR)}),
    "results that are no list": page(bucket(0) | {"results": {"model": "a"}}),
    "an entry that is no object": page("bucket"),
}


@pytest.mark.parametrize("answer", [pytest.param(answer, id=name) for name, answer in BROKEN.items()])
def test_an_answer_that_contradicts_itself_breaks_the_contract(
    scripted: Make, answer: httpx.Response
) -> None:
    it = scripted(answer)
    with pytest.raises(BrokenContract, match=PATH):
        list(read_buckets(it.client, QUERY))
    assert len(it.script.requests) == 1


def test_a_token_that_came_before_breaks_the_contract(scripted: Make) -> None:
    it = scripted(
        page(bucket(0), following="a"), page(bucket(1), following="b"), page(bucket(2), following="a")
    )
    with pytest.raises(BrokenContract, match="token came twice"):
        list(read_buckets(it.client, QUERY))
    assert len(it.script.requests) == 3


def test_a_bucket_repeated_on_the_next_page_breaks_the_contract(scripted: Make) -> None:
    it = scripted(page(bucket(0), bucket(1), following="a"), page(bucket(1)))
    with pytest.raises(BrokenContract, match="twice or out of order"):
        list(read_buckets(it.client, QUERY))


def test_empty_pages_without_end_break_the_contract(scripted: Make) -> None:
    numbers = iter(range(10_000))
    it = scripted(lambda _: page(following=f"p{next(numbers)}"))
    with pytest.raises(BrokenContract, match="without end"):
        list(read_buckets(it.client, QUERY))


# Lists


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


def test_a_list_that_never_moves_on_breaks_the_contract(scripted: Make) -> None:
    it = scripted(httpx.Response(200, json={"data": [1], "has_more": True, "last_id": "a"}))
    with pytest.raises(BrokenContract, match="token came twice"):
        list(read_list(it.client, "/v1/x"))


# Anything at all

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
times = anything | st.sampled_from([text(START), text(START + HOUR), text(START + 2 * HOUR), "9999-12-31"])
buckets = anything | st.fixed_dictionaries({"starting_at": times, "ending_at": times, "results": anything})
bodies = anything | st.fixed_dictionaries(
    {"data": anything | st.lists(buckets, max_size=3)},
    optional={"has_more": anything | st.booleans(), "next_page": anything, "last_id": anything},
)


@settings(deadline=None)  # a client is opened each time
@given(st.lists(bodies, min_size=1, max_size=3))
def test_arbitrary_json_gives_sound_buckets_or_one_of_our_errors(answers: list[object]) -> None:
    left = list(answers)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=left.pop(0) if left else {"data": []}))
    settings = AnthropicSettings.model_validate({"admin_key": KEY})
    found: list[Bucket] = []
    with AdminClient(
        settings, transport=transport, sleep=lambda _: None, retry=RetryPolicy(attempts=1)
    ) as client:
        try:
            found.extend(read_buckets(client, QUERY))
            list(read_list(client, "/v1/x"))
        except MetricsError:
            pass
    starts = [one.start for one in found]
    assert starts == sorted(set(starts))
    assert all(
        QUERY.start <= one.start < one.end <= QUERY.end and isinstance(one.rows, list) for one in found
    )

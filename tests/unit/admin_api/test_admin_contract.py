"""Answers that contradict themselves, or whose pages never end, break the contract."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import Bucket, read_buckets, read_list
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import BrokenContract, MetricsError
from tests.harness.admin_pages import HOUR, PATH, QUERY, START, bucket, page, text
from tests.harness.admin_script import KEY, Make


def test_pages_without_end_break_the_contract(scripted: Make) -> None:
    numbers = count()
    it = scripted(lambda _: httpx.Response(200, json={"data": [1], "next_page": f"p{next(numbers)}"}))
    with pytest.raises(BrokenContract, match="more than 2,000 pages"):
        list(read_list(it.client, "/v1/organizations/rate_limits"))


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


def test_a_list_that_never_moves_on_breaks_the_contract(scripted: Make) -> None:
    it = scripted(httpx.Response(200, json={"data": [1], "has_more": True, "last_id": "a"}))
    with pytest.raises(BrokenContract, match="token came twice"):
        list(read_list(it.client, "/v1/x"))


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

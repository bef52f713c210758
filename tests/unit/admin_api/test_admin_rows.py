"""The reader of reports whose pages are rows: buckets put together, equal groups summed, the grid laid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from anthropic_metrics.admin_api.rows import BETA, COST_PATH, CostItem, RowQuery, read_rows
from anthropic_metrics.errors import BadRequest, BrokenContract
from anthropic_metrics.kernel.problems import Problems
from tests.harness.admin_script import Make

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOADED = "2026-11-01T12:40:00Z"
QUERY = RowQuery(COST_PATH, CostItem, START, START + 4 * HOUR, "1h", ("api_key_id", "actor"))


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def row(hour: float, key: str | None, amount: str, *, width: timedelta = HOUR, **cost: Any) -> dict[str, Any]:
    start = START + hour * HOUR
    money = {"amount": amount, "list_amount": amount, "currency": "USD", "requests": 2}
    return {
        "starting_at": text(start),
        "ending_at": text(start + width),
        "group": {"api_key_id": key, "actor": None, "model": None},
        "cost": money | cost,
    }


def page(*rows: Any, following: str | None = None, loaded: Any = LOADED) -> httpx.Response:
    body = {"data": list(rows), "has_more": following is not None, "next_page": following}
    return httpx.Response(200, json=body | {"data_refreshed_at": loaded})


def test_a_bucket_that_is_split_over_pages_is_one_and_a_quiet_one_is_empty(scripted: Make) -> None:
    it = scripted(page(row(0, "a", "1"), row(2, "a", "2"), following="p2"), page(row(2, "b", "3")))
    found = list(read_rows(it.client, QUERY, Problems()))
    assert [bucket.start for bucket in found] == [START + number * HOUR for number in range(4)]
    assert [[r.cost.amount for r in bucket.rows] for bucket in found] == [["1"], [], ["2", "3"], []]
    assert found[0].refreshed_at == START + timedelta(hours=12, minutes=40)
    (first, second) = it.script.requests
    assert first.headers[BETA[0]] == BETA[1]
    params = first.url.params
    assert (params["order_by"], params["order"], params["limit"]) == ("time", "asc", "1000")
    assert params.get_list("group_by[]") == ["api_key_id", "actor"]
    assert second.url.params["page"] == "p2"


def test_a_range_without_any_row_is_a_grid_of_empty_buckets(scripted: Make) -> None:
    found = list(read_rows(scripted(page()).client, QUERY, Problems()))
    assert [bucket.rows for bucket in found] == [[], [], [], []]


def test_rows_with_equal_groups_are_summed_digit_for_digit(scripted: Make) -> None:
    exact = "0.1000000000000000000000000001"
    it = scripted(page(row(1, None, exact), row(1, None, "0.2"), row(1, "a", "5"), row(1, None, "1")))
    rows = list(read_rows(it.client, QUERY, Problems()))[1].rows
    assert [r.cost.amount for r in rows] == ["1.3000000000000000000000000001", "5"]
    assert [r.cost.requests for r in rows] == [6, 2]


def test_rows_that_contradict_the_question_end_the_reading(scripted: Make) -> None:
    for wrong in (row(4, "a", "1"), row(-1, "a", "1"), row(0.5, "a", "1"), row(0, "a", "1", width=2 * HOUR)):
        with pytest.raises(BrokenContract, match="not a bucket of 1h"):
            list(read_rows(scripted(page(wrong)).client, QUERY, Problems()))
    with pytest.raises(BrokenContract, match="out of order"):
        list(read_rows(scripted(page(row(1, "a", "1"), row(0, "a", "1"))).client, QUERY, Problems()))
    with pytest.raises(BrokenContract, match="data_refreshed_at"):
        list(read_rows(scripted(page(loaded="yesterday")).client, QUERY, Problems()))
    with pytest.raises(BrokenContract, match="not a row"):
        list(read_rows(scripted(page({"results": []})).client, QUERY, Problems()))


def test_a_row_that_cannot_be_read_is_counted_and_a_new_field_named(scripted: Make) -> None:
    problems = Problems()
    it = scripted(page(row(0, "a", "1e5"), row(0, "b", "1", colour="red"), row(0, "c", "1", requests=None)))
    rows, *_ = (bucket.rows for bucket in read_rows(it.client, QUERY, problems))
    assert [r.group.api_key_id for r in rows] == ["b", "c"]
    assert problems.total == 1
    assert list(problems.unknown_fields) == ["cost.colour"]


def test_a_refusal_is_passed_on(scripted: Make) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "not enrolled"}}
    with pytest.raises(BadRequest, match="not enrolled"):
        list(read_rows(scripted(httpx.Response(400, json=body)).client, QUERY, Problems()))

"""The bucketed reports as the API answers them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi

USAGE, COST = "/usage_report/messages", "/cost_report"
START = ("starting_at", "2026-11-18T00:00:00Z")
HOURLY = ("bucket_width", "1h")
FAST = {"anthropic-version": "2023-06-01", "anthropic-beta": "other, fast-mode-2026-02-01"}
Ask = Callable[..., Any]


def group_by(*names: str) -> list[tuple[str, str]]:
    return [("group_by[]", name) for name in names]


def starts(page: Any) -> list[str]:
    return [bucket["starting_at"] for bucket in page["data"]]


@pytest.mark.parametrize(("width", "default", "largest"), [("1m", 60, 1440), ("1h", 24, 168), ("1d", 7, 31)])
def test_each_width_has_its_own_page_limits(ask: Ask, width: str, default: int, largest: int) -> None:
    query = (("starting_at", "2026-10-01T00:00:00Z"), ("bucket_width", width))
    assert len(ask(USAGE, *query).body["data"]) == default
    assert len(ask(USAGE, *query, ("limit", str(largest))).body["data"]) == largest
    for limit in (str(largest + 1), "0", "-1", "many"):
        assert ask(USAGE, *query, ("limit", limit)).status == 400


def test_the_width_is_a_day_unless_said_and_cost_has_only_that(ask: Ask) -> None:
    assert starts(ask(USAGE, START).body) == ["2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z"]
    assert ask(COST, START, ("bucket_width", "1d")).status == 200
    assert ask(COST, START, HOURLY).status == 400
    assert ask(COST, START, ("limit", "32")).status == 400


def test_at_most_five_dimensions_and_the_sixth_is_refused_in_the_vendors_words(ask: Ask) -> None:
    five = group_by("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
    assert ask(USAGE, START, *five).status == 200
    refused = ask(USAGE, START, *five, *group_by("context_window"))
    assert (refused.status, refused.message) == (400, "Cannot specify more than 5 group_by[] dimensions.")


def test_speed_needs_the_beta_header(ask: Ask) -> None:
    for query in (group_by("speed"), [("speeds[]", "fast")]):
        assert ask(USAGE, START, *query).status == 400
        assert ask(USAGE, START, *query, headers=FAST).status == 200
    rows = ask(USAGE, START, *group_by("speed"), headers=FAST).body["data"][0]["results"]
    assert {row["speed"] for row in rows} == {"standard", "fast"}


def test_there_is_an_entry_for_every_interval_also_before_there_was_any_traffic(
    ask: Ask, simulation: Simulation
) -> None:
    before = (simulation.first_day - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = ask(USAGE, ("starting_at", before)).body["data"]
    assert [bucket["results"] == [] for bucket in data] == [True, True] + [False] * 5
    assert all(a["ending_at"] == b["starting_at"] for a, b in pairwise(data))


def test_the_start_is_snapped_down_and_the_end_holds_whole_buckets(ask: Ask) -> None:
    page = ask(
        USAGE, ("starting_at", "2026-11-18T03:20:00+01:00"), ("ending_at", "2026-11-18T05:59:59Z"), HOURLY
    )
    assert starts(page.body) == [f"2026-11-18T0{hour}:00:00Z" for hour in (2, 3, 4)]


@pytest.mark.parametrize("end", ["2026-11-18T00:00:00Z", "2026-11-17T00:00:00Z"])
@pytest.mark.parametrize("path", [USAGE, COST])
def test_an_end_that_is_not_after_the_start_is_refused(ask: Ask, path: str, end: str) -> None:
    refused = ask(path, START, ("ending_at", end))
    assert (refused.status, refused.message) == (400, "ending date must be after starting date")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-19T15:30:20Z", None),  # the last 24 hours, with no end
        ("2026-11-18T06:00:00Z", "2026-11-18T18:00:00Z"),
        ("2026-11-18T06:00:00Z", "2026-11-19T18:00:00Z"),  # longer than a day, yet no whole one in it
    ],
)
def test_cost_refuses_a_range_without_a_whole_utc_day(ask: Ask, start: str, end: str | None) -> None:
    query = [("starting_at", start)] + ([("ending_at", end)] if end else [])
    refused = ask(COST, *query)
    assert (refused.status, refused.message) == (400, "ending date must be after starting date")


def test_pages_follow_each_other_without_gap_and_say_what_one_page_says(ask: Ask) -> None:
    query = (("starting_at", "2026-11-19T00:00:00Z"), HOURLY, *group_by("model"))
    whole = ask(USAGE, *query, ("limit", "168")).body
    assert whole["has_more"] is False
    assert whole["next_page"] is None
    collected, page = [], ask(USAGE, *query, ("limit", "17")).body
    while True:
        collected += page["data"]
        if not page["has_more"]:
            break
        page = ask(USAGE, *query, ("limit", "17"), ("page", page["next_page"])).body
    assert collected == whole["data"]


def test_a_range_keeps_its_end_while_it_is_paged(ask: Ask, clock: SettableClock) -> None:
    query = (("starting_at", "2026-11-20T10:00:00Z"), HOURLY, ("limit", "2"))
    page = ask(USAGE, *query).body
    collected = starts(page)
    while page["next_page"]:
        clock.advance(timedelta(hours=3))
        page = ask(USAGE, *query, ("page", page["next_page"])).body
        collected += starts(page)
    assert collected == [f"2026-11-20T{hour}:00:00Z" for hour in range(10, 15)]


def test_a_page_token_belongs_to_its_query_and_grows_old(
    ask: Ask, api: AdminApi, clock: SettableClock
) -> None:
    token = ("page", ask(USAGE, START, HOURLY).body["next_page"])
    assert ask(USAGE, HOURLY, token, START).status == 200, "the order of parameters means nothing"
    for other in ((START, HOURLY, *group_by("model")), (START, HOURLY, ("limit", "5")), (START,)):
        assert ask(USAGE, *other, token).status == 400
    assert ask(COST, START, token).status == 400
    assert ask(USAGE, START, HOURLY, ("page", "page_nonsense")).status == 400
    assert ask(USAGE, START, HOURLY, ("page", token[1][:-4] + "AAAA")).status == 400
    api.behaviour.page_tokens_live = timedelta(minutes=5)
    clock.advance(timedelta(minutes=5))
    assert ask(USAGE, START, HOURLY, token).status == 200
    clock.advance(timedelta(seconds=1))
    assert (ask(USAGE, START, HOURLY, token).status, ask(USAGE, START, HOURLY).status) == (400, 200)


@pytest.mark.parametrize(
    "query",
    [
        (START, ("group_by", "model")),
        (START, ("model", "claude-opus-5-5")),
        (START, START),
        (START, ("group_by[]", "colour")),
        (START, ("service_tiers[]", "gold")),
        (START, ("bucket_width", "1w")),
        (("starting_at", "yesterday"),),
        (("starting_at", "2026-11-18T00:00:00"),),
        (),
    ],
)
def test_every_mistake_in_a_query_is_refused(ask: Ask, query: tuple[tuple[str, str], ...]) -> None:
    refused = ask(USAGE, *query)
    assert (refused.status, refused.body["error"]["type"]) == (400, "invalid_request_error")
    assert refused.body["request_id"] == refused.headers["request-id"]


def test_the_answer_is_the_truth_of_the_moment(ask: Ask, simulation: Simulation) -> None:
    view = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
    page = ask(USAGE, START, ("ending_at", "2026-11-19T00:00:00Z"), HOURLY, *group_by(*view)).body
    times = ("starting_at", "ending_at")
    rows = [{**{n: b[n] for n in times}, **row} for b in page["data"] for row in b["results"]]
    start = simulation.first_day.replace(month=11, day=18)
    assert rows == simulation.usage_rows(start, start + timedelta(days=1), "1h", view)
    cost = ask(COST, START, *group_by("workspace_id", "description")).body
    rows = [{**{n: b[n] for n in times}, **row} for b in cost["data"] for row in b["results"]]
    both = ("workspace_id", "description")
    assert rows == simulation.cost_rows(start, start + timedelta(days=2), both)


def test_filters_are_heeded_and_the_default_workspace_is_asked_for_by_its_id(
    ask: Ask, simulation: Simulation
) -> None:
    default = simulation.organization().named("Default").id
    query = (START, *group_by("workspace_id", "model"), ("models[]", "claude-opus-5-5"))
    rows = ask(USAGE, *query, ("workspace_ids[]", default)).body["data"][0]["results"]
    assert [(row["workspace_id"], row["model"]) for row in rows] == [(None, "claude-opus-5-5")]
    assert ask(USAGE, *query, ("workspace_ids[]", "wrkspc_none")).body["data"][0]["results"] == []


def test_the_open_bucket_is_left_out_or_partial_or_an_error(
    ask: Ask, api: AdminApi, clock: SettableClock
) -> None:
    open_hour, closed = ("starting_at", "2026-11-20T15:00:00Z"), ("starting_at", "2026-11-20T14:00:00Z")
    ahead = ("ending_at", "2026-11-20T18:00:00Z")
    for query in ((open_hour, HOURLY), (open_hour, HOURLY, ahead)):
        api.behaviour.open_bucket = "omit"
        assert starts(ask(USAGE, *query).body) == []
        api.behaviour.open_bucket = "partial"
        before = ask(USAGE, *query).body
        assert starts(before) == ["2026-11-20T15:00:00Z"], "but none that has not begun"
        api.behaviour.open_bucket = "error"
        refused = ask(USAGE, *query)
        assert (refused.status, refused.message) == (400, "ending date must be after starting date")
    assert starts(ask(USAGE, closed, HOURLY, ahead).body) == ["2026-11-20T14:00:00Z"]
    api.behaviour.open_bucket = "partial"
    clock.advance(timedelta(minutes=10))
    after = ask(USAGE, open_hour, HOURLY).body
    sizes = [page["data"][0]["results"][0]["output_tokens"] for page in (before, after)]
    assert 0 < sizes[0] < sizes[1]


def test_the_open_day_of_cost_behaves_alike(ask: Ask, api: AdminApi) -> None:
    today = (("starting_at", "2026-11-20T00:00:00Z"), ("ending_at", "2026-11-21T00:00:00Z"))
    assert ask(COST, *today).body["data"] == []
    api.behaviour.open_bucket = "partial"
    assert float(ask(COST, *today).body["data"][0]["results"][0]["amount"]) > 0
    api.behaviour.open_bucket = "error"
    assert ask(COST, *today).status == 400

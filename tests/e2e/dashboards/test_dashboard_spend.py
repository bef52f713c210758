"""The Spend dashboard, and today on the overview, against what every request of the simulation really cost.

Settled days are exact; estimates are within a few per cent, and marked wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from anthropic_metrics.kibana.ask import ask
from tests.harness.dashboard_truth import DAY, Row, by, day_of, instant, total, true_spend
from tests.harness.dashboard_world import (
    CHOICES,
    NOW,
    PANELS,
    asked,
    dollars,
    each_choice,
    each_token_choice,
    expected,
    minute,
    said,
)
from tests.harness.world import World

CENT = Decimal("0.01")
FIRST = datetime(2026, 9, 28, tzinfo=UTC)  # of the dashboard's range
TODAY = day_of(NOW)
# Of the settled days, those whose bill lacks nothing; that of the 30th is missing altogether.
SETTLED = [FIRST + number * DAY for number in (0, 1, 3, 4, 5)]
WHOLE_BILLS = [FIRST, FIRST + DAY, FIRST + 5 * DAY]
ESTIMATED = [FIRST + number * DAY for number in (2, 6, 7, 8)]


def near(found: float | None, wanted: Decimal, share: float) -> None:
    assert found == pytest.approx(float(wanted), rel=share, abs=0.01)


def within(chosen: Mapping[str, Any]) -> float:
    """How far estimates may be off: the fewer requests are chosen, the more a single one matters."""
    return 0.15 if chosen else 0.03


def exact(chosen: Mapping[str, Any]) -> bool:
    """Whether the bill can be chosen alike: its web searches name no model."""
    return "anthropic.model" not in chosen


def days_of(rows: Iterable[Row], days: Iterable[datetime]) -> list[Row]:
    chosen = set(days)
    return [row | {"day": day_of(row["time"])} for row in rows if day_of(row["time"]) in chosen]


def hours_by_key(w: World, chosen: Mapping[str, Any]) -> list[Row]:
    records = asked(w, "spend: Spend an hour by key, USD", chosen).records()
    return [
        {
            "time": instant(each["hour"]),
            "key": each["anthropic.api_key.name"],
            "usd": Decimal(str(each["usd"])),
        }
        for each in records
    ]


@each_token_choice
def test_each_key_of_a_settled_day_costs_what_its_requests_did_to_the_cent(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    truth = by(days_of(true_spend(filled, FIRST, NOW, chosen), WHOLE_BILLS), ["day", "key"], "usd")
    held = by(days_of(hours_by_key(filled, chosen), WHOLE_BILLS), ["day", "key"], "usd")
    assert truth
    for place, usd in truth.items():
        assert abs(held.get(place, Decimal(0)) - usd) < CENT, place
    assert {key for _, key in held.keys() - truth.keys()} <= {"Unattributed"}


@each_choice
@pytest.mark.parametrize("dashboard", ["overview", "spend"])
def test_today_so_far_is_what_its_requests_cost_to_within_a_few_per_cent(
    filled: World, dashboard: str, chosen: dict[str, list[str]]
) -> None:
    found = said(filled, f"{dashboard}: Today so far, USD", chosen)
    rows = true_spend(filled, TODAY - DAY, NOW, chosen)
    share = within(chosen)
    near(found["usd"], total(row["usd"] for row in rows if row["time"] >= TODAY), share)
    near(found["yesterday"], total(row["usd"] for row in rows if row["time"] < NOW - DAY), share)


@each_choice
def test_a_week_ago_is_the_settled_bill_of_its_hours(filled: World, chosen: dict[str, list[str]]) -> None:
    found = said(filled, "spend: A week ago by this time, USD", chosen)
    # Code execution stands at the day's beginning.
    bill = [
        row
        for row in expected(filled, "spend: Today so far, USD", chosen).costs
        if row["time"] == FIRST + DAY
    ]
    code = total(row["usd"] for row in bill if row["cost_type"] == "code_execution")
    rows = true_spend(filled, FIRST + DAY, FIRST + 2 * DAY, chosen)
    near(
        found["usd"], total(row["usd"] for row in rows if row["time"] < NOW - 7 * DAY) + code, within(chosen)
    )
    if exact(chosen):
        dollars(found["whole"], total(row["usd"] for row in bill))
    else:
        near(found["whole"], total(row["usd"] for row in rows), 0.001)
    late = FIRST + 2 * DAY
    assert said(filled, "spend: A week ago by this time, USD", start=late) == {"usd": None, "whole": None}


@each_choice
def test_each_day_is_its_bill_once_it_is_settled_and_an_estimate_before(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    records = asked(filled, "spend: Spend a day by basis, USD", chosen).records()
    found = {(instant(row["day"]), row["anthropic.spend.basis"]): row["usd"] for row in records}
    bill = by(expected(filled, "spend: Today so far, USD", chosen).costs, ["time"], "usd")
    rows = by(days_of(true_spend(filled, FIRST, NOW, chosen), ESTIMATED), ["day"], "usd")
    assert {day for day, basis in found if basis == "allocated"} == set(SETTLED)
    assert {day for day, basis in found if basis == "estimated"} == rows.keys()
    for (day, basis), usd in found.items():
        if basis == "estimated":
            near(usd, rows[day], 0.05 + within(chosen))
        elif exact(chosen):
            dollars(usd, bill[day])
    early = said(filled, "spend: Estimated part of spend, USD", chosen)
    assert early["early"] == pytest.approx(
        sum(usd for (_, kind), usd in found.items() if kind == "estimated")
    )
    assert early["share"] == pytest.approx(early["early"] / sum(found.values()))


@each_token_choice
def test_keys_are_ranked_with_what_of_their_spend_is_estimated(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    hours = hours_by_key(filled, chosen)
    late, early = (by(days_of(hours, days), ["key"], "usd") for days in (SETTLED, ESTIMATED))
    records = asked(filled, "spend: Spend by key, USD", chosen).records()
    assert {row["anthropic.api_key.name"] for row in records} == late.keys() | early.keys()
    for row in records:
        key = row["anthropic.api_key.name"]
        assert row["late"] == pytest.approx(float(late.get(key, 0)), abs=1e-6)
        assert row["early"] == pytest.approx(float(early.get(key, 0)), abs=1e-6)
    sums = [row["late"] + row["early"] for row in records]
    assert sums == sorted(sums, reverse=True)


@each_token_choice
def test_the_table_of_keys_has_today_beside_the_days_before_and_marks_what_is_estimated(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    rows = true_spend(filled, FIRST, NOW, chosen)
    newest: dict[str, datetime] = {}
    for row in expected(filled, "spend: Keys today, USD", chosen).usage:
        newest[row["key"]] = max(row["time"], newest.get(row["key"], row["time"]))
    spans = {
        "today_usd": (TODAY, NOW),
        "yesterday_usd": (TODAY - DAY, NOW - DAY),
        "week_usd": (TODAY - 7 * DAY, NOW - 7 * DAY),
    }
    early = by(days_of(rows, ESTIMATED), ["key"], "usd")
    records = asked(filled, "spend: Keys today, USD", chosen).records()
    assert {row["anthropic.api_key.name"] for row in records} - {"Unattributed"} == newest.keys()
    for record in records:
        key = record["anthropic.api_key.name"]
        own = [row for row in rows if row["key"] == key]
        if key == "Unattributed":
            assert record["per_million"] is None
            continue
        for column, (start, end) in spans.items():
            near(record[column] or 0, total(row["usd"] for row in own if start <= row["time"] < end), 0.3)
        near(record["early"] or 0, early.get(key, Decimal(0)), 0.3)
        assert record["newest"] == minute(newest[key])
        assert record["per_request"] is None, "no analytics report, no requests"


def test_an_hour_that_may_still_grow_is_marked(filled: World) -> None:
    """The same documents, of which the newest is one that was read while its hour ran."""
    namespace = "halfread"
    sources = [
        each
        for each in filled.sources("spend")
        if each["anthropic"]["api_key"].get("name") == "assistant-api"
    ]
    *earlier, newest = sorted(sources, key=lambda each: str(each["@timestamp"]))[-5:]
    newest["anthropic"]["spend"]["bucket_complete"] = False
    for source in (*earlier, newest):
        filled.es.index(
            index=f"metrics-anthropic_metrics.spend-{namespace}", op_type="create", document=source
        )
    filled.es.indices.refresh(index=f"metrics-anthropic_metrics.spend-{namespace}")
    _, panel = PANELS["spend: Keys today, USD"]
    (row,) = ask(filled.es, panel.query, FIRST, NOW, namespace=namespace).records()
    assert row["newest"] == f"{minute(instant(newest['@timestamp']))} (not complete)"


@each_choice
def test_what_no_key_can_be_named_for_is_the_bill_s_code_execution(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    costs = days_of(expected(filled, "spend: Today so far, USD", chosen).costs, SETTLED)
    code = [row for row in costs if row["cost_type"] == "code_execution"]
    found = said(filled, "spend: Unattributed, USD", chosen)
    dollars(found["usd"], total(row["usd"] for row in code) if code else Decimal(0))
    records = asked(filled, "spend: Without a key or a price, USD", chosen).records()
    assert {(row["what"], row["workspace"]) for row in records} == {
        (row["cost_type"], row["workspace"]) for row in code
    }
    sums = by(code, ["workspace"], "usd")
    for row in records:
        dollars(row["usd"], sums[row["workspace"]])
    assert said(filled, "spend: Tokens without a price", chosen) == {"tokens": 0}


@each_token_choice
def test_what_the_cache_saved_is_the_price_of_uncached_input_less_what_was_paid(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    found = said(filled, "spend: Saved by the cache by key, USD", chosen)
    rows = days_of(true_spend(filled, FIRST, NOW, chosen), [*WHOLE_BILLS, *ESTIMATED])
    unbilled = days_of(true_spend(filled, FIRST, NOW, chosen), SETTLED[2:4])
    saved, rest = total(row["saved"] for row in rows), total(row["saved"] for row in unbilled)
    # Of the two days whose bills lack lines, their cached tokens cost nothing, as far as anybody knows.
    # Where one of a few requests is dearer than the mean that all pay, the two differ by more.
    off = 4 * within(chosen)
    assert float(saved) * (1 - off) - 0.01 <= found["saved"] <= float(saved + rest) * (1 + off) + 1


def test_the_estimates_of_each_settled_day_stand_beside_their_bill(filled: World) -> None:
    costs = days_of(expected(filled, "spend: Today so far, USD").costs, SETTLED)
    bill = by([row for row in costs if row["cost_type"] != "code_execution"], ["day"], "usd")
    records = asked(filled, "spend: How good the estimates were, USD").records()
    assert [instant(row["day"]) for row in records] == sorted(SETTLED, reverse=True)
    for row in records:
        day = instant(row["day"])
        dollars(row["billed"], bill[day])
        assert row["difference"] == pytest.approx(row["estimated"] - row["billed"])
        assert row["share"] == pytest.approx(row["difference"] / row["billed"])
        if day in WHOLE_BILLS:
            assert abs(row["share"]) < 0.03
    # The bill of the 1st lacks two models: that is what its estimates were off by.
    (missing,) = (row for row in records if instant(row["day"]) == FIRST + 3 * DAY)
    assert missing["share"] > 0.03
    assert missing["cell"]


def test_the_choices_of_the_world_have_something_to_choose(filled: World) -> None:
    for chosen in CHOICES.values():
        assert true_spend(filled, NOW - timedelta(days=1), NOW, chosen)

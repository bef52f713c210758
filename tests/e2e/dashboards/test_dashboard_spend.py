"""The Spend dashboard, and today on the overview, against the two reports and the documented formulas.

Every figure is exact to a millionth of a dollar. That the formulas come close to what the requests really
cost is shown by the first two tests.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from anthropic_metrics.kibana.ask import ask
from tests.harness.dashboard_spend import estimate_checks, spend_truth
from tests.harness.dashboard_truth import DAY, Row, by, day_of, instant, total, true_spend
from tests.harness.dashboard_world import (
    CHOICES,
    NOW,
    PANELS,
    USAGE_DAYS,
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
EXACT = Fraction(1, 1_000_000)
FIRST = datetime(2026, 9, 28, tzinfo=UTC)  # of the dashboard's range
FIRST_USE = day_of(NOW - USAGE_DAYS)
TODAY = day_of(NOW)
# Of the settled days, those whose bill lacks nothing; that of the 30th is missing altogether.
SETTLED = [FIRST + number * DAY for number in (0, 1, 3, 4, 5)]
WHOLE_BILLS = [FIRST, FIRST + DAY, FIRST + 5 * DAY]
ESTIMATED = [FIRST + number * DAY for number in (2, 6, 7, 8)]


def near(found: float | None, wanted: Fraction | int) -> None:
    assert found is not None
    assert abs(Fraction(found) - wanted) < EXACT, (found, float(wanted))


def documents(w: World, chosen: Mapping[str, Sequence[str]] | None = None) -> list[Row]:
    """What the stream should hold in the dashboard's range."""
    return spend_truth(w, FIRST_USE, FIRST, chosen)


def priced(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["usd"] is not None]


def amount(rows: Iterable[Row], start: datetime | None = None, end: datetime | None = None) -> Fraction:
    """Dollars of the rows in [start, end)."""
    inside = [
        row for row in priced(rows) if (start or FIRST) <= row["time"] < (end or NOW + timedelta(hours=1))
    ]
    return sum((row["usd"] for row in inside), Fraction(0))


def by_now(rows: Sequence[Row], day: datetime) -> Fraction:
    """Dollars of an earlier day up to this time; of the hour of this time as much as has passed of it."""
    hour = day + timedelta(hours=NOW.hour)
    passed = Fraction(NOW.minute * 60 + NOW.second, 3600)
    return amount(rows, day, hour) + passed * amount(rows, hour, hour + timedelta(hours=1))


def saved(rows: Iterable[Row]) -> Fraction:
    return sum((row["saved"] for row in rows if row["saved"] is not None), Fraction(0))


def early(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["basis"] == "estimated"]


def days_of(rows: Iterable[Row], days: Iterable[datetime]) -> list[Row]:
    chosen = set(days)
    return [row | {"day": day_of(row["time"])} for row in rows if day_of(row["time"]) in chosen]


def by_time_and_key(w: World, chosen: Mapping[str, Any]) -> dict[tuple[datetime, str], float]:
    records = asked(w, "spend: Spend over time by key, USD", chosen).records()
    found = {(instant(row["time"]), row["anthropic.api_key.name"]): row["usd"] for row in records}
    assert len(found) == len(records)
    return found


@each_token_choice
def test_each_key_of_a_settled_day_costs_what_its_requests_did_to_the_cent(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    truth = by(days_of(true_spend(filled, FIRST, NOW, chosen), WHOLE_BILLS), ["day", "key"], "usd")
    found: dict[tuple[datetime, str], Decimal] = {}
    for (time, key), usd in by_time_and_key(filled, chosen).items():
        if (day := day_of(time)) in WHOLE_BILLS:
            found[day, key] = found.get((day, key), Decimal(0)) + Decimal(usd)
    assert truth
    for place, cost in truth.items():
        assert abs(found.get(place, Decimal(0)) - cost) < CENT, place
    assert {key for _, key in found.keys() - truth.keys()} <= {"Unattributed"}


def test_what_is_estimated_is_within_three_per_cent_of_what_its_requests_cost(filled: World) -> None:
    truth = by(days_of(true_spend(filled, FIRST, NOW), ESTIMATED), ["day"], "usd")
    for day, cost in truth.items():
        found = amount(days_of(documents(filled), [day]))
        assert abs(found - Fraction(cost)) < Fraction(cost) * 3 / 100, day


@each_token_choice
def test_each_hour_of_each_key_costs_its_share_of_the_bill_or_its_tokens_at_the_last_price(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    wanted = by(priced(documents(filled, chosen)), ["time", "key"], "usd")
    found = by_time_and_key(filled, chosen)
    assert found.keys() == wanted.keys()
    for place, usd in wanted.items():
        near(found[place], usd)


@each_choice
@pytest.mark.parametrize("dashboard", ["overview", "spend"])
def test_today_so_far_stands_beside_yesterday_by_this_time(
    filled: World, dashboard: str, chosen: dict[str, list[str]]
) -> None:
    found = said(filled, f"{dashboard}: Today so far, USD", chosen)
    rows = documents(filled, chosen)
    near(found["usd"], amount(rows, TODAY))
    near(found["yesterday"], by_now(rows, TODAY - DAY))


@each_choice
def test_a_week_ago_is_the_settled_bill_of_its_hours(filled: World, chosen: dict[str, list[str]]) -> None:
    found = said(filled, "spend: A week ago by this time, USD", chosen)
    rows, day = documents(filled, chosen), TODAY - 7 * DAY
    near(found["usd"], by_now(rows, day))
    near(found["whole"], amount(rows, day, day + DAY))
    late = FIRST + 2 * DAY
    assert said(filled, "spend: A week ago by this time, USD", start=late) == {"usd": None, "whole": None}


@each_choice
def test_each_day_is_its_bill_once_it_is_settled_and_an_estimate_before(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    records = asked(filled, "spend: Spend a day by basis, USD", chosen).records()
    found = {(instant(row["day"]), row["anthropic.spend.basis"]): row["usd"] for row in records}
    rows = [row | {"day": day_of(row["time"])} for row in priced(documents(filled, chosen))]
    wanted = by(rows, ["day", "basis"], "usd")
    assert {day for day, basis in wanted if basis == "allocated"} == set(SETTLED)
    assert {day for day, basis in wanted if basis == "estimated"} == set(ESTIMATED)
    assert found.keys() == wanted.keys()
    for place, usd in wanted.items():
        near(found[place], usd)
    bill = by(expected(filled, "spend: Today so far, USD").costs, ["time"], "usd")
    for day in SETTLED if not chosen else ():
        dollars(found[day, "allocated"], bill[day])
    part = said(filled, "spend: Estimated part of spend, USD", chosen)
    near(part["early"], amount(early(rows)))
    assert part["share"] == pytest.approx(float(amount(early(rows)) / amount(rows)), rel=1e-9)


@each_token_choice
def test_keys_are_ranked_with_what_of_their_spend_is_estimated(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    rows = priced(documents(filled, chosen))
    records = asked(filled, "spend: Spend by key, USD", chosen).records()
    assert {row["anthropic.api_key.name"] for row in records} == {row["key"] for row in rows}
    for record in records:
        own = [row for row in rows if row["key"] == record["anthropic.api_key.name"]]
        near(record["early"], amount(early(own)))
        near(record["late"], amount(own) - amount(early(own)))
    sums = [row["late"] + row["early"] for row in records]
    assert sums == sorted(sums, reverse=True)


@each_token_choice
def test_the_table_of_keys_has_today_beside_the_days_before_and_marks_what_is_estimated(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    rows = documents(filled, chosen)
    records = asked(filled, "spend: Keys today, USD", chosen).records()
    assert {row["anthropic.api_key.name"] for row in records} == {row["key"] for row in rows}
    for record in records:
        own = [row for row in rows if row["key"] == record["anthropic.api_key.name"]]
        near(record["today_usd"] or 0, amount(own, TODAY))
        near(record["yesterday_usd"] or 0, by_now(own, TODAY - DAY))
        near(record["week_usd"] or 0, by_now(own, TODAY - 7 * DAY))
        near(record["usd"] or 0, amount(own))
        near(record["early"] or 0, amount(early(own)))
        near(record["saved"] or 0, saved(own))
        tokens = sum(row["tokens"] for row in own)
        if tokens and priced(own):
            assert record["per_million"] == pytest.approx(float(amount(own) * 10**6 / tokens), rel=1e-9)
        else:
            assert record["per_million"] is None
        assert record["newest"] == minute(max(row["time"] for row in own))
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


def test_the_chart_by_key_shows_a_year_and_the_dearest_keys_whole(filled: World) -> None:
    """Of a key for each cent from 1 to 45, each in the first and the last hour of a year."""
    namespace, hour = "manykeys", timedelta(hours=1)
    stream, first = f"metrics-anthropic_metrics.spend-{namespace}", NOW - 365 * DAY
    document = filled.sources("spend")[0]
    body: list[dict[str, Any]] = []
    for cents in range(1, 46):
        for moment in (first + hour, NOW - hour):
            source = copy.deepcopy(document) | {"@timestamp": moment.isoformat()}
            source["anthropic"]["api_key"] = {"id": f"apikey_{cents}", "name": f"key {cents:02}"}
            source["anthropic"]["spend"]["amount_usd"] = cents / 100
            body += [{"create": {}}, source]
    assert not filled.es.bulk(index=stream, operations=body, refresh=True)["errors"]
    _, panel = PANELS["spend: Spend over time by key, USD"]
    rows = ask(filled.es, panel.query, first, NOW, namespace=namespace).records()
    assert {instant(row["time"]).weekday() for row in rows} == {0}, "a year is shown by the week"
    shown = {(row["anthropic.api_key.name"], row["usd"]) for row in rows}
    assert shown == {(f"key {cents:02}", cents / 100) for cents in range(6, 46)}
    assert len(rows) == 2 * len(shown)


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
    rows = documents(filled, chosen)
    near(found["saved"], saved(rows))
    near(found["usd"], amount(rows))


def test_the_estimates_of_each_settled_day_stand_beside_their_bill(filled: World) -> None:
    wanted = {day: sums for day, sums in estimate_checks(filled, FIRST_USE).items() if day >= FIRST}
    costs = days_of(expected(filled, "spend: Today so far, USD").costs, SETTLED)
    bill = by([row for row in costs if row["cost_type"] != "code_execution"], ["day"], "usd")
    records = asked(filled, "spend: How good the estimates were, USD").records()
    assert [instant(row["day"]) for row in records] == sorted(SETTLED, reverse=True)
    for row in records:
        day = instant(row["day"])
        estimated, billed = wanted[day]
        near(row["estimated"], estimated)
        near(row["billed"], billed)
        dollars(row["billed"], bill[day])
        near(row["difference"], estimated - billed)
        assert row["share"] == pytest.approx(float((estimated - billed) / billed), rel=1e-9)
        if day in WHOLE_BILLS:
            assert abs(row["share"]) < 0.03
    # The bill of the 1st lacks two models: that is what its estimates were off by.
    (missing,) = (row for row in records if instant(row["day"]) == FIRST + 3 * DAY)
    assert missing["share"] > 0.03
    assert missing["cell"]


def test_the_choices_of_the_world_have_something_to_choose(filled: World) -> None:
    for chosen in CHOICES.values():
        assert true_spend(filled, NOW - timedelta(days=1), NOW, chosen)

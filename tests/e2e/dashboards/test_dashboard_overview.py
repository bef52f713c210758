"""The executive overview's figures are the truth, under choices too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.harness.dashboard_truth import DAY, by, day_of, instant, month_after, month_before, month_of, truth
from tests.harness.dashboard_world import CHOICES, NOW, asked, dollars, each_choice, expected, minute, said
from tests.harness.world import World


@each_choice
def test_the_month_to_date_is_the_bill_of_the_utc_month(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "overview: Spend this month, USD"
    t = expected(filled, name, chosen)
    found = said(filled, name, chosen)
    dollars(found["spent"], t.days(month_of(NOW), NOW))
    same_day = month_before(NOW) + (day_of(NOW) - month_of(NOW))
    dollars(found["earlier"], t.days(month_before(NOW), same_day))
    dollars(
        said(filled, "cost: Spend this month, USD", chosen)["usd"],
        t.days(month_of(NOW), NOW),
    )


def test_a_month_of_which_only_a_part_is_held_is_no_comparison(filled: World) -> None:
    """The history begins on the first of September: seen from there, August is not known."""
    end = datetime(2026, 9, 20, 12, tzinfo=UTC)
    found = said(filled, "overview: Spend this month, USD", start=month_before(end), end=end)
    dollars(found["spent"], truth(filled, month_of(end), end).days(month_of(end), end))
    assert found["earlier"] is None


def test_a_range_that_misses_the_month_s_beginning_shows_no_month(filled: World) -> None:
    late = month_of(NOW) + DAY
    assert said(filled, "overview: Spend this month, USD", start=late) == {"spent": None, "earlier": None}
    assert said(filled, "overview: Month end at the week's rate, USD", start=late) == {
        "forecast": None,
        "rate": None,
    }
    assert said(filled, "cost: Spend this month, USD", start=late)["usd"] is None


@each_choice
def test_the_forecast_is_what_is_reported_and_a_week_s_rate_for_the_rest(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "overview: Month end at the week's rate, USD"
    t, today = expected(filled, name, chosen), day_of(NOW)
    rate = t.days(today - 8 * DAY, today - DAY) / 7
    reported = t.days(month_of(NOW), today)
    left = (month_after(NOW) - today).days
    found = said(filled, name, chosen)
    dollars(found["rate"], rate)
    dollars(found["forecast"], reported + rate * left)


def test_the_forecast_estimates_a_yesterday_that_is_not_reported_yet(filled: World) -> None:
    end = NOW + DAY
    t, today = truth(filled, month_before(end), end), day_of(end)
    assert not t.days(today - DAY, end)
    rate = t.days(today - 8 * DAY, today - DAY) / 7
    left = (month_after(end) - today).days
    found = said(filled, "overview: Month end at the week's rate, USD", end=end)
    dollars(found["forecast"], t.days(month_of(end), today) + rate * (left + 1))


def test_the_forecast_of_a_month_that_is_over_is_its_bill(filled: World) -> None:
    end = month_of(NOW) - timedelta(milliseconds=1)
    t = truth(filled, month_of(end), end)
    found = said(filled, "overview: Month end at the week's rate, USD", start=month_of(end), end=end)
    assert not t.days(day_of(end), end), "this world has no bill of the last day, so that it is estimated"
    dollars(found["forecast"], t.days(month_of(end), end) + Decimal(str(found["rate"])))


def test_there_is_no_forecast_from_less_than_a_week(filled: World) -> None:
    """The history begins on the first of September."""
    end = datetime(2026, 9, 7, 12, tzinfo=UTC)
    found = said(filled, "overview: Month end at the week's rate, USD", start=month_before(end), end=end)
    assert found == {"forecast": None, "rate": None}


def _spent(w: World, workspace: str | None = None) -> float:
    """What the month's documents of spend add up to."""
    found = [
        source["anthropic"]["spend"].get("amount_usd", 0.0)
        for source in _month(w)
        if workspace in (None, source["anthropic"]["workspace"].get("name"))
    ]
    return float(sum(found))


def _month(w: World) -> list[dict[str, Any]]:
    return [source for source in w.sources("spend") if source["@timestamp"] >= month_of(NOW).isoformat()]


def test_the_month_to_date_stands_against_the_organization_s_budget(filled: World) -> None:
    name = "overview: Used of your USD budget this month"
    found = said(filled, name)
    assert found["budget"] == 2000
    assert found["used"] == pytest.approx(_spent(filled) / 2000)
    assert said(filled, name, CHOICES["a model"]) == {"used": None, "budget": None}
    assert said(filled, name, start=month_of(NOW) + DAY)["used"] is None


def test_each_budget_stands_with_what_is_spent_and_left_of_it_and_so_do_spend_limits(filled: World) -> None:
    name = "overview: Budgets"
    rows = asked(filled, name).records()
    tokens = next(row for row in rows if row["name"] == "batch tokens")
    assert (tokens["tokens"], tokens["budget"], tokens["spent"]) == (1e12, None, None)
    used = sum(source["anthropic"]["spend"]["total_tokens"] for source in _month(filled))
    assert tokens["used_tokens"] == used
    assert tokens["used"] == pytest.approx(used / 1e12)
    assert tokens["forecast_tokens"] > used
    rows.remove(tokens)
    wanted = {
        "organization": (2000, _spent(filled)),
        "workspace Production": (100, _spent(filled, "Production")),
        "workspace Default": (50, _spent(filled, "Default")),
        "limit: organization": (60_000, _spent(filled)),
        "limit: workspace Staging": (1500, _spent(filled, "Staging")),
        "limit: workspace Data Science": (20_000, _spent(filled, "Data Science")),
    }
    shares = {key: usd / budget for key, (budget, usd) in wanted.items()}
    assert [row["name"] for row in rows] == [
        *sorted(wanted, key=lambda key: shares[key], reverse=True),
        "workspace Unused",
    ]
    for row in rows[:-1]:
        budget, usd = wanted[row["name"]]
        assert row["budget"] == budget
        assert [row["spent"], row["left"], row["used"]] == pytest.approx([usd, budget - usd, usd / budget])
        assert row["state"] == ("exceeded" if usd >= budget else "ok")
        assert row["forecast"] > usd
        assert row["counted_from"] is None
        ends = {"exceeded"} if usd >= budget else {"not this month", row["runs_out"]} - {"exceeded", None}
        assert row["runs_out"] in ends
    unknown = (rows[-1]["state"], rows[-1]["spent"], rows[-1]["runs_out"])
    assert unknown == ("unknown: there is no workspace Unused", None, None)
    (chosen,) = asked(filled, name, CHOICES["a workspace"]).records()
    assert (chosen["name"], chosen["budget"]) == ("workspace Production", 100)


@each_choice
def test_active_workspaces_are_those_with_usage(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "overview: Active workspaces", chosen).usage
    assert said(filled, "overview: Active workspaces", chosen) == {
        "workspaces": len({row["workspace"] for row in t}),
        "models": len({row["model"] for row in t}),
    }


def test_the_age_of_usage_is_counted_from_the_end_of_its_newest_hour(filled: World) -> None:
    newest = max(row["until"] for row in expected(filled, "overview: Newest usage, minutes old").usage)
    found = said(filled, "overview: Newest usage, minutes old")
    assert instant(found["newest"]) == newest
    assert found["minutes"] == int((NOW - newest).total_seconds() // 60)


@each_choice
def test_the_weeks_are_compared_where_the_bill_is_settled(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "overview: What changed in a week, USD"
    t, until = expected(filled, name, chosen), day_of(NOW) - DAY
    last = [row for row in t.costs if until - 7 * DAY <= row["time"] < until]
    before = [row for row in t.costs if until - 14 * DAY <= row["time"] < until - 7 * DAY]
    weeks = by(last, ["workspace", "shown_model"], "usd"), by(before, ["workspace", "shown_model"], "usd")
    records = asked(filled, name, chosen).records()
    assert len(records) == min(20, len(weeks[0].keys() | weeks[1].keys()))
    for record in records:
        key = record["anthropic.workspace.name"], record["anthropic.model"]
        new, old = (week.get(key, Decimal(0)) for week in weeks)
        dollars(record["week"], new)
        dollars(record["before"], old)
        dollars(record["change"], new - old)
        assert record["share"] == (pytest.approx(float((new - old) / old)) if old else None)
    changes = [abs(record["change"]) for record in records]
    assert changes == sorted(changes, reverse=True)
    assert not asked(filled, name, chosen, start=until - 13 * DAY).rows


def test_freshness_is_the_newest_row_of_each_stream(filled: World) -> None:
    name = "overview: How fresh the figures are"
    t = expected(filled, name)
    records = {r["data_stream.dataset"]: r for r in asked(filled, name).records()}
    for dataset, rows in (("usage", t.usage), ("cost", t.costs)):
        newest = max(row["until"] for row in rows)
        record = records[f"anthropic_metrics.{dataset}"]
        assert record["newest"] == minute(newest)
        assert record["hours"] == int((NOW - newest).total_seconds() // 3600)
        assert record["written"] == minute(NOW)

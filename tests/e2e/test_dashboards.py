"""Every panel's query on a real Elasticsearch: it runs, it is never empty, and its figures are the truth.

The figures are compared with the simulation's own rows, to the cent and to the token, under choices too: the
choices go as a filter beside the query, as Kibana sends them.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from dashboard_limits import WHOLE, ceilings, windows
from dashboard_truth import (
    BILL_KINDS,
    DAY,
    USAGE_KINDS,
    Row,
    Truth,
    by,
    day_of,
    instant,
    month_after,
    month_before,
    month_of,
    total,
    truth,
)
from elasticsearch import Elasticsearch
from world import World, attempt, world

from anthropic_metrics.config import Backfill, BudgetSettings, UsageSettings
from anthropic_metrics.kibana.ask import Answer, ask, since
from anthropic_metrics.kibana.definitions import Metric, load_bundle

NOW = datetime(2026, 10, 6, 15, 42, 10, tzinfo=UTC)
LOOKED_BEFORE = timedelta(days=2)
USAGE_DAYS = timedelta(days=14)
BUDGETS = BudgetSettings(organization_usd=2000, workspaces={"Production": 100, "Default": 50, "Unused": 30})
BUNDLE = load_bundle()
PANELS = {
    f"{dashboard.name}: {panel.title}": (dashboard, panel)
    for dashboard in BUNDLE.dashboards
    for panel in dashboard.queried()
}
NUMBERS = {"long", "integer", "double"}
TYPES = {"number": NUMBERS, "date": {"date"}, "string": {"keyword"}}
CHOICES: dict[str, dict[str, list[str]]] = {
    "everything": {},
    "a workspace": {"anthropic.workspace.name": ["Production"]},
    "a model": {"anthropic.model": ["claude-opus-5-5"]},
    "both": {
        "anthropic.workspace.name": ["Data Science", "Default"],
        "anthropic.model": ["claude-sonnet-5-5", "claude-haiku-5-5"],
    },
}

each_panel = pytest.mark.parametrize("name", PANELS)
each_choice = pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)


@pytest.fixture(scope="module")
def filled(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    """Five weeks of costs, seen two days before the end and at the end, and two weeks of usage."""
    usage = UsageSettings(minute_backfill=timedelta(minutes=30))
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        with world(
            es,
            elasticsearch_url,
            f"t{uuid.uuid4().hex[:8]}",
            now=NOW - LOOKED_BEFORE,
            days=33,
            usage=usage,
            arrivals="usual",
            revisions="usual",
        ) as w:
            with w.agent() as agent:
                jobs = agent.pollers.single(agent.sink)
                attempt(agent, [job for job in jobs if job.poller == "cost"])
            w.config = w.config.model_copy(update={"backfill": Backfill(USAGE_DAYS), "budgets": BUDGETS})
            w.clock.advance(LOOKED_BEFORE)
            w.once()
            es.indices.refresh(index=f"metrics-anthropic_metrics.*-{w.config.namespace}")
            yield w


def asked(
    w: World,
    name: str,
    chosen: Mapping[str, Sequence[str]] | None = None,
    start: datetime | None = None,
    end: datetime = NOW,
) -> Answer:
    dashboard, panel = PANELS[name]
    begin = start or since(dashboard.range, end)
    return ask(w.es, panel.query, begin, end, namespace=w.config.namespace, chosen=chosen)


def said(w: World, name: str, chosen: Mapping[str, Sequence[str]] | None = None, **of: Any) -> Row:
    """The one row of a metric."""
    (row,) = asked(w, name, chosen, **of).records()
    return row


def expected(w: World, name: str, chosen: Mapping[str, Sequence[str]] | None = None) -> Truth:
    """The truth of a panel's own range."""
    t = truth(w, since(PANELS[name][0].range, NOW), NOW, chosen)
    return replace(t, usage=[row for row in t.usage if row["time"] >= day_of(NOW - USAGE_DAYS)])


def assert_equal(found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    """The same keys; tokens the same, dollars the same to a thousandth of a cent."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        if isinstance(value, Decimal):
            assert abs(Decimal(found[key]) - value) < Decimal("0.00001"), key
        else:
            assert found[key] == value, key


def dollars(found: float | None, wanted: Decimal) -> None:
    assert found is not None
    assert abs(Decimal(found) - wanted) < Decimal("0.00001"), (found, wanted)


@each_panel
def test_a_panel_has_data_in_columns_of_the_types_it_draws(filled: World, name: str) -> None:
    dashboard, panel = PANELS[name]
    found = ask(
        filled.es,
        panel.query,
        since(dashboard.range, NOW),
        NOW,
        namespace=filled.config.namespace,
    )
    assert set(found.columns) == set(panel.columns)
    for column, type_ in zip(found.columns, found.types, strict=True):
        assert type_ in TYPES[panel.columns[column].type], column
    assert found.rows
    for accessor in panel.accessors():
        assert any(record[accessor] is not None for record in found.records()), accessor


@each_panel
def test_a_range_without_data_shows_nothing_or_zero_and_no_error(filled: World, name: str) -> None:
    dashboard, panel = PANELS[name]
    long_ago = datetime(2020, 5, 6, 7, 8, tzinfo=UTC)
    found = ask(
        filled.es, panel.query, since(dashboard.range, long_ago), long_ago, namespace=filled.config.namespace
    )
    assert set(found.columns) == set(panel.columns)
    if isinstance(panel, Metric):
        value = found.records()[0][panel.value]
        # Only an age, a rest or a share of no budget may be unknown; everything that is counted is zero.
        unknown = re.search("minutes old|Least headroom|budget", panel.title)
        assert value == 0 or (value is None and unknown)
    else:
        assert not found.rows


@each_panel
def test_a_stream_that_no_document_has_made_yet_is_no_error(es: Elasticsearch, name: str) -> None:
    _, panel = PANELS[name]
    assert ask(es, panel.query, NOW - DAY, NOW, namespace="nobody").rows == ()


# Headline figures.


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
    assert said(filled, "overview: Month-end forecast, USD", start=late) == {"forecast": None, "rate": None}
    assert said(filled, "cost: Spend this month, USD", start=late) == {"usd": None}


@each_choice
def test_the_forecast_is_what_is_reported_and_a_week_s_rate_for_the_rest(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "overview: Month-end forecast, USD"
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
    found = said(filled, "overview: Month-end forecast, USD", end=end)
    dollars(found["forecast"], t.days(month_of(end), today) + rate * (left + 1))


def test_the_month_to_date_stands_against_the_organization_s_budget(filled: World) -> None:
    name = "overview: Used of this month's USD budget"
    spent = expected(filled, name).days(month_of(NOW), NOW)
    found = said(filled, name)
    assert found["budget"] == 2000
    dollars(found["used"], spent / 2000)
    assert said(filled, name, CHOICES["a model"]) == {"used": None, "budget": None}
    assert said(filled, name, start=month_of(NOW) + DAY)["used"] is None


def test_each_budget_of_the_month_stands_beside_what_it_is_for(filled: World) -> None:
    name = "overview: Budgets of this month, USD"
    t = expected(filled, name)
    spent = by((row for row in t.costs if row["time"] >= month_of(NOW)), ["workspace"], "usd")
    wanted = {
        "The organization": (2000, sum(spent.values(), Decimal(0))),
        "Production": (100, spent["Production"]),
        "Default": (50, spent["Default"]),
        "Unused": (30, Decimal(0)),
    }
    rows = asked(filled, name).records()
    assert [row["whose"] for row in rows] == sorted(
        wanted, key=lambda whose: wanted[whose][1] / wanted[whose][0], reverse=True
    )
    for row in rows:
        budget, usd = wanted[row["whose"]]
        assert row["budget"] == budget
        dollars(row["spent"], usd)
        dollars(row["left"], budget - usd)
        dollars(row["used"], usd / budget)
    (chosen,) = asked(filled, name, CHOICES["a workspace"]).records()
    assert (chosen["whose"], chosen["budget"]) == ("Production", 100)
    dollars(chosen["spent"], spent["Production"])


@each_choice
def test_token_totals_are_right_to_the_token(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "tokens: Input tokens", chosen).usage
    overview = expected(filled, "overview: Tokens, all kinds", chosen).usage
    assert said(filled, "overview: Tokens, all kinds", chosen) == {
        "tokens": total(row["tokens"] for row in overview),
        "output": total(row["output"] for row in overview),
    }
    assert said(filled, "tokens: Input tokens", chosen) == {
        "input": total(row["input"] for row in t),
        "uncached": total(row["uncached"] for row in t),
    }
    assert said(filled, "tokens: Output tokens", chosen) == {"output": total(row["output"] for row in t)}
    assert said(filled, "tokens: Web searches", chosen) == {"searches": total(row["searches"] for row in t)}
    assert said(filled, "tokens: Priority Tier tokens", chosen) == {
        "tokens": total(row["tokens"] for row in t if row["tier"] == "priority")
    }


@each_choice
def test_shares_weigh_by_volume(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "tokens: Cache hits, % of input", chosen).usage
    reads, given, output = (total(row[kind] for row in t) for kind in ("reads", "input", "output"))
    assert said(filled, "tokens: Cache hits, % of input", chosen)["hits"] == pytest.approx(reads / given)
    assert said(filled, "tokens: Input tokens per output token", chosen)["ratio"] == pytest.approx(
        given / output
    )


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
def test_spend_is_the_bill_of_the_range(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "cost: Spend, USD", chosen)
    found = said(filled, "cost: Spend, USD", chosen)
    usd = total(row["usd"] for row in t.costs)
    dollars(found["usd"], usd)
    dollars(found["a_day"], usd / len({row["time"] for row in t.costs}))
    assert said(filled, "cost: Line items in other currencies", chosen) == {"items": 0}


@each_choice
def test_what_the_cache_saves_follows_from_the_bill(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "cost: Saved by the cache, USD", chosen)
    cells = billed_cells(t, ("model", "tier", "region"))
    saved = Decimal(0)
    for usd, tokens, _ in cells.values():
        if tokens[0]:
            price = usd[0] / tokens[0]
            saved += sum(tokens[1:4]) * price - sum(usd[1:4])
    assert saved > 0
    dollars(said(filled, "cost: Saved by the cache, USD", chosen)["saved"], saved)


def billed_cells(
    t: Truth, names: tuple[str, ...]
) -> dict[tuple[str, ...], tuple[list[Decimal], list[int], Decimal]]:
    """Dollars and tokens of the five kinds, and all dollars, of the days that have both."""
    billed_days = by([row for row in t.costs if row["model"]], ["time", *names], "usd")
    used = by([row | {"time": day_of(row["time"])} for row in t.usage], ["time", *names], "tokens")
    both = {key for key in billed_days if key in used}
    cells: dict[tuple[str, ...], tuple[list[Decimal], list[int], Decimal]] = {}
    for key in both:
        cells.setdefault(key[1:], ([Decimal(0)] * 5, [0] * 5, Decimal(0)))
    for row in t.costs:
        cell = row["time"], *(row[name] for name in names)
        if cell in both:
            usd, tokens, billed = cells[cell[1:]]
            usd[BILL_KINDS.index(row["token_type"])] += row["usd"]
            cells[cell[1:]] = usd, tokens, billed + row["usd"]
    for row in t.usage:
        cell = day_of(row["time"]), *(row[name] for name in names)
        if cell in both:
            for place, kind in enumerate(USAGE_KINDS[:5]):
                cells[cell[1:]][1][place] += row[kind]
    return cells


# Charts, rankings and tables.

RANKINGS: dict[str, tuple[str, str, str]] = {
    "overview: Top models by spend, USD": ("costs", "shown_model", "usd"),
    "overview: Top workspaces by spend, USD": ("costs", "workspace", "usd"),
    "cost: Spend by workspace, USD": ("costs", "workspace", "usd"),
    "cost: Spend by model, USD": ("costs", "shown_model", "usd"),
    "cost: Spend by token type, USD": ("costs", "token_type", "usd"),
    "cost: Spend by cost type, USD": ("costs", "cost_type", "usd"),
    "cost: Spend by service tier, USD": ("costs", "tier", "usd"),
    "cost: Spend by context window, USD": ("costs", "window", "usd"),
    "cost: Spend by inference region, USD": ("costs", "region", "usd"),
    "tokens: Tokens by service tier": ("usage", "tier", "tokens"),
    "tokens: Tokens by inference region": ("usage", "region", "tokens"),
    "tokens: Tokens by workspace": ("usage", "workspace", "input"),
    "tokens: Tokens by API key": ("usage", "key", "input"),
}


@each_choice
@pytest.mark.parametrize("name", RANKINGS)
def test_a_ranking_is_the_sum_of_each_and_the_largest_first(
    filled: World, name: str, chosen: dict[str, list[str]]
) -> None:
    rows, column, value = RANKINGS[name]
    panel: Any = PANELS[name][1]
    t = getattr(expected(filled, name, chosen), rows)
    wanted = by(t, [column], value)
    records = asked(filled, name, chosen).records()
    found = {record[panel.x]: record[panel.y[0]] for record in records}
    assert_equal(found, {key: wanted[key] for key in found})
    assert len(found) == min(len(wanted), int(panel.query.rpartition("LIMIT ")[2].split()[0]))
    drawn = [sum(record[y] for y in panel.y) for record in records]
    assert drawn == sorted(drawn, reverse=True)


@each_choice
@pytest.mark.parametrize(
    ("name", "column", "shown"),
    [
        ("overview: Spend a day by model, USD", "anthropic.model", "shown_model"),
        ("cost: Spend a day by workspace, USD", "anthropic.workspace.name", "workspace"),
    ],
)
def test_a_day_s_spend_is_its_bill(
    filled: World, name: str, column: str, shown: str, chosen: dict[str, list[str]]
) -> None:
    records = asked(filled, name, chosen).records()
    found = {(instant(record["day"]), record[column]): record["usd"] for record in records}
    assert_equal(found, by(expected(filled, name, chosen).costs, ["time", shown], "usd"))


@each_choice
def test_cumulative_spend_runs_through_each_month(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "cost: Cumulative spend of each month, USD"
    t = expected(filled, name, chosen)
    days = sorted({row["time"] for row in t.costs})
    wanted: dict[tuple[str, int], Decimal] = {}
    day = days[0]
    while day < day_of(NOW):
        wanted[f"{day:%Y-%m}", day.day] = t.days(month_of(day), day + DAY)
        day += DAY
    found = {(row["month"], row["day"]): row["usd"] for row in asked(filled, name, chosen).records()}
    assert_equal(found, {key: value for key, value in wanted.items() if value})


@each_choice
def test_tokens_over_time_are_complete_by_kind_and_by_model(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    t = expected(filled, "tokens: Tokens over time by kind", chosen).usage
    records = asked(filled, "tokens: Tokens over time by kind", chosen).records()
    starts = sorted(instant(record["time"]) for record in records)
    width = min(later - earlier for earlier, later in pairwise(starts))

    def bucket(row: Row) -> datetime:
        return datetime.fromtimestamp(
            row["time"].timestamp() // width.total_seconds() * width.total_seconds(), UTC
        )

    timed = [row | {"bucket": bucket(row)} for row in t]
    for kind in USAGE_KINDS[:5]:
        assert_equal({instant(r["time"]): r[kind] for r in records}, by(timed, ["bucket"], kind))
    by_model = asked(filled, "tokens: Tokens over time by model", chosen).records()
    found = {(instant(r["time"]), r["anthropic.model"]): r["tokens"] for r in by_model}
    assert_equal(found, by(timed, ["bucket", "model"], "tokens"))
    hits = asked(filled, "tokens: Cache hit rate over time, % of input tokens", chosen).records()
    reads, given = by(timed, ["bucket"], "reads"), by(timed, ["bucket"], "input")
    assert {instant(r["time"]): r["hits"] for r in hits} == pytest.approx(
        {key: reads[key] / given[key] for key in given}
    )
    ratios = asked(filled, "tokens: Input tokens per output token over time", chosen).records()
    output = by(timed, ["bucket"], "output")
    assert {instant(r["time"]): r["ratio"] for r in ratios} == pytest.approx(
        {key: given[key] / output[key] for key in given if output[key]}
    )
    searches = asked(filled, "tokens: Web searches over time by workspace", chosen).records()
    assert_equal(
        {(instant(r["time"]), r["anthropic.workspace.name"]): r["searches"] for r in searches},
        by([row for row in timed if row["searches"]], ["bucket", "workspace"], "searches"),
    )


@each_choice
def test_the_heatmap_and_the_hit_rate_by_model_add_up(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "tokens: Tokens by hour and weekday, UTC"
    t = expected(filled, name, chosen).usage
    timed = [row | {"day": f"{row['time']:%u %a}", "hour": f"{row['time']:%H}"} for row in t]
    found = {(r["weekday"], r["hour"]): r["tokens"] for r in asked(filled, name, chosen).records()}
    assert_equal(found, by(timed, ["day", "hour"], "tokens"))
    rates = asked(filled, "tokens: Cache hit rate by model, % of input tokens", chosen).records()
    reads, given = by(t, ["model"], "reads"), by(t, ["model"], "input")
    assert {r["anthropic.model"]: r["hits"] for r in rates} == pytest.approx(
        {model: reads[model] / given[model] for model in given}
    )


@each_choice
def test_the_token_table_has_every_kind_to_the_token(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "tokens: Tokens by workspace, model and service tier"
    t = expected(filled, name, chosen).usage
    records = asked(filled, name, chosen).records()
    for kind in ("uncached", "reads", "writes_5m", "writes_1h", "output", "tokens"):
        found = {
            (r["anthropic.workspace.name"], r["anthropic.model"], r["anthropic.usage.service_tier"]): r[kind]
            for r in records
        }
        assert_equal(found, by(t, ["workspace", "model", "tier"], kind))


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


@each_choice
def test_the_invoice_table_is_the_bill_line_by_line(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "cost: Invoice reconciliation by UTC month and line item, USD"
    t = [row | {"month": f"{row['time']:%Y-%m}"} for row in expected(filled, name, chosen).costs]
    records = asked(filled, name, chosen).records()
    found = {
        (r["month"], r["anthropic.workspace.name"], r["anthropic.cost.description"]): r["usd"]
        for r in records
    }
    assert_equal(found, by(t, ["month", "workspace", "item"], "usd"))


@each_choice
def test_the_price_seen_is_the_bill_by_the_tokens_it_is_for(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "cost: Price seen on the bill, USD per million tokens"
    t = expected(filled, name, chosen)
    cells = billed_cells(t, ("model", "tier"))
    records = asked(filled, name, chosen).records()
    assert {(r["anthropic.model"], r["tier"]) for r in records} == cells.keys()
    for record in records:
        usd, tokens, billed = cells[record["anthropic.model"], record["tier"]]
        dollars(record["usd"], billed)
        for place, kind in enumerate(USAGE_KINDS[:5]):
            wanted = usd[place] / tokens[place] * 1_000_000 if tokens[place] else None
            assert record[kind] == (None if wanted is None else pytest.approx(float(wanted)))
    if not chosen:
        seen = {(r["anthropic.model"], r["tier"]): r for r in records}
        assert seen["claude-haiku-4-5-20251001", "standard"]["uncached"] == pytest.approx(1.0, rel=0.001)


def test_freshness_is_the_newest_row_of_each_stream(filled: World) -> None:
    name = "overview: How fresh the figures are"
    t = expected(filled, name)
    records = {r["data_stream.dataset"]: r for r in asked(filled, name).records()}
    for dataset, rows in (("usage", t.usage), ("cost", t.costs)):
        newest = max(row["until"] for row in rows)
        record = records[f"anthropic_metrics.{dataset}"]
        assert instant(record["newest"]) == newest
        assert record["hours"] == int((NOW - newest).total_seconds() // 3600)
        assert instant(record["written"]).replace(microsecond=0) == NOW


# Elastic's own dashboards ask for these.
ELASTIC = {
    "usage": (
        *("model", "workspace_id", "service_tier", "uncached_input_tokens", "cached_input_tokens"),
        *("cache_creation_input_tokens", "output_tokens"),
    ),
    "cost": ("amount", "currency", "description", "inference_geo", "model", "workspace_id"),
    "rate_limit": (
        *("group_type", "models", "requests_per_minute", "input_tokens_per_minute_cache_aware"),
        "output_tokens_per_minute",
    ),
}


@pytest.mark.parametrize("dataset", ELASTIC)
def test_what_elastic_s_dashboards_ask_for_is_there_with_values(filled: World, dataset: str) -> None:
    for field in (
        "@timestamp",
        "data_stream.dataset",
        *(f"anthropic.{dataset}.{f}" for f in ELASTIC[dataset]),
    ):
        found = filled.es.count(index=filled.stream(dataset), query={"exists": {"field": field}})
        assert found["count"] > 0, field


# What the agent did, compared with its own documents.


def test_the_agent_s_figures_are_those_of_its_documents(filled: World) -> None:
    documents = filled.sources("agent")
    polls = [doc["anthropic"]["poll"] for doc in documents if doc["event"]["action"] == "poll"]
    corrections = [
        doc["anthropic"]["correction"] for doc in documents if doc["event"]["action"] == "correction"
    ]
    assert corrections
    assert said(filled, "agent: Polls") == {"polls": len(polls), "failed": 0}
    assert said(filled, "agent: Corrections") == {"corrections": len(corrections)}
    assert said(filled, "agent: Requests to the Admin API") == {
        "requests": sum(poll["requests"] for poll in polls),
        "retries": sum(poll["retries"] for poll in polls),
    }
    assert said(filled, "agent: Documents written") == {
        "written": sum(poll["created"] + poll["replaced"] + poll["deleted"] for poll in polls),
        "kept": sum(poll["kept"] for poll in polls),
    }
    assert said(filled, "agent: Rows that did not arrive") == {"lost": 0}
    shown = asked(filled, "agent: The newest corrections, old and new figure").records()
    assert sorted((r["anthropic.correction.old"], r["anthropic.correction.new"]) for r in shown) == sorted(
        (each["old"], each["new"]) for each in corrections
    )
    reasons = asked(filled, "agent: Corrections by stream and reason").records()
    for why in ("late", "revised", "vanished"):
        assert sum(r[why] for r in reasons) == sum(each["why"] == why for each in corrections)
    for record in asked(filled, "agent: Rows that did not arrive, by stream").records():
        own = [poll for poll in polls if poll["stream"] == record["anthropic.poll.stream"]]
        assert record["rows"] == sum(poll["rows"] for poll in own)
    for record in asked(filled, "agent: Freshness of each stream").records():
        own = [poll for poll in polls if poll["stream"] == record["anthropic.poll.stream"]]
        assert record["polls"] == len(own)
        assert record["idle"] == 0
        read = [instant(poll["newest_data"]) for poll in own if "newest_data" in poll]
        assert (instant(record["newest"]) if record["newest"] else None) == max(read, default=None)


# Headroom.

FROM_WINDOW = NOW.replace(minute=20, second=0)  # minutes are held from a little earlier on
each_scope = pytest.mark.parametrize(
    "chosen", [CHOICES["everything"], CHOICES["a workspace"]], ids=["everything", "a workspace"]
)


def minutes_held(w: World, chosen: Mapping[str, Sequence[str]]) -> list[Row]:
    return windows(w, FROM_WINDOW, NOW - LOOKED_BEFORE, chosen)


@each_scope
def test_headroom_is_what_the_fullest_minute_left(filled: World, chosen: dict[str, list[str]]) -> None:
    rows = minutes_held(filled, chosen)
    name = "headroom: Least headroom, % of a limit"
    found = said(filled, name, chosen, start=FROM_WINDOW)
    assert found["headroom"] == pytest.approx(min(row["headroom_share"] for row in rows))
    assert found["p95"] == pytest.approx(max(row["p95_share"] for row in rows))
    assert said(filled, "headroom: Minutes above 80 % of a limit", chosen, start=FROM_WINDOW) == {
        "minutes": sum(row["minutes_above_80"] for row in rows),
        "over": sum(row["minutes_above_100"] for row in rows),
    }
    assert said(filled, "headroom: Unmapped tokens", chosen, start=FROM_WINDOW) == {"tokens": 0}
    assert said(filled, "agent: Unmapped tokens", start=FROM_WINDOW) == {"tokens": 0}


@each_scope
def test_every_limit_shows_its_peak_and_95th_percentile_minute(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    name = "headroom: Ceilings beside peak and 95th-percentile minute"
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in minutes_held(filled, chosen):
        groups.setdefault((row["group"], row["type"], row["workspace"]), []).append(row)
    records = {
        (
            record["anthropic.headroom.group_name"],
            record["anthropic.headroom.limit_type"],
            record["anthropic.workspace.name"],
        ): record
        for record in asked(filled, name, chosen, start=FROM_WINDOW).records()
    }
    assert records.keys() == groups.keys()
    for key, rows in groups.items():
        record = records[key]
        assert record["lowest"] == min(row["limit"] for row in rows)
        assert record["highest"] == max(row["limit"] for row in rows)
        assert record["peak"] == max(row["peak_tokens"] for row in rows)
        assert record["p95"] == pytest.approx(max(row["p95_tokens"] for row in rows))
        assert record["peak_share"] == pytest.approx(max(row["peak_share"] for row in rows))
        assert record["p95_share"] == pytest.approx(max(row["p95_share"] for row in rows))
        assert record["headroom"] == pytest.approx(min(row["headroom_share"] for row in rows))
        assert record["above_80"] == sum(row["minutes_above_80"] for row in rows)
        assert record["above_100"] == sum(row["minutes_above_100"] for row in rows)
    least = [record["headroom"] for record in records.values()]
    assert least == sorted(least)


@each_scope
def test_the_fullest_minutes_are_ranked_by_group_and_by_workspace(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    rows = minutes_held(filled, chosen)
    for name, column, field, counted in (
        ("headroom: Fullest minute by limit group, %", "anthropic.headroom.group_name", "group", rows),
        (
            "headroom: Fullest minute by workspace, %",
            "anthropic.workspace.name",
            "workspace",
            [row for row in rows if row["scope"] == "workspace"],
        ),
    ):
        records = asked(filled, name, chosen, start=FROM_WINDOW).records()
        wanted: dict[str, float] = {}
        for row in counted:
            wanted[row[field]] = max(row["peak_share"], wanted.get(row[field], 0.0))
        assert {record[column]: record["peak"] for record in records} == pytest.approx(wanted)
        assert [r["peak"] for r in records] == sorted((r["peak"] for r in records), reverse=True)


def test_the_ceilings_are_those_in_force(filled: World) -> None:
    records = asked(filled, "headroom: Ceilings as the API reports them, per minute").records()
    wanted = ceilings(filled)
    found = {(r["anthropic.rate_limit.group_name"], r["anthropic.workspace.name"]): r for r in records}
    assert found.keys() == wanted.keys()
    for key, limits in wanted.items():
        assert found[key]["requests"] == limits.get("requests_per_minute"), key
        assert found[key]["input"] == limits.get("input_tokens_per_minute"), key
        assert found[key]["input_aware"] == limits.get("input_tokens_per_minute_cache_aware"), key
        assert found[key]["output"] == limits.get("output_tokens_per_minute"), key


def test_a_lowered_limit_shows_at_once_and_not_the_old_one(filled: World) -> None:
    """The newest snapshot counts, not the largest of the range."""
    stream, name = filled.stream("rate_limit"), "headroom: Ceilings as the API reports them, per minute"
    (source,) = (
        each
        for each in filled.sources("rate_limit")
        if each["anthropic"]["rate_limit"]["group_name"] == "Claude Haiku 5.x"
        and each["anthropic"]["rate_limit"]["scope"] == "organization"
    )
    lowered = source["anthropic"]["rate_limit"] | {"requests_per_minute": 7}
    later = source | {
        "@timestamp": "2026-10-06T15:40:00Z",
        "anthropic": source["anthropic"] | {"rate_limit": lowered},
    }
    made = filled.es.index(index=stream, document=later, op_type="create", refresh=True)
    try:
        (row,) = (
            record
            for record in asked(filled, name).records()
            if record["anthropic.rate_limit.group_name"] == "Claude Haiku 5.x"
            and record["anthropic.workspace.name"] == WHOLE
        )
        assert row["requests"] == 7
    finally:
        filled.es.delete(index=made["_index"], id=made["_id"], refresh=True)

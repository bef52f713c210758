"""The truth itself: what must be so whatever the numbers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.series import DIMENSIONS

DAY = datetime(2026, 11, 18, tzinfo=UTC)
HOUR = DAY + timedelta(hours=11)
VIEW = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")


def numbers(row: dict[str, Any]) -> Counter[str]:
    return Counter(
        {
            "uncached": row["uncached_input_tokens"],
            "read": row["cache_read_input_tokens"],
            "5m": row["cache_creation"]["ephemeral_5m_input_tokens"],
            "1h": row["cache_creation"]["ephemeral_1h_input_tokens"],
            "output": row["output_tokens"],
            "web": row["server_tool_use"]["web_search_requests"],
        }
    )


def totals(rows: Iterable[dict[str, Any]], by: Sequence[str]) -> dict[tuple[Any, ...], Counter[str]]:
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in by), Counter()).update(numbers(row))
    return found


def test_minutes_sum_to_their_hour_and_hours_to_their_day_in_every_group(simulation: Simulation) -> None:
    by_hour = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1h", DIMENSIONS)
    by_minute = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1m", DIMENSIONS)
    assert by_hour
    assert totals(by_minute, DIMENSIONS) == totals(by_hour, DIMENSIONS)
    hours = simulation.usage_rows(DAY, DAY + timedelta(days=1), "1h", DIMENSIONS)
    day = simulation.usage_rows(DAY, DAY + timedelta(days=1), "1d", DIMENSIONS)
    assert totals(hours, DIMENSIONS) == totals(day, DIMENSIONS)
    assert {row["starting_at"] for row in day} == {"2026-11-18T00:00:00Z"}


@pytest.mark.parametrize("group_by", [(), ("model",), ("workspace_id", "api_key_id"), VIEW])
def test_a_coarser_grouping_is_the_sum_of_the_finest(
    simulation: Simulation, group_by: tuple[str, ...]
) -> None:
    span = (DAY, DAY + timedelta(hours=6), "1h")
    by = ("starting_at", *group_by)
    coarse, fine = simulation.usage_rows(*span, group_by), simulation.usage_rows(*span, DIMENSIONS)
    assert totals(coarse, by) == totals(fine, by)
    assert len(coarse) == len(totals(coarse, by)), "a group is one row"
    assert all(row[name] is None for row in coarse for name in DIMENSIONS if name not in group_by)


def test_filters_keep_exactly_the_rows_that_a_reader_would_pick(simulation: Simulation) -> None:
    span = (DAY, DAY + timedelta(hours=6), "1h", VIEW)
    rows = simulation.usage_rows(*span)
    for filters in (
        {"service_tier": ["batch"]},
        {"workspace_id": [None]},
        {"model": ["claude-opus-5-5", "claude-fable-5-2"], "inference_geo": ["us"]},
    ):
        wanted = [row for row in rows if all(row[name] in values for name, values in filters.items())]
        assert wanted
        got = simulation.usage_rows(*span, filters=filters)
        assert totals(got, ("starting_at", *VIEW)) == totals(wanted, ("starting_at", *VIEW))


def test_the_same_seed_makes_the_same_history_and_another_seed_another() -> None:
    now = DAY + timedelta(days=1)
    span = (DAY, now, "1h", VIEW)
    first = Simulation(SettableClock(now), seed=3, days=5)
    assert first.usage_rows(*span) == Simulation(SettableClock(now), seed=3, days=5).usage_rows(*span)
    assert first.usage_rows(*span) != Simulation(SettableClock(now), seed=4, days=5).usage_rows(*span)


def test_what_was_asked_before_and_in_which_order_does_not_matter(simulation: Simulation) -> None:
    now = simulation.clock.now()
    other = Simulation(SettableClock(now), days=14)
    late_first = [
        simulation.usage_rows(DAY + timedelta(hours=h), DAY + timedelta(hours=h + 1)) for h in (9, 2)
    ]
    early_first = [other.usage_rows(DAY + timedelta(hours=h), DAY + timedelta(hours=h + 1)) for h in (2, 9)]
    assert late_first == early_first[::-1]


def test_history_begins_on_its_first_day_and_a_year_of_it_can_be_asked() -> None:
    simulation = Simulation(SettableClock(DAY), start=DAY - timedelta(days=365))
    begin = simulation.first_day
    assert simulation.usage_rows(begin - timedelta(days=2), begin, "1d") == []
    for days_ago in (365, 200, 1):
        day = DAY - timedelta(days=days_ago)
        assert len(simulation.usage_rows(day, day + timedelta(days=1), "1d")) == 1


def test_every_meaning_that_a_row_can_have_occurs(simulation: Simulation) -> None:
    begin = simulation.first_day
    rows = simulation.usage_rows(begin, begin + timedelta(days=14), "1d", DIMENSIONS)
    held = {name: {row[name] for row in rows} for name in DIMENSIONS}
    assert {None} < held["workspace_id"]
    assert {None} < held["api_key_id"]
    assert held["service_tier"] == {"standard", "batch", "priority"}
    assert held["inference_geo"] == {"global", "us", "not_available"}
    assert held["context_window"] == {"0-200k", "200k-1M"}
    assert held["speed"] == {"standard", "fast"}
    assert {None} < held["account_id"]
    assert {None} < held["service_account_id"]
    inventory = {row["id"] for row in simulation.api_keys()}
    assert len(held["api_key_id"] - inventory - {None}) == 1, "one deleted key still has usage"


def test_offices_rest_at_weekends_batch_runs_at_night_and_teams_cache_differently(
    simulation: Simulation,
) -> None:
    def tokens(day: datetime, hours: range, name: str, values: list[str | None]) -> Counter[str]:
        rows = (
            row
            for hour in hours
            for row in simulation.usage_rows(
                day + timedelta(hours=hour), day + timedelta(hours=hour + 1), filters={name: values}
            )
        )
        total: Counter[str] = Counter()
        for row in rows:
            total.update(numbers(row))
        return total

    wednesday, sunday = DAY, DAY - timedelta(days=3)
    organization = simulation.organization()
    science, production = organization.named("Data Science").id, organization.named("Production").id
    office = range(8, 18)
    assert (
        tokens(wednesday, office, "workspace_id", [science])["output"]
        > 4 * tokens(sunday, office, "workspace_id", [science])["output"]
    )
    night, noon = (
        tokens(wednesday, hours, "service_tier", ["batch"])["output"] for hours in (range(5), range(10, 15))
    )
    assert night > 0
    assert noon == 0

    def read_share(workspace: str) -> float:
        used = tokens(wednesday, range(24), "workspace_id", [workspace])
        return used["read"] / (used["read"] + used["uncached"])

    assert read_share(production) > 0.5 > 0.2 > read_share(science)


def test_one_day_in_a_month_has_a_runaway_job(simulation: Simulation) -> None:
    clock = SettableClock(DAY)
    month = Simulation(clock, days=30)
    key = [month.organization().key("eval-runner").id]
    days = month.usage_rows(
        month.first_day, DAY, "1d", ("model",), filters={"api_key_id": key, "model": ["claude-opus-5-5"]}
    )
    volumes = sorted(row["output_tokens"] for row in days)
    usual = volumes[len(volumes) // 2]
    assert volumes[-1] > 3 * usual
    assert volumes[-3] < 3 * usual

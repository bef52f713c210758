"""What is visible at a moment, and how it becomes the final truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.series import DIMENSIONS

HOUR = datetime(2026, 11, 18, 11, tzinfo=UTC)
VIEW = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
MINUTES = timedelta(minutes=1)


def made(arrivals: str) -> Simulation:
    return Simulation(SettableClock(HOUR + timedelta(days=1)), days=5, arrivals=arrivals)


def rows(simulation: Simulation, at: datetime | None, width: str = "1h") -> list[dict[str, Any]]:
    return simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), width, VIEW, at=at)


def output(simulation: Simulation, at: datetime | None) -> int:
    return sum(row["output_tokens"] for row in rows(simulation, at))


@pytest.mark.parametrize(("arrivals", "minutes"), [("none", 60), ("usual", 65), ("late", 240)])
def test_all_has_arrived_when_the_longest_delay_is_over(arrivals: str, minutes: int) -> None:
    simulation = made(arrivals)
    assert rows(simulation, HOUR + minutes * MINUTES) == rows(simulation, None)
    assert rows(simulation, HOUR + minutes * MINUTES, "1m") == rows(simulation, None, "1m")


@pytest.mark.parametrize("arrivals", ["none", "usual", "late"])
def test_each_row_only_grows_as_time_goes_by(arrivals: str) -> None:
    simulation = made(arrivals)
    before: dict[tuple[Any, ...], int] = {}
    for minutes in (0, 1, 7, 30, 59, 60, 62, 66, 75, 130, 250):
        now = {
            tuple(row[name] for name in VIEW): row["output_tokens"] + row["uncached_input_tokens"]
            for row in rows(simulation, HOUR + minutes * MINUTES)
        }
        assert all(now.get(key, 0) >= count for key, count in before.items())
        before = now
    assert before


def test_nothing_of_an_hour_is_seen_before_it_begins() -> None:
    for arrivals in ("none", "usual", "late"):
        assert rows(made(arrivals), HOUR) == []


@pytest.mark.parametrize(("arrivals", "least", "most"), [("usual", 0.9, 1.0), ("late", 0.85, 0.999)])
def test_some_usage_is_late_when_its_hour_ends(arrivals: str, least: float, most: float) -> None:
    simulation = made(arrivals)
    share = output(simulation, HOUR + timedelta(hours=1)) / output(simulation, None)
    assert least < share < most


def test_the_late_profile_leaves_about_one_per_cent_for_three_hours() -> None:
    simulation = made("late")
    share = output(simulation, HOUR + timedelta(hours=2, minutes=30)) / output(simulation, None)
    assert 0.975 < share < 0.998


def test_a_minute_arrives_in_parts_so_that_a_shipped_row_can_grow() -> None:
    simulation = made("usual")

    def seen(at: datetime) -> dict[tuple[Any, ...], int]:
        found = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1m", DIMENSIONS, at=at)
        return {
            tuple(row[name] for name in ("starting_at", *DIMENSIONS)): row["output_tokens"] for row in found
        }

    early, final = seen(HOUR + timedelta(minutes=62)), seen(HOUR + timedelta(hours=2))
    shares = {round(early[key] / final[key], 1) for key in early if final[key] > 1000}
    assert shares == {0.4, 0.6, 1.0}, "the second part alone, the first alone, both"


def test_hours_and_minutes_say_the_same_at_any_moment() -> None:
    simulation = made("late")
    for minutes in (20, 61, 100):
        at = HOUR + minutes * MINUTES
        by_minute = sum(row["output_tokens"] for row in rows(simulation, at, "1m"))
        assert by_minute == output(simulation, at)

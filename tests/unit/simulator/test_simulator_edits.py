"""Scripted edits: seen from a time on, taken back at a later one, and everywhere alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.organization import Workspace

HOUR = datetime(2026, 11, 18, 11, tzinfo=UTC)
DAY = HOUR.replace(hour=0)
SEEN = HOUR + timedelta(hours=30)
BEFORE = SEEN - timedelta(seconds=1)
VIEW = ("model", "workspace_id", "service_tier")


def used(simulation: Simulation, at: datetime | None, width: str = "1h", **match: str | None) -> int:
    begin, length = (DAY, timedelta(days=1)) if width == "1d" else (HOUR, timedelta(hours=1))
    rows = simulation.usage_rows(begin, begin + length, width, VIEW, at=at)
    return sum(r["output_tokens"] for r in rows if all(r[name] == value for name, value in match.items()))


def spent(simulation: Simulation, at: datetime | None, **match: str | None) -> Decimal:
    rows = simulation.cost_rows(DAY, DAY + timedelta(days=1), ("workspace_id", "description"), at=at)
    fits = [r for r in rows if all(r[name] == value for name, value in match.items())]
    return sum((Decimal(row["amount"]) for row in fits), Decimal(0))


def test_a_revision_changes_what_matches_from_its_time_on_in_every_width_and_in_cost(
    simulation: Simulation,
) -> None:
    opus, other = {"model": "claude-opus-5-5"}, {"model": "claude-sonnet-5-5"}
    hour, day, sonnet = (
        used(simulation, None, **opus),
        used(simulation, None, "1d", **opus),
        used(simulation, None, **other),
    )
    cost = spent(simulation, None, **opus)
    simulation.edits.revise_usage(HOUR, factor=2, match=opus, at=SEEN)
    assert used(simulation, BEFORE, **opus) == hour
    assert used(simulation, SEEN, **opus) == used(simulation, SEEN, "1m", **opus) == 2 * hour
    assert used(simulation, SEEN, "1d", **opus) == day + hour
    assert used(simulation, SEEN, **other) == sonnet
    assert spent(simulation, BEFORE, **opus) == cost < spent(simulation, SEEN, **opus)


def test_an_edit_of_some_minutes_leaves_the_others_alone(simulation: Simulation) -> None:
    def minutes() -> dict[str, int]:
        rows = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1m")
        return {row["starting_at"]: row["output_tokens"] for row in rows}

    before = minutes()
    simulation.edits.vanish_usage(HOUR + timedelta(minutes=10), span=timedelta(minutes=5), at=SEEN)
    gone = {f"2026-11-18T11:{minute}:00Z" for minute in range(10, 15)}
    assert minutes() == {start: count for start, count in before.items() if start not in gone}
    assert used(simulation, None) == sum(minutes().values())


def test_what_vanished_is_no_row_and_comes_back_when_the_edit_is_taken_back(simulation: Simulation) -> None:
    batch: dict[str, str | None] = {"model": "claude-fable-5-2"}
    before = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1h", VIEW)
    edit = simulation.edits.vanish_usage(HOUR, match=batch, at=SEEN)
    gone = simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1h", VIEW, at=SEEN)
    assert gone == [row for row in before if row["model"] != "claude-fable-5-2"] != before
    simulation.edits.take_back(edit, at=SEEN + timedelta(hours=1))
    assert simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1h", VIEW, at=SEEN) == gone
    assert simulation.usage_rows(HOUR, HOUR + timedelta(hours=1), "1h", VIEW) == before


def test_added_usage_makes_a_new_row_that_is_seen_when_it_was_said(simulation: Simulation) -> None:
    dimensions = {"model": "claude-haiku-4-5-20251001", "workspace_id": "wrkspc_new"}
    simulation.edits.add_usage(HOUR + timedelta(minutes=5), dimensions, {"output_tokens": 41}, at=SEEN)
    simulation.edits.add_usage(HOUR + timedelta(minutes=5), dimensions, {"output_tokens": 1}, at=SEEN)
    assert used(simulation, BEFORE, workspace_id="wrkspc_new") == 0
    for width in ("1m", "1h", "1d"):
        assert used(simulation, SEEN, width, workspace_id="wrkspc_new") == 42
    assert spent(simulation, SEEN, workspace_id="wrkspc_new") == 42 * Decimal(5) / 10_000


def test_cost_lines_are_revised_vanish_and_reappear_alone(simulation: Simulation) -> None:
    line: dict[str, str | None] = {
        "workspace_id": None,
        "description": "Claude Opus 5.5 Usage - Output Tokens",
    }
    before, tokens = spent(simulation, None, **line), used(simulation, None, "1d")
    assert before
    simulation.edits.revise_cost(DAY, factor=Decimal("0.5"), match=line, at=SEEN)
    gone = simulation.edits.vanish_cost(DAY, match=line, at=SEEN + timedelta(hours=1))
    assert spent(simulation, SEEN, **line) == before / 2
    assert spent(simulation, SEEN + timedelta(hours=1), **line) == 0
    simulation.edits.take_back(gone, at=SEEN + timedelta(hours=2))
    assert spent(simulation, SEEN + timedelta(hours=2), **line) == before / 2
    assert used(simulation, None, "1d") == tokens
    unedited = Simulation(simulation.clock, days=14)
    days = (DAY - timedelta(days=1), DAY), (DAY + timedelta(days=1), DAY + timedelta(days=2))
    for day in days:
        assert simulation.cost_rows(*day, ("description",)) == unedited.cost_rows(*day, ("description",))


def test_the_inventory_changes_at_its_time(simulation: Simulation) -> None:
    organization = simulation.organization()
    staging, key = organization.named("Staging"), organization.key("staging-ci")
    edits = simulation.edits
    edits.rename_workspace(staging.id, "Preview", at=SEEN)
    edits.archive_workspace(staging.id, at=SEEN + timedelta(hours=1))
    edits.delete_api_key(key.id, at=SEEN)
    edits.add_workspace(Workspace("wrkspc_x", "Lab", SEEN, "#000000"), at=SEEN)

    def names(at: datetime) -> dict[str, Any]:
        return {row["name"]: row["archived_at"] for row in simulation.workspaces(at)}

    assert "Staging" in names(BEFORE)
    assert names(SEEN)["Preview"] is None
    assert {"Lab", "Preview"} <= names(SEEN).keys()
    assert names(SEEN + timedelta(hours=1))["Preview"] == "2026-11-19T18:00:00Z"
    assert key.id in {row["id"] for row in simulation.api_keys(BEFORE)}
    assert key.id not in {row["id"] for row in simulation.api_keys(SEEN)}


def test_limits_change_at_their_time(simulation: Simulation) -> None:
    organization = simulation.organization()
    group, science = organization.rate_limits[0], organization.named("Data Science").id
    simulation.edits.set_rate_limit(group.group_id, "requests_per_minute", 50, at=SEEN)
    simulation.edits.set_workspace_rate_limit(science, group.group_id, "requests_per_minute", 20, at=SEEN)

    def limit(at: datetime) -> dict[str, int]:
        (row,) = [r for r in simulation.rate_limits(at) if r["group"]["id"] == group.group_id]
        return {each["type"]: each["value"] for each in row["limits"]}

    assert limit(BEFORE)["requests_per_minute"] == 1000
    assert limit(SEEN)["requests_per_minute"] == 50
    (own,) = simulation.workspace_rate_limits(science, SEEN)
    values = {each["type"]: (each["value"], each["org_limit"]) for each in own["limits"]}
    assert values == {"output_tokens_per_minute": (40_000, 80_000), "requests_per_minute": (20, 50)}

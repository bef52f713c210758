"""The headroom figures are those of the simulation's minutes and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.harness.dashboard_limits import WHOLE, ceilings, windows
from tests.harness.dashboard_truth import Row, by, day_of, instant
from tests.harness.dashboard_world import CHOICES, LOOKED_BEFORE, NOW, asked, said
from tests.harness.world import World

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FROM_WINDOW = NOW.replace(minute=20, second=0)  # minutes are held from a little earlier on
each_scope = pytest.mark.parametrize(
    "chosen", [CHOICES["everything"], CHOICES["a workspace"]], ids=["everything", "a workspace"]
)


def minutes_held(w: World, chosen: Mapping[str, Sequence[str]]) -> list[Row]:
    return windows(w, FROM_WINDOW, NOW - LOOKED_BEFORE, chosen)


@each_scope
def test_headroom_is_what_the_peak_minute_left(filled: World, chosen: dict[str, list[str]]) -> None:
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
    name = "headroom: Limits beside peak and 95th-percentile minute"
    groups: dict[tuple[Any, Any, Any], list[Row]] = {}
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
def test_the_peak_minutes_are_ranked_by_group_and_by_workspace(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    rows = minutes_held(filled, chosen)
    for name, column, field, counted in (
        ("headroom: Peak minute by limit group, %", "anthropic.headroom.group_name", "group", rows),
        (
            "headroom: Peak minute by workspace, %",
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


@each_scope
@pytest.mark.parametrize(
    ("end", "lines", "bars"),
    [(NOW, MINUTE / 2, MINUTE / 2), (NOW + 12 * HOUR, 10 * MINUTE, 30 * MINUTE)],
    ids=["a bucket holds one window", "a bucket holds several windows"],
)
def test_over_time_a_bucket_has_its_peak_minute_and_all_full_minutes(
    filled: World, chosen: dict[str, list[str]], end: datetime, lines: timedelta, bars: timedelta
) -> None:
    rows = minutes_held(filled, chosen)
    name, drawn = "headroom: Peak minute over time, % of the limit", {"start": FROM_WINDOW, "end": end}
    peaks: dict[tuple[datetime, str], float] = {}
    for row in rows:
        cell = floor(row["time"], lines), row["group"]
        peaks[cell] = max(row["peak_share"], peaks.get(cell, 0.0))
    found = asked(filled, name, chosen, **drawn).records()
    assert cells(found, "peak") == pytest.approx(peaks)
    name = "headroom: Minutes above 80 % over time, by limit group"
    full = by(
        [row | {"bucket": floor(row["time"], bars)} for row in rows], ["bucket", "group"], "minutes_above_80"
    )
    assert cells(asked(filled, name, chosen, **drawn).records(), "minutes") == full


def cells(records: list[Row], column: str) -> dict[tuple[datetime, str], Any]:
    return {(instant(r["time"]), r["anthropic.headroom.group_name"]): r[column] for r in records}


def floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - day_of(moment)) % width


def test_the_ceilings_are_those_in_force(filled: World) -> None:
    records = asked(filled, "headroom: Limits as the API reports them, per minute").records()
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
    stream, name = filled.stream("rate_limit"), "headroom: Limits as the API reports them, per minute"
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

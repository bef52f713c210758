"""Which keys are unused, which expire, and whose they are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from anthropic_metrics.inventory.keys import NO_NAME, By, Wanted, grouped, newest

DAY = timedelta(days=1)


def source(name: str, day: str = "2026-11-20", **fields: Any) -> dict[str, Any]:
    workspace = fields.pop("workspace", "Production")
    facts = {"type": "api_key", "id": f"apikey_{name}", "name": name, "state": "active", **fields}
    shared = {"workspace": {"id": "w", "name": workspace}} if workspace else {}
    return {"@timestamp": f"{day}T00:00:00Z", "anthropic": {"inventory": facts, **shared}}


KEYS = newest(
    [
        source("idle", days_unused=120, tokens_30d=0, owner_id="user_1"),
        source("month", days_unused=30, tokens_30d=0, expires_in_days=30),
        source("busy", days_unused=0, tokens_30d=10, spend_usd_30d=1.25, expires_in_days=5, workspace=None),
        source("switched off", days_unused=200, state="inactive", expires_in_days=3),
        source("unknown"),
        source("gone today", state="deleted"),
        source("gone before", day="2026-10-01"),
        {"@timestamp": "2026-11-21T00:00:00Z", "anthropic": {"inventory": {"type": "user"}}},
    ]
)


def test_only_keys_of_the_newest_day_that_are_not_deleted_are_shown() -> None:
    assert [key.name for key in KEYS] == ["idle", "month", "busy", "switched off", "unknown"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["idle", "month", "busy", "switched off", "unknown"]),
        (Wanted(unused=90 * DAY), ["idle"]),
        (Wanted(unused=30 * DAY), ["idle", "month"]),
        (Wanted(expiring=5 * DAY), ["busy"]),
        (Wanted(unused=DAY, expiring=30 * DAY), ["month"]),
    ],
)
def test_unused_and_expiring_keys_are_active_ones_of_which_it_is_known(
    wanted: Wanted, names: list[str]
) -> None:
    assert [key.name for key in KEYS if wanted.chooses(key)] == names


def test_groups_add_up_their_keys_and_name_those_without_a_place() -> None:
    production, rest = grouped(KEYS, By.workspace)
    assert (production.name, production.keys, production.active) == ("Production", 4, 3)
    assert (production.longest_unused, production.tokens) == (120 * DAY, 0)
    assert (rest.name, rest.keys, rest.usd) == (NO_NAME, 1, Decimal("1.25"))
    assert {group.name: group.keys for group in grouped(KEYS, By.owner)} == {"user_1": 1, NO_NAME: 4}

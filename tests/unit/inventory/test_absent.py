"""A resource that its list no longer has is deleted at the second look, whatever the clock did meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from anthropic_metrics.inventory.resources import Kind, Listed, Resource, gone
from anthropic_metrics.kernel.ranges import iso

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def absent(since: datetime | None, now: datetime) -> Resource:
    """A key that the list lacks at `now`, absent `since` by its latest document."""
    fields: dict[str, Any] = {"type": "api_key", "id": "apikey_1", "state": "active"}
    if since is not None:
        fields["absent_since"] = iso(since)
    before = {("api_key", "apikey_1"): {"inventory": fields}}
    (resource,) = gone(Listed(Kind.api_key), before, now, HOUR.total_seconds())
    return resource


def test_the_first_look_notes_the_absence_and_the_second_deletes() -> None:
    assert absent(None, NOW).facts == {"state": "active", "absent_since": NOW}
    assert absent(NOW - HOUR / 2, NOW).facts["state"] == "active"
    assert absent(NOW - HOUR, NOW).facts["state"] == "deleted"


def test_an_absence_that_a_wrong_clock_noted_in_the_future_begins_anew() -> None:
    assert absent(NOW + 400 * 24 * HOUR, NOW).facts == {"state": "active", "absent_since": NOW}

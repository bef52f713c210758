"""How one poller stands: what it did last, what it does, and why its data is not fresh. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.kernel.ranges import iso

_FRESH_FOR = 3  # intervals: one poll may fail and one be late before anybody is told


@dataclass(frozen=True)
class PollerState:
    """How one poller stands.

    `later`: it has no turn at the start. `paused`: it waits for a person, such as after a refused key.
    `reason`: why the last attempt failed; `retrying`: why the present one (`running`) sends a request again;
    `waiting`: what its first attempt waits for.

    `succeeded_at` and `failed_at` are in seconds of the monotonic clock: setting the wall clock does not
    change their age. `failures` counts those since the last success.
    """

    interval: timedelta
    later: bool = False
    succeeded_at: float | None = None
    failed_at: float | None = None
    failures: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    reason: str = ""
    retrying: str = ""
    waiting: str = ""
    running: bool = False
    paused: bool = False
    facts: Mapping[str, Any] | None = None

    def why(self, held: str = "") -> str:
        """Why it has no success: its own reason, or `held`, why requests of its organization wait."""
        return self.waits_for(held) or self.waiting or self.reason

    def waits_for(self, held: str = "") -> str:
        """What the present attempt waits for; empty where it goes on."""
        return self.retrying or (held if self.running else "")

    def trouble(self, now: float, held: str = "") -> str:
        """Why its data is not fresh at `now`, in seconds of the monotonic clock; empty if it is."""
        why = self.why(held)
        if self.paused:
            return why
        if self.succeeded_at is None:
            if self.later and not (self.retrying or self.reason):
                return ""
            return why or "has not succeeded yet"
        age = now - self.succeeded_at
        if age <= _FRESH_FOR * self.interval.total_seconds():
            return ""
        return f"last succeeded {age:.0f} seconds ago" + (f": {why}" if why else "")

    def as_dict(self, held: str = "") -> dict[str, Any]:
        return {
            "interval_seconds": self.interval.total_seconds(),
            "last_success": self.last_success and iso(self.last_success, "auto"),
            "last_failure": self.last_failure and iso(self.last_failure, "auto"),
            "reason": self.why(held),
            "paused": self.paused,
            "facts": self.facts or {},
        }

"""Claims on documents of the alert stream: the agent that acts on one, and until when nobody else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.kernel.ranges import iso

# Long enough for the retries of every webhook; after it another agent takes over.
LEASE = timedelta(minutes=5)
# A clock that is wrong by hours must not keep everybody from posting for hours: no claim is longer.
_LONGEST = 3 * LEASE
# Of many documents those that are still left are claimed again.
RENEWED_AFTER = LEASE / 2


@dataclass(frozen=True)
class Claimant:
    """One agent among those that share the stream, by an id of its own."""

    me: str

    def claim(self, now: datetime) -> dict[str, Any]:
        """The fields of a claim that begins now."""
        return {"claimed_by": self.me, "claimed_until": iso(now + LEASE)}

    def has(self, fields: Mapping[str, Any]) -> bool:
        """Whether the claim in these fields is this agent's, in force or not."""
        return bool(fields.get("claimed_by") == self.me)

    def must_claim(self, fields: Mapping[str, Any], now: datetime) -> bool:
        """Whether to claim before acting: nobody's claim is in force, or this agent's own is soon over."""
        if self.has(fields):
            return _is_over(fields, now + RENEWED_AFTER)
        return _is_over(fields, now)

    def may_take(self, fields: Mapping[str, Any], now: datetime) -> bool:
        """Whether another agent's claim is over, or there is none."""
        return not self.has(fields) and _is_over(fields, now)


def _is_over(fields: Mapping[str, Any], now: datetime) -> bool:
    """Whether no claim is in force at `now`; one that nobody can have made by this clock is none."""
    until = fields.get("claimed_until")
    return until is None or not now < datetime.fromisoformat(until) <= now + _LONGEST

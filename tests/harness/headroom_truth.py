"""What headroom should say, from the simulation's own rows and limits, written without the agent's code."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from anthropic_metrics.simulator import Simulation

STANDARD = ("input_tokens_per_minute", "input_tokens_per_minute_cache_aware", "output_tokens_per_minute")
FAST = ("fast_itpmca", "fast_otpm")
WINDOW = timedelta(minutes=5)

# scope, workspace, group, limit type, window start
Key = tuple[str, str | None, str, str, datetime]


def tokens(row: dict[str, Any], kind: str) -> int:
    created = row["cache_creation"]
    fresh = row["uncached_input_tokens"] + sum(created.values())
    if kind in ("output_tokens_per_minute", "fast_otpm"):
        return int(row["output_tokens"])
    cached = row["cache_read_input_tokens"] if kind == "input_tokens_per_minute" else 0
    return int(fresh + cached)


def group_key(row: dict[str, Any]) -> str:
    """A group's id; in the older shape its type and models."""
    if "group" in row:
        return str(row["group"]["id"])
    return f"{row['group_type']}:{','.join(sorted(row['models']))}"


class Truth:
    """Limits and use of every minute of a simulated organization."""

    def __init__(self, simulation: Simulation, shape: str, first_snapshot: datetime, speeds: bool) -> None:
        self.simulation = simulation
        self.shape = shape
        self.first_snapshot = first_snapshot
        self.speeds = speeds
        self._groups: dict[datetime, list[dict[str, Any]]] = {}
        self._own: dict[tuple[str, datetime], dict[str, dict[str, int]]] = {}

    def windows(self, start: datetime, end: datetime, at: datetime | None) -> dict[Key, dict[str, Any]]:
        """The figures of every window in [start, end)."""
        minutes: dict[tuple[str, str | None, str, str], dict[datetime, tuple[int, int]]] = {}
        grouping = ("model", "workspace_id", "service_tier", "speed")
        for row in self.simulation.usage_rows(start, end, "1m", grouping, at=at):
            if row["service_tier"] != "batch":
                self._count(row, minutes)
        found: dict[Key, dict[str, Any]] = {}
        for (scope, workspace, group, kind), used in minutes.items():
            by_window: dict[datetime, list[datetime]] = defaultdict(list)
            for minute in used:
                by_window[minute - (minute - datetime(2026, 1, 1, tzinfo=UTC)) % WINDOW].append(minute)
            for begin in by_window:
                if figures := _figures(begin, used):
                    found[scope, workspace, group, kind, begin] = figures
        for (scope, _, group, kind, begin), figures in found.items():
            if scope == "workspace":
                whole = found.get(("organization", None, group, kind, begin))
                shares = [figures["peak_share"], *([whole["peak_share"]] if whole else [])]
                figures["headroom_share"] = 1 - max(shares)
        return found

    def _count(self, row: dict[str, Any], minutes: dict[Any, Any]) -> None:
        minute = datetime.fromisoformat(row["starting_at"])
        groups = [g for g in self.groups(minute) if row["model"] in (g["models"] or ())]
        workspace = row["workspace_id"] or "Default"
        for group in groups:
            for scope, whose in (("organization", None), ("workspace", workspace)):
                limits = self.limits(group, whose, minute)
                is_fast = self.speeds and row["speed"] == "fast" and any(kind in limits for kind in FAST)
                for kind in limits:
                    if not self.speeds and kind in FAST:
                        continue
                    counts = kind in FAST if is_fast else kind in STANDARD
                    place = minutes.setdefault((scope, whose, group_key(group), kind), {})
                    held = place.get(minute, (0, 0))[0]
                    place[minute] = (held + (tokens(row, kind) if counts else 0), limits[kind])

    def groups(self, minute: datetime) -> list[dict[str, Any]]:
        """The organization's groups of that minute; before the first snapshot those of the first."""
        known = max(minute, self.first_snapshot)
        if known not in self._groups:
            self._groups[known] = self.simulation.rate_limits(known, shape=self.shape)
        return self._groups[known]

    def limits(self, group: dict[str, Any], workspace: str | None, minute: datetime) -> dict[str, int]:
        """The smaller of the workspace's own and the organization's, per measurable type."""
        held = {each["type"]: each["value"] for each in group["limits"]}
        if workspace is not None and workspace != "Default":
            for kind, value in self.own(workspace, minute).get(group_key(group), {}).items():
                held[kind] = min(value, held.get(kind, value))
        return {kind: value for kind, value in held.items() if kind in STANDARD + FAST}

    def own(self, workspace: str, minute: datetime) -> dict[str, dict[str, int]]:
        known = max(minute, self.first_snapshot)
        if (workspace, known) not in self._own:
            try:
                rows = self.simulation.workspace_rate_limits(workspace, known, shape=self.shape)
            except KeyError:
                rows = []
            self._own[workspace, known] = {
                group_key(row): {each["type"]: each["value"] for each in row["limits"]} for row in rows
            }
        return self._own[workspace, known]


def _figures(begin: datetime, used: dict[datetime, tuple[int, int]]) -> dict[str, Any]:
    minutes = [begin + timedelta(minutes=number) for number in range(5)]
    counts = [used.get(minute, (0, 1))[0] for minute in minutes]
    if not any(counts):
        return {}
    shares = [Fraction(used[minute][0], used[minute][1]) if minute in used else 0 for minute in minutes]
    closest = max(range(5), key=lambda number: (shares[number], counts[number], -number))
    return {
        "limit": used[minutes[closest]][1],
        "tokens": sum(counts),
        "peak_minute": minutes[closest],
        "peak_tokens": counts[closest],
        "peak_share": float(shares[closest]),
        # Five values: the 95th percentile lies four fifths of the way from the fourth to the fifth.
        "p95_tokens": float(Fraction(sorted(counts)[3] + 4 * sorted(counts)[4], 5)),
        "p95_share": float((sorted(shares)[3] + 4 * sorted(shares)[4]) / 5),
        "headroom_share": 1 - float(shares[closest]),
        "minutes_above_80": sum(share > Fraction(4, 5) for share in shares),
        "minutes_above_100": sum(share > 1 for share in shares),
    }

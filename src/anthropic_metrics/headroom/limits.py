"""Limits as they stood: snapshots on a time line, groups of models, and a workspace's own values. Pure.

Times are whole seconds since 1970, UTC: the figures of a busy day are millions of minutes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# What the usage report can measure against. `tokens_per_minute` and `tokens_per_day` are left out: the
# reference does not say which tokens count; requests are in no report.
STANDARD_LIMITS = (
    "input_tokens_per_minute",
    "input_tokens_per_minute_cache_aware",
    "output_tokens_per_minute",
)
FAST_LIMITS = ("fast_itpmca", "fast_otpm")
MEASURED = (*STANDARD_LIMITS, *FAST_LIMITS)

ORGANIZATION = "organization"
WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Group:
    """A limit group of one snapshot: the models that share it and its measurable limits by type."""

    key: str
    name: str
    models: frozenset[str]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All groups of one scope as they stood at a poll."""

    at: int
    groups: tuple[Group, ...]
    by_model: Mapping[str, tuple[Group, ...]] = field(init=False)

    def __post_init__(self) -> None:
        by_model: dict[str, tuple[Group, ...]] = {}
        for group in self.groups:
            for model in group.models:
                by_model[model] = (*by_model.get(model, ()), group)
        object.__setattr__(self, "by_model", by_model)

    def like(self, other: Group) -> Group | None:
        """The group that is `other`; without an id a group is known by its models, and those change."""
        same = (group for group in self.groups if group.key == other.key)
        return next(same, None) or next((g for g in self.groups if g.models & other.models), None)


class Timeline:
    """One scope's snapshots in the order of time."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        self._snapshots = sorted(snapshots, key=lambda snapshot: snapshot.at)
        self._times = [snapshot.at for snapshot in self._snapshots]

    def at(self, minute: int) -> tuple[Snapshot, bool]:
        """The latest snapshot at or before `minute`; else the earliest of all, and True: it is assumed."""
        place = bisect_right(self._times, minute)
        return (self._snapshots[place - 1], False) if place else (self._snapshots[0], True)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit in force: `value` tokens per minute, whose it is, and the organization's beside it."""

    value: int
    source: str
    organization: int | None


@dataclass(frozen=True)
class Limits:
    """The organization's time line, and that of each workspace that has been read."""

    organization: Timeline
    workspaces: Mapping[str, Timeline]

    def ceilings(self, group: Group, workspace: str | None, minute: int) -> tuple[dict[str, Ceiling], bool]:
        """Every measurable limit on the group's use by the organization (None) or a workspace at `minute`.

        A workspace may use no more than the smaller of its own value and the organization's. True: its own
        value is assumed, the earliest that is known.
        """
        ceilings = {kind: Ceiling(value, ORGANIZATION, value) for kind, value in group.limits.items()}
        line = self.workspaces.get(workspace) if workspace is not None else None
        if line is None:
            return ceilings, False
        snapshot, assumed = line.at(minute)
        own = snapshot.like(group)
        for kind, value in own.limits.items() if own else ():
            beside = group.limits.get(kind)
            if beside is None or value < beside:
                ceilings[kind] = Ceiling(value, WORKSPACE, beside)
        return ceilings, assumed

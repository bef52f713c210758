"""Limits as they stood, from the rows of the rate-limit snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from anthropic_metrics.headroom.limits import MEASURED, Group, Limits, Snapshot, Timeline
from anthropic_metrics.kernel.questions import LimitHistory, Row
from anthropic_metrics.limits.groups import LimitGroup

# Batch requests wait in a queue with limits of its own, whatever models its group may list.
BATCH = "batch"


def read_limits(
    snapshots: LimitHistory, start: datetime, end: datetime, workspaces: Collection[str] | None = None
) -> Limits | None:
    """The limits that hold in [start, end); None while the organization's have never been seen.

    The organization's and every workspace's, or those of `workspaces`: over a week of a large organization
    reading all takes seconds.
    """
    scopes = None if workspaces is None else {None, *workspaces}
    by_scope = snapshots.holding(start, end, scopes)
    timelines = {scope: Timeline(_snapshots(rows)) for scope, rows in by_scope.items()}
    organization = timelines.pop(None, None)
    if organization is None:
        return None
    return Limits(organization, {scope: line for scope, line in timelines.items() if scope is not None})


def _snapshots(rows_at: Mapping[int, Iterable[Row]]) -> Iterator[Snapshot]:
    """Snapshots in order; of a run that says the same only the first."""
    last: tuple[Group, ...] | None = None
    for at in sorted(rows_at):
        # By key: a document that stands in two backing indices for a while is still one group.
        by_key = {group.key: group for group in _groups(rows_at[at])}
        groups = tuple(by_key[key] for key in sorted(by_key))
        if groups != last:
            yield Snapshot(at, groups)
        last = groups


def _groups(rows: Iterable[Row]) -> Iterator[Group]:
    for group in map(LimitGroup.of_row, rows):
        if group.models and group.kind[0] != BATCH:
            measured = {kind: value for kind, value in group.limits.items() if kind in MEASURED}
            yield Group(group.key, group.name, frozenset(group.models), measured)

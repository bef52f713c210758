"""Changes of rate limits: what one snapshot says otherwise than the one before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.frame import Frame, workspace_fields
from anthropic_metrics.kernel.questions import Row, Scope
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.limits.groups import LimitGroup, LimitSnapshot


def limit_changes(
    before: Sequence[Row], before_at: int, snapshot: LimitSnapshot, frame: Frame
) -> Iterator[Prepared]:
    """One agent document per limit that a scope's new snapshot has otherwise than its previous one.

    `before` are the rows of the scope's previous snapshot, taken at `before_at` (seconds since 1970); the
    frame is that of the new one. Of a workspace its own values count, not those it inherits. The `_id` is the
    digest of the change, so that a repeated poll and a second agent make no second one.
    """
    groups = snapshot.groups
    if not groups:
        return  # an archived workspace, say: nothing was read
    left = {group.key: group for group in map(LimitGroup.of_row, before)}
    between = before_at, frame
    for group in groups:
        previous = left.pop(_same(group, left), None)
        yield from _differences(previous, group, snapshot.scope, *between)
    for group in left.values():
        yield from _differences(group, None, snapshot.scope, *between)


def _same(group: LimitGroup, left: Mapping[str, LimitGroup]) -> str:
    """The key the group had: the API's newer shape gives an id to groups that had none."""
    if group.key in left:
        return group.key
    return next((key for key, other in left.items() if other.kind == group.kind), group.key)


def _differences(
    old: LimitGroup | None, new: LimitGroup | None, scope: Scope, before_at: int, frame: Frame
) -> Iterator[Prepared]:
    group = new or old
    assert group is not None
    was, is_now = old.limits if old else {}, new.limits if new else {}
    for limit_type in sorted(was.keys() | is_now.keys()):
        values = was.get(limit_type), is_now.get(limit_type)
        if values[0] != values[1]:
            yield _change(group, limit_type, *values, scope, before_at, frame)


def _change(
    group: LimitGroup,
    limit_type: str,
    old: int | None,
    new: int | None,
    scope: Scope,
    before_at: int,
    frame: Frame,
) -> Prepared:
    seen_at = iso(frame.bucket.start, "seconds")
    anthropic = {
        "model": list(group.models) or None,
        **workspace_fields(scope, frame.names),
        "limit_change": {
            "scope": "workspace" if scope else "organization",
            "workspace_id": scope,
            "group_id": group.key,
            "group_name": group.name,
            "limit_type": limit_type,
            "old": old,
            "new": new,
            "delta": None if old is None or new is None else float(new - old),
            "why": _why(old, new),
            "seen_between": [datetime.fromtimestamp(before_at, UTC), seen_at],
        },
    }
    changed = agent_document(
        "limit_change",
        at=seen_at,
        now=frame.now,
        namespace=frame.namespace,
        organization=frame.names.organization,
        anthropic=anthropic,
        event={"category": ["configuration"], "type": ["change"]},
    )
    identity = digest_of_values(frame.names.organization_id, scope, group.key, limit_type, old, new, seen_at)
    return prepare(identity, changed)


def _why(old: int | None, new: int | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "raised" if new > old else "lowered"

"""Changes of rate limits: what one snapshot says otherwise than the one before it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.limits.groups import group_key, own_limits

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Group:
    key: str
    name: str
    kind: tuple[str, tuple[str, ...]]
    limits: Mapping[str, int]


def limit_changes(
    before: Sequence[Row], before_at: int, documents: Sequence[Prepared], now: datetime
) -> Iterator[Prepared]:
    """One agent document per limit that a scope's new snapshot has otherwise than its previous one.

    `before` are the rows of the previous snapshot, taken at `before_at` (seconds since 1970), `documents` the
    new one; both of one scope. Of a workspace its own values count, not those it inherits. The `_id` is the
    digest of the change, so that a repeated poll and a second agent make no second one.
    """
    old = [_group(row) for row in before]
    new = [(_group(document.source["anthropic"]["rate_limit"]), document) for document in documents]
    if not new:
        return  # an archived workspace, say: nothing was read
    example = new[0][1]
    left = {group.key: group for group in old}
    for group, document in new:
        previous = left.pop(_same(group, left), None)
        yield from _differences(previous, group, document, before_at, now)
    for group in left.values():
        yield from _differences(group, None, example, before_at, now)


def _same(group: _Group, left: Mapping[str, _Group]) -> str:
    """The key the group had: the API's newer shape gives an id to groups that had none."""
    if group.key in left:
        return group.key
    return next((key for key, other in left.items() if other.kind == group.kind), group.key)


def _group(row: Row) -> _Group:
    models = row.get("models") or ()
    kind = row["group_type"], tuple(sorted(models))
    key = group_key(row.get("group_id"), *kind)
    return _Group(key, row.get("group_name") or row["group_type"], kind, dict(own_limits(row)))


def _differences(
    old: _Group | None, new: _Group | None, document: Prepared, before_at: int, now: datetime
) -> Iterator[Prepared]:
    group = new or old
    assert group is not None
    was, is_now = old.limits if old else {}, new.limits if new else {}
    for limit_type in sorted(was.keys() | is_now.keys()):
        values = was.get(limit_type), is_now.get(limit_type)
        if values[0] != values[1]:
            yield _change(group, limit_type, *values, document, before_at, now)


def _change(
    group: _Group,
    limit_type: str,
    old: int | None,
    new: int | None,
    document: Prepared,
    before_at: int,
    now: datetime,
) -> Prepared:
    shown = document.source
    fields = shown["anthropic"]["rate_limit"]
    seen_at = shown["@timestamp"]
    models = list(group.kind[1])
    anthropic = {
        "model": models or None,
        "workspace": shown["anthropic"].get("workspace"),
        "limit_change": {
            "scope": fields["scope"],
            "workspace_id": fields.get("workspace_id"),
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
        now=now,
        namespace=shown["data_stream"]["namespace"],
        organization=shown.get("organization"),
        anthropic=anthropic,
        event={"category": ["configuration"], "type": ["change"]},
    )
    said = [shown["organization"]["id"], fields.get("workspace_id"), group.key, limit_type, old, new, seen_at]
    identity = blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()
    return prepare(identity, changed)


def _why(old: int | None, new: int | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "raised" if new > old else "lowered"

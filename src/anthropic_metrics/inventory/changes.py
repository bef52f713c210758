"""Changes of the inventory: what a resource says otherwise than its latest document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.inventory.resources import Resource
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.frame import Frame

# Field of a document, and what its change is called.
_WATCHED = {
    "name": "renamed",
    "state": "",
    "expires_at": "expiry_changed",
    "scope": "scope_changed",
    "workspace_id": "scope_changed",
    "role": "role_changed",
    "owner_id": "owner_changed",
    "workspace_geo": "residency_changed",
    "default_inference_geo": "residency_changed",
    "allowed_inference_geos": "residency_changed",
}
_STATES = {
    "archived": "archived",
    "inactive": "deactivated",
    "expired": "expired",
    "deleted": "deleted",
    "active": "activated",
}
_TAGS = "tags."


def changes(
    before: Mapping[str, Any] | None,
    before_at: str | None,
    resource: Resource,
    document: Prepared,
    frame: Frame,
) -> Iterator[Prepared]:
    """One agent document for each thing that the resource's new document says otherwise.

    `before` is the source of its latest document, made at `before_at`; without one the resource is new. The
    `_id` is the digest of the change and of the document it was compared with, so that two agents, and one
    that was killed in between, record it once.
    """
    source = document.source["anthropic"]
    now = _watched(source)
    if before is None:
        yield _change(resource, source, frame, None, "created", None, None, now.get("name"))
        return
    was = _watched(before["anthropic"])
    for name in sorted(was.keys() | now.keys()):
        old, new = was.get(name), now.get(name)
        # A name that was or is not shown is no new name; the owner's may not be known every time.
        if old == new or (name in ("name", "owner_id") and None in (old, new)):
            continue
        yield _change(resource, source, frame, before_at, _why(name, old, new), name, old, new)


def _watched(anthropic: Mapping[str, Any]) -> dict[str, str]:
    fields = anthropic["inventory"]
    watched = {name: _text(fields[name]) for name in _WATCHED if fields.get(name) is not None}
    if fields["type"] == "workspace":
        tags = (anthropic.get("workspace") or {}).get("tags") or {}
        watched |= {f"{_TAGS}{tag}": value for tag, value in tags.items()}
    return watched


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _why(name: str, old: str | None, new: str | None) -> str:
    if name.startswith(_TAGS):
        return "tag_changed"
    if name == "state":
        return "restored" if old == "deleted" else _STATES.get(new or "", "state_changed")
    return _WATCHED[name]


def _change(
    resource: Resource,
    source: Mapping[str, Any],
    frame: Frame,
    before_at: str | None,
    why: str,
    name: str | None,
    old: str | None,
    new: str | None,
) -> Prepared:
    known_by = resource.kind == "service_account" or (why == "created" and resource.by)
    change = {
        "type": resource.kind,
        "id": resource.id,
        "name": source["inventory"].get("name"),
        "why": why,
        "field": name,
        "old": old,
        "new": new,
        "by_id": resource.by if known_by else None,
        "seen_after": before_at,
    }
    shared = {part: source[part] for part in ("workspace", "api_key") if part in source}
    document = agent_document(
        "inventory_change",
        at=frame.now,
        now=frame.now,
        namespace=frame.namespace,
        organization=frame.names.organization,
        anthropic={**shared, "inventory_change": change},
        event={"category": ["configuration"], "type": ["change"]},
    )
    identity = digest_of_values(
        frame.names.organization_id, resource.kind, resource.id, why, name, old, new, before_at
    )
    return prepare(identity, document)

"""What the Admin API lists now against the latest document of each resource in the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from anthropic_metrics.audit.compare import Audited, Difference
from anthropic_metrics.inventory.build import Uses, inventory_documents
from anthropic_metrics.inventory.lists import Lists
from anthropic_metrics.inventory.poller import InventoryPoller, default_of
from anthropic_metrics.inventory.resources import Kind, of_document
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

Source = Mapping[str, Any]
Key = tuple[str, str]


def audit_inventory(
    ask: Questions, poller: InventoryPoller, organization_id: str, now: datetime
) -> tuple[Audited | None, dict[str, str]]:
    """The comparison, None while the stream holds nothing; and by kind why a list could not be compared.

    Only what the lists say is compared, not the use that is joined to it; earlier days cannot be asked for.
    Raises what reading raises.
    """
    ask.refresh(poller.stream)
    latest = poller.latest(ask, organization_id)
    if not latest:
        return None, {}
    tally = Tally(poller.only, poller.stream)
    frame, lists = poller.read(tally, default_of(latest))
    listed = _listed(frame, lists)
    stored = {key: source for key, source in latest.items() if key[0] in lists.listed and _stands(source)}
    newest = max(latest.values(), key=lambda source: str(source["event"]["created"]))
    window = Range(datetime.fromisoformat(newest["@timestamp"]), now)
    result = Audited(poller.stream, window, refused=tally.unread)
    result.documents_here, result.documents_there = len(stored), len(listed)
    for key, source in listed.items():
        if key in stored:
            result.differences += _changed(poller.stream, key, stored[key], source)
        elif not _is_younger(source, than=newest):
            result.differences.append(_difference("missing", poller.stream, key, source))
    for key, source in stored.items():
        if key not in listed and lists.listed[Kind(key[0])].clean:
            result.differences.append(_difference("extra", poller.stream, key, source))
    return result, {kind.value: why for kind, why in lists.refused.items()}


def _listed(frame: Frame, lists: Lists) -> dict[Key, Source]:
    """The documents of what the lists have now, by type and id."""
    resources = [resource for one in lists.listed.values() for resource in one.resources]
    sources = [document.source for document in inventory_documents(frame, resources, Uses())]
    return {(_fields(source)["type"], _fields(source)["id"]): source for source in sources}


def _fields(source: Source) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = source["anthropic"]["inventory"]
    return fields


def _stands(source: Source) -> bool:
    """Whether the stream takes the resource for one that is still listed."""
    return _fields(source)["state"] != "deleted" and _fields(source).get("absent_since") is None


def _is_younger(source: Source, *, than: Source) -> bool:
    """Whether the resource was created after the last poll that is known of."""
    created = _fields(source).get("created_at")
    last = datetime.fromisoformat(str(than["event"]["created"]))
    return created is not None and datetime.fromisoformat(str(created)) > last


def _changed(stream: str, key: Key, here: Source, there: Source) -> Iterator[Difference]:
    mine, theirs = (of_document(source["anthropic"]).facts for source in (here, there))
    names = sorted(mine.keys() | theirs.keys())
    fields = {
        name: (mine.get(name), theirs.get(name)) for name in names if mine.get(name) != theirs.get(name)
    }
    if fields:
        yield _difference("changed", stream, key, here, fields)


def _difference(
    kind: str, stream: str, key: Key, source: Source, fields: dict[str, tuple[Any, Any]] | None = None
) -> Difference:
    of = f"type={key[0]} id={key[1]}"
    if name := _fields(source).get("name"):
        of += f" name={name}"
    return Difference(kind, stream, "", str(source["@timestamp"]), of, fields or {})

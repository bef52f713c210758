"""Do the streams say what the Admin API says? Reads both, writes neither."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.lookup import held
from anthropic_metrics.elastic.memory import other_organizations
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.corrections import value_at
from anthropic_metrics.reports.poller import ViewPoller

TOTALS = {
    "usage": ("anthropic.usage.total_tokens", "tokens"),
    "cost": ("anthropic.cost.amount_exact", "cents"),
}
_BATCH = 500


@dataclass(frozen=True)
class Difference:
    """One document that differs. `kind` is `missing`, `extra`, `double` or `changed`; for the last one
    `fields` has the value in the stream and the value in the API by dotted name."""

    kind: str
    stream: str
    document_id: str
    bucket: str
    dimensions: str
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass
class Audited:
    """One stream against the API over `window`; totals are exact, in `unit`.

    `refused` says how many rows of the API could not be read, and why; empty if none. `strays` are documents
    that the agent wrote for other organizations, by their ids, where no other key of the namespace has them.
    """

    stream: str
    window: Range
    unit: str
    documents_here: int = 0
    documents_there: int = 0
    total_here: Decimal = Decimal(0)
    total_there: Decimal = Decimal(0)
    differences: list[Difference] = field(default_factory=list)
    refused: str = ""
    strays: dict[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether the stream holds what the API says, every row of it, and nothing else."""
        return not (self.differences or self.refused or self.strays)


def audit(
    es: Elasticsearch,
    poller: ViewPoller,
    inventory: Inventory,
    window: Range,
    now: datetime,
    shared_with: Collection[str] = (),
) -> Audited:
    """Compare the stream of one view with the API over whole buckets, and add up both.

    `shared_with` are organizations whose documents may stand in the stream too.
    The API is read first: what it changes in between shows as a difference, and is gone at the next run.
    Raises what reading the API and Elasticsearch raises.
    """
    view = poller.view
    number, unit = TOTALS[view.poller]
    result = Audited(view.stream, window, unit)
    tally = Tally(view.poller, view.stream)
    wanted = {document.id: document for document in poller.documents(window, tally)}
    result.refused = str(tally.answers)
    if tally.read_from is not None:  # the API tells nothing of what is older
        result.window = window = Range(max(window.start, tally.read_from), window.end)
    organization = inventory.names(now).organization_id
    others = other_organizations(es, view.stream, organization)
    result.strays = {id_: count for id_, count in others.items() if id_ not in shared_with}
    everything = {"organization.id": [organization], **view.terms}
    seen: set[str] = set()
    copies = held(es, view.stream, window, everything)
    for copy, source in _with_sources(es, view.stream, [(copy.index, copy.id) for copy in copies]):
        document = wanted.get(copy)
        result.documents_here += 1
        result.total_here += Decimal(str(value_at(source, number) or 0))
        result.differences += _compared(view.stream, copy, source, document, double=copy in seen)
        seen.add(copy)
    for document in wanted.values():
        result.documents_there += 1
        result.total_there += Decimal(str(value_at(document.source, number) or 0))
        if document.id not in seen:
            result.differences.append(_difference("missing", view.stream, document.id, document.source))
    return result


def _compared(
    stream: str, id_: str, source: dict[str, Any], document: Prepared | None, *, double: bool
) -> Iterator[Difference]:
    if double:
        yield _difference("double", stream, id_, source)
    elif document is None:
        yield _difference("extra", stream, id_, source)
    elif value_at(source, "event.hash") != document.hash or value_at(source, "anthropic.missing_since"):
        yield _difference("changed", stream, id_, source, dict(_changed(source, document.source)))


def _changed(here: dict[str, Any], there: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Leaves that differ, but for those that say when and by whom the document was made."""
    mine, theirs = dict(_leaves(here)), dict(_leaves(there))
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name) and not name.startswith(("event.", "agent.")):
            yield name, (mine.get(name), theirs.get(name))


def _leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def _difference(
    kind: str, stream: str, id_: str, source: dict[str, Any], fields: dict[str, tuple[Any, Any]] | None = None
) -> Difference:
    row = source["anthropic"].get("usage") or source["anthropic"].get("cost") or {}
    texts = (f"{name}={value}" for name, value in row.items() if isinstance(value, str) and _dimension(name))
    return Difference(kind, stream, id_, str(source["@timestamp"]), " ".join(texts), fields or {})


def _dimension(name: str) -> bool:
    return not name.startswith(("bucket_", "amount", "currency"))


def _with_sources(
    es: Elasticsearch, stream: str, copies: list[tuple[str, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids with sources; what went away in between is left out."""
    for batch in _batches(copies):
        with translated(f"Reading {stream}"):
            docs = es.mget(docs=[{"_index": index, "_id": id_} for index, id_ in batch])["docs"]
        yield from ((doc["_id"], doc["_source"]) for doc in docs if doc.get("found"))


def _batches(copies: list[tuple[str, str]]) -> Iterable[list[tuple[str, str]]]:
    return (copies[start : start + _BATCH] for start in range(0, len(copies), _BATCH))

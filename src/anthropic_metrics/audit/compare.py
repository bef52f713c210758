"""One stream against what the Admin API says, document by document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.lookup import sources_of, stored_copies
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Documents, Poller
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.corrections import value_at
from anthropic_metrics.streams.stream import Total

_ROWS = ("usage", "cost", "headroom", "rate_limit", "people")
_BATCH = 500
_CENTS = 100


@dataclass(frozen=True)
class Difference:
    """One document that differs. `kind` is `missing`, `extra`, `double` or `changed`; for the last one
    `fields` has the value in the stream and the value in the API by dotted name. `unequal` is no document but
    a sum, in the stream and on the bill."""

    kind: str
    stream: str
    document_id: str
    bucket: str
    dimensions: str
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass
class Audited:
    """One stream against the API over `window`; totals are exact, in `unit`, empty where nothing is added up.

    `months` has the dollars of the stream and of the API by calendar month, for costs. `refused` says how
    many rows of the API could not be read, and why; empty if none.
    """

    stream: str
    window: Range
    unit: str = ""
    documents_here: int = 0
    documents_there: int = 0
    total_here: Decimal = Decimal(0)
    total_there: Decimal = Decimal(0)
    differences: list[Difference] = field(default_factory=list)
    months: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    refused: str = ""

    @property
    def equal(self) -> bool:
        """Whether the stream holds what the API says, every row of it."""
        return not (self.differences or self.refused)

    def count(self, source: dict[str, Any], number: str, *, here: bool) -> None:
        """Add a document of the stream (`here`) or of the API to the totals."""
        value = Decimal(str(value_at(source, number) or 0)) if number else Decimal(0)
        if here:
            self.documents_here += 1
            self.total_here += value
        else:
            self.documents_there += 1
            self.total_there += value
        if self.unit == "cents":
            mine, theirs = self.months.get(month := str(source["@timestamp"])[:7], (Decimal(0), Decimal(0)))
            usd = value / _CENTS
            self.months[month] = (mine + usd, theirs) if here else (mine, theirs + usd)


def audit(
    es: Client,
    poller: Poller,
    total: Total,
    inventory: Inventory,
    window: Range,
    now: datetime,
) -> Audited:
    """Compare the stream of one poller with the API over whole buckets, and add up both.

    Range by range, so that any number of documents fits in memory. The API is read first: what it changes
    in between shows as a difference, and is gone at the next run. Raises what reading the API and
    Elasticsearch raises.
    """
    result = Audited(poller.stream, window, total.unit)
    tally = Tally(poller.only, poller.stream)
    terms = {"organization.id": [inventory.names(now).organization_id], **poller.terms}
    for time_range, wanted in poller.documents(window, tally):
        compare(es, result, time_range, wanted, terms, total.field)
    result.refused = tally.unread
    if tally.read_from is not None:  # the API tells nothing of what is older
        result.window = Range(max(window.start, tally.read_from), window.end)
    return result


def compare_runs(
    es: Client,
    result: Audited,
    runs: Iterable[Documents],
    terms: Mapping[str, Sequence[str]],
    number: str = "",
) -> None:
    """`compare` of each run; between the runs, in any order, the stream should hold nothing."""
    gaps = [result.window]
    for time_range, wanted in runs:
        compare(es, result, time_range, wanted, terms, number)
        gaps = [part for gap in gaps for part in _without(gap, time_range)]
    for gap in gaps:
        compare(es, result, gap, (), terms, number)


def compare(
    es: Client,
    result: Audited,
    time_range: Range,
    wanted: Iterable[Prepared],
    terms: Mapping[str, Sequence[str]],
    number: str = "",
) -> None:
    """Enter into `result` how the stream differs from `wanted` over a range; `number` is added up."""
    by_id = {document.id: document for document in wanted}
    seen: set[str] = set()
    copies = stored_copies(es, result.stream, time_range, terms, may_refresh=False)
    for copy, source in _with_sources(es, result.stream, [(copy.backing_index, copy.id) for copy in copies]):
        result.count(source, number, here=True)
        document = by_id.get(copy)
        result.differences += _compared(result.stream, copy, source, document, double=copy in seen)
        seen.add(copy)
    for document in by_id.values():
        result.count(document.source, number, here=False)
        if document.id not in seen:
            result.differences.append(_difference("missing", result.stream, document.id, document.source))


def _without(whole: Range, part: Range) -> list[Range]:
    """What is left of `whole` on both sides of `part`."""
    sides = Range(whole.start, min(whole.end, part.start)), Range(max(whole.start, part.end), whole.end)
    return [side for side in sides if side.start < side.end]


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
    own = source.get("anthropic") or {}
    row: dict[str, Any] = next((own[name] for name in _ROWS if isinstance(own.get(name), dict)), {})
    texts = (f"{name}={value}" for name, value in row.items() if isinstance(value, str) and _dimension(name))
    return Difference(kind, stream, id_, str(source["@timestamp"]), " ".join(texts), fields or {})


def _dimension(name: str) -> bool:
    return not name.startswith(("bucket_", "window_", "peak_", "amount", "currency"))


def _with_sources(
    es: Client, stream: str, copies: list[tuple[str, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids with sources; what went away in between is left out."""
    for batch in _batches(copies):
        yield from sources_of(es, stream, batch)


def _batches(copies: list[tuple[str, str]]) -> Iterable[list[tuple[str, str]]]:
    return (copies[start : start + _BATCH] for start in range(0, len(copies), _BATCH))

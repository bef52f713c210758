"""Streams kept in memory with the rules of Elasticsearch that matter here, and an API without a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import Copy, Diff, diff, milliseconds
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.simulator import ADMIN_KEY, Request, SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi

INDEX = ".ds-stream-2026.11.20-000001"


@dataclass
class Store:
    """Documents by id and version; a write under an old version, or a create of what is there, fails."""

    copies: dict[str, tuple[Copy, dict[str, Any]]] = field(default_factory=dict)
    numbers: int = 0
    written: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def held(self, window: Range | None = None) -> list[Copy]:
        found = self.copies.values()
        return [copy for copy, source in found if window is None or _inside(source, window)]

    def put(self, document: Prepared, seen: Copy | None, missing: datetime | None = None) -> bool:
        """Create (nothing was seen) or replace what was seen; False for a conflict."""
        now = self.copies.get(document.id)
        if (now[0].seq_no if now else None) != (seen.seq_no if seen else None):
            return False
        self.numbers += 1
        copy = Copy(document.id, INDEX, self.numbers, 1, document.hash, missing)
        self.copies[document.id] = copy, document.source
        self.written.append(document.source)
        return True

    def remove(self, seen: Copy) -> bool:
        now = self.copies.get(seen.id)
        if now is None or now[0].seq_no != seen.seq_no:
            return False
        del self.copies[seen.id]
        self.deleted.append(seen.id)
        return True

    def says(self) -> dict[str, str | None]:
        """What is there: digest by id, of what is not marked as missing."""
        return {id_: copy.hash for id_, (copy, _) in self.copies.items() if copy.missing_since is None}


def writes(difference: Diff, store: Store, now: datetime) -> Iterator[Callable[[], bool]]:
    """The difference as single writes, each to be done at any later time."""
    for document in difference.create:
        yield partial(store.put, document, None)
    for document, seen in difference.replace:
        yield partial(store.put, document, seen)
    for seen in difference.mark:
        source = store.copies[seen.id][1]
        kept = Prepared(seen.id, str(seen.hash), to_json(source))
        yield partial(store.put, kept, seen, milliseconds(now))
    for seen in difference.delete:
        yield partial(store.remove, seen)


def outcome(difference: Diff) -> Outcome:
    """What a store answers that has done all of the difference."""
    return Outcome(
        created=len(difference.create),
        replaced=len(difference.replace),
        deleted=len(difference.delete),
        marked=len(difference.mark),
        kept=difference.keep,
        waiting=difference.waiting,
    )


def count_if_same(copies: Sequence[Copy], expected: int) -> int | None:
    """What `kernel.ports.Store.holds` answers where these copies are held."""
    same = fingerprint(Counter(copy.hash or "" for copy in copies)) == expected
    return len(copies) if same and not any(copy.missing_since for copy in copies) else None


@dataclass
class MemoryStreams:
    """A `kernel.ports.Store` in memory: the same comparison, no server."""

    store: Store = field(default_factory=Store)

    def reconcile(
        self,
        stream: str,
        window: Range,
        documents: Iterable[Prepared],
        *,
        organization_id: str,
        terms: Mapping[str, Sequence[str]] | None = None,
        now: datetime,
        confirm_after: timedelta,
        deletes: bool = True,
        record: Callable[[list[Change]], None] | None = None,
    ) -> Outcome:
        wanted = list(documents)
        assert all(_inside(document.source, window) for document in wanted)
        found = diff(wanted, self.store.held(window), now=now, confirm_after=confirm_after, deletes=deletes)
        assert all(write() for write in writes(found, self.store, now))
        return outcome(found)

    def holds(
        self,
        stream: str,
        window: Range,
        fingerprint: int,
        *,
        organization_id: str,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> int | None:
        return count_if_same(self.store.held(window), fingerprint)

    def append(self, stream: str, documents: Iterable[Prepared], *, new: bool = False) -> Outcome:
        wanted = list(documents)
        created = sum(self.store.put(document, None) for document in wanted)
        return Outcome(created=created, kept=len(wanted) - created)


def _inside(source: dict[str, Any], window: Range) -> bool:
    return window.start <= datetime.fromisoformat(source["@timestamp"]) < window.end


@dataclass
class Wire:
    """The simulated API as a transport; `change` turns the body of each report's answer into another one.

    Of each answer whose path holds `changed`. `asked` are the paths of all requests.
    """

    api: AdminApi
    clock: SettableClock
    change: Callable[[bytes], bytes] | None = None
    changed: str = "report"
    asked: list[str] = field(default_factory=list)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = Request(
            method=request.method,
            path=request.url.path,
            params=tuple(request.url.params.multi_items()),
            headers=dict(request.headers),
            at=self.clock.now(),
        )
        self.asked.append(asked.path)
        answer = self.api.answer(asked, ADMIN_KEY)
        body = answer.body
        if self.change and self.changed in request.url.path:
            body = self.change(body)
        return httpx.Response(answer.status, headers=answer.headers, content=body)


def small_wire(now: datetime, **simulated: Any) -> Wire:
    clock = SettableClock(now)
    simulation = Simulation(clock, days=1, series=4, **simulated)
    return Wire(AdminApi(simulation), clock)


def document(id_: str, says: str, start: datetime) -> Prepared:
    """A document that is nothing but its identity and its content."""
    return Prepared(id_, says, to_json({"@timestamp": start.isoformat(), "says": says}))


NOW = datetime(2026, 11, 20, 6, 42, 10, tzinfo=UTC)

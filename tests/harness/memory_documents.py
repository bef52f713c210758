"""Streams of whole documents in memory: a `Store`, and the questions that spend asks of it.

No test reads Elasticsearch's own behaviour from it: that is what the end-to-end tests are for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import diff
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.questions import Row, State
from anthropic_metrics.kernel.ranges import Range, floor
from anthropic_metrics.reports.corrections import value_at
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import Store, count_if_same, outcome, writes

Source = dict[str, Any]
Terms = Mapping[str, Sequence[str]] | None


@dataclass
class MemoryDocuments(MemoryQuestions):
    """`kernel.ports.Store` and `kernel.questions.Questions` over documents by stream.

    `asked` names every question and every comparison; a stream in `refusing` takes no document. `doubled`:
    each document is in two backing indices, as around a rollover.
    """

    stores: defaultdict[str, Store] = field(default_factory=lambda: defaultdict(Store))
    asked: list[str] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)
    doubled: bool = False

    def reconcile(
        self,
        stream: str,
        window: Range,
        documents: Iterable[Prepared],
        *,
        organization_id: str,
        terms: Terms = None,
        now: datetime,
        confirm_after: timedelta,
        deletes: bool = True,
        record: Callable[[list[Change]], None] | None = None,
    ) -> Outcome:
        self.asked.append(f"reconcile {stream}")
        store, wanted = self.stores[stream], list(documents)
        assert all(window.start <= _time(document.source) < window.end for document in wanted)
        assert len({document.id for document in wanted}) == len(wanted), "a document comes twice"
        copies = [copy for copy, source in store.copies.values() if _fits(source, window, terms)]
        if stream in self.refusing:
            return Outcome(refused=max(1, len(wanted)))
        found = diff(wanted, copies, now=now, confirm_after=confirm_after, deletes=deletes)
        assert all(write() for write in writes(found, store, now))
        for seen in found.mark:
            store.copies[seen.id][1].setdefault("anthropic", {})["missing_since"] = now.isoformat()
        return outcome(found)

    def holds(
        self,
        stream: str,
        window: Range,
        fingerprint: int,
        *,
        organization_id: str,
        terms: Terms = None,
    ) -> int | None:
        copies = self.stores[stream].copies.values()
        return count_if_same([copy for copy, source in copies if _fits(source, window, terms)], fingerprint)

    def append(self, stream: str, documents: Iterable[Prepared], *, new: bool = False) -> Outcome:
        created = sum(self.stores[stream].put(document, None) for document in documents)
        return Outcome(created=created)

    def windows(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        *,
        since: datetime | None = None,
        missing: bool = False,
        terms: Terms = None,
    ) -> set[datetime]:
        assert since is None, "spend tells by states what changed"
        self.asked.append(f"windows {stream}")
        found = self._sources(stream, span, terms, reported=False)
        return {floor(_time(source), width) for _, source in found if _is_missing(source) or not missing}

    def states(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        *,
        terms: Terms = None,
    ) -> dict[datetime, State]:
        self.asked.append(f"states {stream}")
        made: defaultdict[datetime, list[int]] = defaultdict(list)
        for _, source in self._sources(stream, span, terms):
            created = datetime.fromisoformat(source["event"]["created"])
            made[floor(_time(source), width)].append(round(created.timestamp() * 1000))
        return {start: State(len(each), sum(each), max(each)) for start, each in made.items()}

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Terms = None,
    ) -> Iterator[tuple[str, Row]]:
        self.asked.append(f"documents {stream}")
        yield from list(self._sources(stream, span, terms)) * (2 if self.doubled else 1)

    def groups(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        by: Sequence[str],
        fields: Sequence[str],
        *,
        width: timedelta | None = None,
        terms: Terms = None,
    ) -> Iterator[tuple[Row, Row]]:
        self.asked.append(f"groups {stream}")
        sums: dict[tuple[Any, ...], dict[str, int]] = {}
        for _, source in self._sources(stream, span, terms):
            start = floor(_time(source), width) if width is not None else None
            group = sums.setdefault(
                (start, *(value_at(source, name) for name in by)), dict.fromkeys(fields, 0)
            )
            for name in fields:
                group[name] += value_at(source, name) or 0
        for (start, *values), added in sums.items():
            key: dict[str, Any] = dict(zip(by, values, strict=True))
            yield key if width is None else {**key, "@timestamp": start}, added

    def _sources(
        self, stream: str, span: Range, terms: Terms, *, reported: bool = True
    ) -> Iterator[tuple[str, Source]]:
        for id_, (_, source) in self.stores[stream].copies.items():
            if _fits(source, span, terms) and not (reported and _is_missing(source)):
                yield id_, source


def _time(source: Source) -> datetime:
    return datetime.fromisoformat(source["@timestamp"]).astimezone(UTC)


def _fits(source: Source, span: Range, terms: Terms) -> bool:
    inside = span.start <= _time(source) < span.end
    return inside and all(value_at(source, name) in values for name, values in (terms or {}).items())


def _is_missing(source: Source) -> bool:
    return value_at(source, "anthropic.missing_since") is not None

"""What the core needs of the outside, as protocols that the type checker holds.

`Store` is implemented by `elastic.reconcile.Streams` and in the tests by memory, `kernel.questions.Questions`
by `elastic.questions`. A `Poller` fills one stream and makes its own jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

Record = Callable[[Sequence[Prepared]], None]
"""Appends documents to the agent stream: corrections, changes, checks."""
Progress = Callable[[Range], None]
"""Called with each window that is done."""
Documents = tuple[Range, Sequence[Prepared]]
"""A range, and all documents that should exist in it."""
Terms = Mapping[str, Sequence[str]]
"""Exact values of keyword fields."""
NO_TERMS: Terms = {}


class Store(Protocol):
    """Where documents go."""

    def reconcile(
        self,
        stream: str,
        window: Range,
        documents: Iterable[Prepared],
        *,
        organization_id: str,
        terms: Terms | None = None,
        now: datetime,
        confirm_after: timedelta,
        deletes: bool = True,
        record: Callable[[list[Change]], None] | None = None,
    ) -> Outcome:
        """Make the stream hold exactly `documents` for the window, of this organization and these `terms`.

        A document that vanished is marked, and deleted by a later call whose `now` is at least
        `confirm_after` past the mark; with `deletes=False` neither. `record` gets each replacement and each
        deletion before it is written, except of documents whose bucket was incomplete. Raises RetryLater,
        SinkError, AuthError or Stopped.
        """

    def holds(
        self,
        stream: str,
        window: Range,
        fingerprint: int,
        *,
        organization_id: str,
        terms: Terms | None = None,
    ) -> int | None:
        """How many documents the stream holds for the window, if their hashes make this fingerprint.

        None if it holds others, one twice or one that is marked. Raises as `reconcile` does.
        """

    def append(self, stream: str, documents: Iterable[Prepared], *, new: bool = False) -> Outcome:
        """Create documents under their ids; those that the stream holds already count as kept.

        `new` says that no earlier call can have used these ids, which spares looking them up.
        """


@dataclass(frozen=True)
class Sink:
    """What a job needs to write: the store, the record of corrections, and questions to our own streams."""

    store: Store
    record: Record
    ask: Questions


class Poller(Protocol):
    """Keeps one stream true. `only` is its name for people, `stream` the data stream's full name."""

    @property
    def only(self) -> str: ...

    @property
    def dataset(self) -> str: ...

    @property
    def stream(self) -> str: ...

    @property
    def terms(self) -> Terms:
        """Which documents of the stream are its own, besides the organization's id."""

    def live(self, sink: Sink) -> list[Job]:
        """What keeps the newest data fresh."""

    def sweep(self, sink: Sink) -> list[Job]:
        """What compares the whole history once a day; may be nothing."""

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """One pass over the whole history."""

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """One pass over an older range, as far as the stream keeps it; may be nothing."""

    def range(self, wanted: Range | None = None) -> Range | None:
        """What of `wanted` (None: the whole history) is read from the Admin API; None if nothing is."""

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        """The documents that the Admin API makes for `wanted`, range by range, counted; nothing is written.

        None for streams that are derived from our own: they follow from documents, not from answers.
        """

"""One pass over a derived stream: what it reads with, and how what was computed is compared and counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink, Terms
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally


@dataclass(frozen=True)
class Pass:
    """What stays the same over one pass over `stream`; `terms` say which of its documents are its own.

    A document that vanished is deleted by a pass at least `confirm_after` after the one that marked it.
    """

    stream: str
    terms: Terms
    confirm_after: timedelta
    sink: Sink
    tally: Tally
    names: Names
    now: datetime

    def compare(self, time_range: Range, documents: Iterable[Prepared]) -> Outcome:
        """Make the stream hold exactly `documents` in `time_range`. Raises what the store raises."""
        outcome = self.compare_in(self.stream, time_range, documents, self.terms)
        self.tally.windows += 1
        return outcome

    def compare_in(
        self, stream: str, time_range: Range, documents: Iterable[Prepared], terms: Terms
    ) -> Outcome:
        """The same of another stream's documents with these `terms`."""
        outcome = self.sink.store.reconcile(
            stream,
            time_range,
            documents,
            organization_id=self.names.organization_id,
            terms=terms,
            now=self.now,
            confirm_after=self.confirm_after,
        )
        self.tally.add(outcome, stream)
        return outcome

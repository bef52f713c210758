"""What makes a derived stream: its inputs, the width of its windows, and a computation.

`derived.changes.Changes` does the rest: it finds the windows whose inputs changed, computes them anew,
and lets the store compare. All it reads lies in Elasticsearch, so late and revised inputs, a killed agent and
two agents all end in the same documents.

To add one: a class with `Derivation`'s members (`headroom.derivation.Headroom` is the example), a file in
`streams/` whose factory yields `DerivedPoller(Changes(derivation), ...)`, and a line in the registry.
`compute` is the only part with logic of its own; what it reads it asks through `Moment.ask`, so that the core
stays pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range


@dataclass(frozen=True)
class Input:
    """A stream that is read: a document that was written, or went missing, makes windows due.

    Those that its own window of `width` touches; with `onwards` also every later one. `fills`: a pass over
    everything computes the windows that hold its documents.
    """

    dataset: str
    width: timedelta
    onwards: bool = False
    fills: bool = True


@dataclass(frozen=True)
class Moment:
    """What a computation reads, besides the range: questions to the inputs, names, and when it is.

    `read_at` is when the stream of `completed_by` was last read to its end, None: not known.
    """

    ask: Questions
    names: Names
    now: datetime
    read_at: datetime | None


@dataclass(frozen=True)
class Computed:
    """Everything that should exist in a range; `rows` counts what was computed, `newest` ends its newest.

    `left_out` says in a sentence what has no document although it should; empty if nothing.
    """

    documents: Sequence[Prepared]
    rows: int
    newest: datetime | None = None
    left_out: str = ""


class Derived(Protocol):
    """What a derived stream of one organization is, however it is kept."""

    @property
    def dataset(self) -> str: ...

    @property
    def only(self) -> str:
        """Its poller's name for people."""

    @property
    def namespace(self) -> str: ...

    @property
    def interval(self) -> timedelta:
        """How often to look for changes; a vanished document is deleted after a second look so much later."""

    @property
    def follows(self) -> str | None:
        """The dataset whose every live poll it runs after."""

    @property
    def completed_by(self) -> str | None:
        """The dataset whose polls make windows complete although nothing in them changes."""

    @property
    def terms(self) -> Terms:
        """Which documents are its own, besides the organization's id."""

    def history(self, now: datetime) -> Range:
        """The range that is kept true."""

    def older(self, wanted: Range, now: datetime) -> Range | None:
        """What of an older range can be computed; None if nothing can."""


class Derivation(Derived, Protocol):
    """A derived stream of one organization. Its values are the configuration's; it keeps no state."""

    @property
    def window(self) -> timedelta:
        """The width of one window: what is computed anew when an input changes."""

    @property
    def run_length(self) -> timedelta:
        """How much is computed in the first go; later ones follow the density of documents."""

    @property
    def inputs(self) -> tuple[Input, ...]: ...

    def state(self, ask: Questions, names: Names) -> Hashable:
        """What concerns every window at once: when it differs from the last pass, all are computed anew."""

    def compute(self, time_range: Range, at: Moment) -> Computed:
        """The documents of all windows in `time_range`. Raises RetryLater while an input is still empty."""

"""What keeps a derived stream true: it knows which windows are due, and computes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

# Everything is compared once a day, whether or not it seems to have changed.
EVERYTHING_EVERY = timedelta(days=1)


class Keeper(Protocol):
    """A derived stream of one organization. What it remembers is a cache: losing it costs one pass over all.

    `derived.changes.Changes` keeps any `Derivation`; spend has a keeper of its own, since its days also
    change by settling and by prices that other days taught.
    """

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
    def settles_by(self) -> timedelta:
        """The width of what an audit compares whole."""

    @property
    def terms(self) -> Terms:
        """Which documents are its own, besides the organization's id."""

    def history(self, now: datetime) -> Range:
        """The range that is kept true."""

    def older(self, wanted: Range, now: datetime) -> Range | None:
        """What of an older range can be computed; None if nothing can."""

    def keep(self, time_range: Range, this: Pass) -> None:
        """Make the stream right for what changed within `time_range` since the last call, at times for all
        of it.

        Raises what the store and the questions raise; runs finished by then stay finished, and are due again.
        """

    def keep_all(self, time_range: Range, this: Pass) -> None:
        """Make the stream right for all of `time_range`."""

    def computed(
        self, time_range: Range, ask: Questions, names: Names, now: datetime, tally: Tally
    ) -> Iterator[Prepared]:
        """The documents of `time_range`, computed afresh; nothing is written or remembered."""

"""What keeps a derived stream true: it knows which windows are due, and computes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from anthropic_metrics.derived.derivation import Derived
from anthropic_metrics.derived.passes import Pass
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Documents
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

# Everything is compared once a day, whether or not it seems to have changed.
EVERYTHING_EVERY = timedelta(days=1)


class Keeper(Derived, Protocol):
    """A derived stream of one organization. What it remembers is a cache: losing it costs one pass over all.

    `derived.changes.Changes` keeps any `Derivation`; spend has a keeper of its own, since its days also
    change by settling and by prices that other days taught.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """What it reads besides the dataset it follows: its first turn waits for their first live polls."""

    @property
    def settles_by(self) -> timedelta:
        """The width of what an audit compares whole."""

    def keep(self, time_range: Range, this: Pass) -> None:
        """Make the stream right for what changed within `time_range` since the last call, at times for all
        of it.

        Raises what the store and the questions raise; runs finished by then stay finished, and are due again.
        """

    def keep_all(self, time_range: Range, this: Pass) -> None:
        """Make the stream right for all of `time_range`."""

    def computed(
        self, time_range: Range, ask: Questions, names: Names, now: datetime, tally: Tally
    ) -> Iterator[Documents]:
        """The documents of `time_range`, computed afresh, run by run; nothing is written or remembered."""

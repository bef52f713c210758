"""Which windows of a derived stream are computed and compared in one go. Pure.

Each run costs about ten requests, whatever it holds: so runs follow the density of documents, as the windows
of a report follow the density of rows, and reach across windows that hold little or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

from anthropic_metrics.kernel.plan import GROWTH
from anthropic_metrics.kernel.ranges import DAY, Range

# Documents of one run that are in memory together: about 20 MB with what they are made of.
RUN_DOCUMENTS = 8_000
# Documents that may be computed although nothing asks for them, rather than begin another run.
GAP_DOCUMENTS = 500
# What a window is expected to hold at least.
_FEWEST = 0.1


class Runs:
    """Sizes runs by the documents per window last seen; the first one takes `first` windows."""

    def __init__(self, window: timedelta, first: int) -> None:
        self._window = window
        self._per_window = RUN_DOCUMENTS / first

    def over(self, starts: Iterable[datetime], *, gaps_are_empty: bool) -> Iterator[tuple[Range, int]]:
        """Ranges that hold every window of `starts`, the newest first, each with how many of them it holds.

        Call `saw` for each before the next. A range also holds windows between those that are due: any
        number of empty ones, else no more than `GAP_DOCUMENTS` fill.
        """
        left = sorted(starts)
        while left:
            due = max(1, int(RUN_DOCUMENTS / self._per_window))
            run = left[-due:] if gaps_are_empty else self._unbroken(left[-due:])
            yield Range(run[0], run[-1] + self._window), len(run)
            del left[-len(run) :]

    def saw(self, documents: int, windows: int) -> None:
        """Note how many documents a run over so many windows had."""
        # A quiet night must not size the run over a busy day: what is expected falls in steps.
        self._per_window = max(documents / windows, self._per_window / GROWTH, _FEWEST)

    def _unbroken(self, starts: list[datetime]) -> list[datetime]:
        """The newest of `starts` up to the first gap that is too large to compute along."""
        longest = self._window * (1 + int(GAP_DOCUMENTS / self._per_window))
        for place, (older, newer) in reversed(list(enumerate(pairwise(starts), start=1))):
            if newer - older > longest:
                return starts[place:]
        return starts


def unbroken_days(days: Iterable[date], documents: Callable[[date], int]) -> Iterator[list[date]]:
    """Days in a row, given in order from either end, of which the `documents` fit into memory together."""
    batch: list[date] = []
    total = 0
    for day in days:
        more = documents(day)
        if batch and (abs(day - batch[-1]) != DAY or total + more > RUN_DOCUMENTS):
            yield batch
            batch, total = [], 0
        batch.append(day)
        total += more
    if batch:
        yield batch

"""Which ranges of the spend stream to compute now. Pure: what was seen, what there is now, what differs.

A settled UTC day is computed whole, because its bill is shared out over all of it; any other, and one that
the analytics reports have, by the hour. What is due is computed in runs that follow the number of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from anthropic_metrics.derived.runs import GAP_DOCUMENTS, RUN_DOCUMENTS
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.analytics import Total
from anthropic_metrics.spend.inputs import HOUR
from anthropic_metrics.spend.learn import Key, Learned
from anthropic_metrics.spend.settle import day_of, day_start

Known = Mapping[Key, Learned]
Seen = dict[Range, object]
Kind = Literal["settled", "open", "billed", "untouched"]
# Parts of these kinds may be computed in one run.
_FROM_OUR_STREAMS: tuple[Kind, ...] = ("settled", "open")


@dataclass(frozen=True)
class SpendSources:
    """What the streams hold: the states of usage by the hour and of the bill by the day, the hours that hold
    spend, and of them those where a document waits for its deletion, or a check that begins then.

    `billed` are the hours that the analytics reports have, with their totals, complete until `loaded`. Days
    that are `untouched` stay as they are: what these reports have for them is not known now.
    """

    usage: Mapping[datetime, State]
    cost: Mapping[date, State]
    stored: Collection[datetime]
    waiting: Collection[datetime]
    settled: Set[date]
    billed: Mapping[datetime, Total] = field(default_factory=dict)
    loaded: datetime | None = None
    untouched: Set[date] = frozenset()

    @property
    def begins_within(self) -> date | None:
        """The day whose first hours lack usage because the stream begins after them.

        Before a backfill is done they were not read yet: a day's bill over a part of its tokens is no price.
        """
        first = min(self.usage, default=None)
        return None if first is None or first == day_start(day_of(first)) else day_of(first)

    def is_billed(self, day: date) -> bool:
        """Whether the analytics reports have the whole of the day."""
        if self.loaded is None or self.loaded < day_start(day) + DAY:
            return False
        return any(hour in self.billed for hour in hours_of(day))

    def states(self, day: date) -> tuple[State | None, ...]:
        """All that a settled day's documents are made of: its bill, and each hour of its usage."""
        return (self.cost.get(day), *(self.usage.get(hour) for hour in hours_of(day)))

    def rows(self, hours: Iterable[datetime]) -> int:
        """How many rows of usage these hours have."""
        return sum(state.documents for hour in hours if (state := self.usage.get(hour)) is not None)


@dataclass(frozen=True)
class Part:
    """The least that is computed at once: a settled day, or an hour; `inputs` is all that it depends on."""

    time_range: Range
    kind: Kind
    inputs: object
    rows: int

    def joins(self, other: Part) -> bool:
        """Whether both may be computed in one run."""
        if self.kind in _FROM_OUR_STREAMS:
            return other.kind in _FROM_OUR_STREAMS
        return self.kind == other.kind


@dataclass(frozen=True)
class Run:
    """Parts that are computed and compared in one go, the newest first; between them is nothing."""

    parts: tuple[Part, ...]

    @property
    def time_range(self) -> Range:
        return Range(self.parts[-1].time_range.start, self.parts[0].time_range.end)

    @property
    def is_billed(self) -> bool:
        """Whether its figures come from the analytics reports."""
        return self.parts[0].kind == "billed"

    @property
    def settled(self) -> list[date]:
        """The days that are computed from their bill."""
        return [day_of(part.time_range.start) for part in self.parts if part.kind == "settled"]


def parts_of(day: date, sources: SpendSources, known: Known) -> list[Part]:
    """What `day` holds, the newest first; `known` are the prices that hold on it."""
    hours = hours_of(day)
    day_range = Range(hours[0], hours[0] + DAY)
    if day in sources.untouched:
        return [Part(day_range, "untouched", None, sources.rows(hours))]
    if day in sources.settled and not sources.is_billed(day):
        rows = max(sources.rows(hours), sources.cost[day].documents)
        return [Part(day_range, "settled", (sources.states(day), known), rows)]
    return [
        _hour(hour, sources, known)
        for hour in reversed(hours)
        if hour in sources.usage or hour in sources.billed or hour in sources.stored
    ]


def _hour(hour: datetime, sources: SpendSources, known: Known) -> Part:
    time_range, state, billed = Range(hour, hour + HOUR), sources.usage.get(hour), sources.billed.get(hour)
    rows = sources.rows((hour,))
    if billed is None:
        return Part(time_range, "open", (state, known), rows)
    return Part(time_range, "billed", (state, known, billed), rows)


def due(parts: Iterable[Part], sources: SpendSources, seen: Mapping[Range, object]) -> list[Part]:
    """Those whose inputs are not those of `seen`, or that hold a document which waits for its deletion."""
    return [
        part
        for part in parts
        if part.kind != "untouched"
        and (
            seen.get(part.time_range) != seen_as(part)
            or any(_within(hour, part.time_range) for hour in sources.waiting)
        )
    ]


def seen_as(part: Part) -> object:
    """What is remembered of a part that was computed."""
    return part.kind, part.inputs


def runs(parts: Sequence[Part], wanted: Collection[Range]) -> Iterator[Run]:
    """Runs that hold every part whose span is `wanted`, of `parts`, which are all there are, newest first.

    A run has as many rows as fit into memory, and at least one part. Parts between those that are wanted are
    computed along where they have few rows and cost no request of the Admin API.
    """
    run: list[Part] = []
    along: list[Part] = []
    for part in parts:
        if part.time_range in wanted:
            if run and not _fits([*run, *along], part):
                yield Run(tuple(run))
                run, along = [], []
            run += [*along, part]
            along = []
        elif run:
            along.append(part)
            if part.kind not in _FROM_OUR_STREAMS or _rows(along) > GAP_DOCUMENTS:
                yield Run(tuple(run))
                run, along = [], []
    if run:
        yield Run(tuple(run))


def _fits(run: Sequence[Part], part: Part) -> bool:
    return all(earlier.joins(part) for earlier in run) and _rows(run) + part.rows <= RUN_DOCUMENTS


def _rows(parts: Iterable[Part]) -> int:
    return sum(part.rows for part in parts)


def _within(hour: datetime, time_range: Range) -> bool:
    return time_range.start <= hour < time_range.end


def hours_of(day: date) -> list[datetime]:
    """The hours of a UTC day."""
    return [day_start(day) + HOUR * number for number in range(24)]


def days_of(sources: SpendSources, time_range: Range) -> list[date]:
    """The days in `time_range` that hold anything, the newest first."""
    days = {day_of(hour) for hour in (*sources.usage, *sources.stored, *sources.billed)} | set(sources.cost)
    return sorted((day for day in days if time_range.start <= day_start(day) < time_range.end), reverse=True)

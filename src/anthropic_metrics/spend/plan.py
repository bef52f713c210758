"""Which ranges of the spend stream to compute now. Pure: what was seen, what there is now, what differs.

A settled UTC day is computed whole, because its bill is shared out over all of it; any other, and one that
the analytics reports have, by the hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime

from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.analytics import Total
from anthropic_metrics.spend.inputs import HOUR
from anthropic_metrics.spend.learn import Key, Learned
from anthropic_metrics.spend.settle import day_of, day_start

Known = Mapping[Key, Learned]
Seen = dict[Range, object]


@dataclass(frozen=True)
class Look:
    """What the streams hold: the states of usage by the hour and of the bill by the day, the hours that hold
    spend, and of them those where a document waits for its deletion.

    `billed` are the hours that the analytics reports have, with their totals, complete until `loaded`. Days
    that are `untouched` stay as they are: what these reports have for them is not known now.
    """

    usage: Mapping[datetime, State]
    cost: Mapping[date, State]
    held: Collection[datetime]
    waiting: Collection[datetime]
    settled: Set[date]
    billed: Mapping[datetime, Total] = field(default_factory=dict)
    loaded: datetime | None = None
    untouched: Set[date] = frozenset()

    def is_billed(self, day: date) -> bool:
        """Whether the analytics reports have the whole of the day."""
        if self.loaded is None or self.loaded < day_start(day) + DAY:
            return False
        return any(hour in self.billed for hour in hours_of(day))

    def states(self, day: date) -> tuple[State | None, ...]:
        """All that a settled day's documents are made of: its bill, and each hour of its usage."""
        return (self.cost.get(day), *(self.usage.get(hour) for hour in hours_of(day)))


@dataclass
class Due:
    """Ranges of one day to compute, and the inputs of each part of them."""

    ranges: list[Range] = field(default_factory=list)
    inputs: Seen = field(default_factory=dict)


def due(day: date, look: Look, known: Known, seen: Mapping[Range, object]) -> Due:
    """The ranges of `day` whose inputs are not those of `seen`; `known` are the prices that hold on it."""
    hours, found = hours_of(day), Due()
    if day in look.untouched:
        return found
    if day in look.settled and not look.is_billed(day):
        whole = Range(hours[0], hours[0] + DAY)
        inputs: object = ("settled", look.states(day), known)
        if seen.get(whole) != inputs or any(hour in look.waiting for hour in hours):
            found.ranges.append(whole)
            found.inputs[whole] = inputs
        return found
    for hour in hours:
        one = Range(hour, hour + HOUR)
        state, billed = look.usage.get(hour), look.billed.get(hour)
        if state is None and billed is None and hour not in look.held:
            continue
        inputs = ("open", state, known) if billed is None else ("billed", state, billed)
        if seen.get(one) != inputs or hour in look.waiting:
            found.inputs[one] = inputs
    for kind in (True, False):
        found.ranges += _runs([one for one in found.inputs if (one.start in look.billed) is kind])
    return found


def hours_of(day: date) -> list[datetime]:
    """The hours of a UTC day."""
    return [day_start(day) + HOUR * number for number in range(24)]


def days_of(look: Look, span: Range) -> list[date]:
    """The days in `span` that hold anything, the newest first."""
    days = {day_of(hour) for hour in (*look.usage, *look.held, *look.billed)} | set(look.cost)
    return sorted((day for day in days if span.start <= day_start(day) < span.end), reverse=True)


def _runs(hours: Collection[Range]) -> Iterator[Range]:
    """Adjacent hours as one range, in order."""
    run: Range | None = None
    for one in sorted(hours, key=lambda each: each.start):
        if run is not None and run.end == one.start:
            run = Range(run.start, one.end)
        else:
            if run is not None:
                yield run
            run = one
    if run is not None:
        yield run

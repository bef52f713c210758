"""From the rows of a range to its spend documents, with the prices that hold on its day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.build import allocated_documents, estimated_documents
from anthropic_metrics.spend.estimate import Prices, estimate
from anthropic_metrics.spend.inputs import Inputs, Row, Shared
from anthropic_metrics.spend.learn import LOOK_BACK, Key, Learned, newest
from anthropic_metrics.spend.plan import Known, Look
from anthropic_metrics.spend.settle import day_start
from anthropic_metrics.spend.table import PriceTable, list_prices


@dataclass(frozen=True)
class _Settled:
    """What a settled day says about prices, and the states of the inputs that it was read from."""

    states: tuple[State | None, ...]
    learned: Mapping[Key, Learned]


class PriceBook:
    """The prices of every day, those of the bill read once for each settled day. A cache."""

    def __init__(self, group_by: tuple[str, ...], configured: PriceTable) -> None:
        self._group_by = group_by
        self._configured = configured
        self._days: dict[date, _Settled] = {}

    def read(self, inputs: Inputs, look: Look, span: Range) -> None:
        """Read the settled days of the look whose usage or bill is new; forget what is no longer settled.

        `look` reaches `LOOK_BACK` before `span`, so that each day of it has all that it can learn from.
        """
        for day in look.settled:
            states = look.states(day)
            before = self._days.get(day)
            if before is None or before.states != states:
                start = day_start(day)
                prices = inputs.day_prices(day, Range(start, start + timedelta(days=1)))
                self._days[day] = _Settled(states, prices.learned())
        looked = Range(span.start - LOOK_BACK, span.end)
        for day in [day for day in self._days if looked.start <= day_start(day) < looked.end]:
            if day not in look.settled:
                del self._days[day]

    def known(self, before: date) -> Known:
        """Of each cell the price on the newest settled day before `before`."""
        return newest(((day, found.learned) for day, found in self._days.items()), before)

    def prices(self, day: date, known: Known) -> Prices:
        """The prices for `day`, with `known` as those of the bill."""
        return Prices(day, self._group_by, known, self._configured, list_prices())


@dataclass(frozen=True)
class SettledDay:
    """A settled UTC day: its bill shared out, and what its documents show beside the figures."""

    allocation: Allocation
    rows: Mapping[str, Row]
    workspaces: Mapping[str, Shared]

    @classmethod
    def read(cls, inputs: Inputs, day: date, span: Range) -> SettledDay:
        """From the streams; `span` is the day."""
        rows = _by_id(inputs, span)
        billed = list(inputs.bill(span))
        workspaces = {line.workspace_id: shared for line, shared in billed}
        allocation = allocate((line for line, _ in billed), (row.used for row in rows.values()), day)
        return cls(allocation, rows, workspaces)

    def shared(self, workspace: str | None) -> Shared:
        """The shared fields of a workspace of the day, from its bill or else its usage."""
        if workspace is not None and workspace in self.workspaces:
            return self.workspaces[workspace]
        rows = self.rows.values()
        return next((row.shared for row in rows if row.used.dimensions.get("workspace_id") == workspace), {})

    def documents(self, prices: Prices, frame: Frame) -> Iterator[Prepared]:
        """One per row of usage, and one per part of the bill that none can carry."""
        return allocated_documents(self.allocation, self.rows, self.workspaces, prices, frame)


def estimates(inputs: Inputs, span: Range, prices: Prices, frame: Frame) -> Iterator[Prepared]:
    """One document per row of usage of a range whose day is not settled."""
    rows = _by_id(inputs, span).values()
    return estimated_documents(((row, estimate(row.used, prices)) for row in rows), prices, frame)


def _by_id(inputs: Inputs, span: Range) -> dict[str, Row]:
    """The rows of a range. Around a rollover two backing indices can hold the same row for a moment."""
    return {row.used.id: row for row in inputs.rows(span)}

"""From the rows of a range to its spend documents, with the prices that hold on its day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.analytics import Analytics
from anthropic_metrics.spend.billed import Spelling, bill_hour
from anthropic_metrics.spend.build import allocated_documents, billed_documents, estimated_documents
from anthropic_metrics.spend.estimate import Prices, estimate
from anthropic_metrics.spend.inputs import Inputs, Row, Shared
from anthropic_metrics.spend.learn import LOOK_BACK, Key, Learned, newest
from anthropic_metrics.spend.money import ZERO, Usd, total
from anthropic_metrics.spend.plan import Known, Look
from anthropic_metrics.spend.rows import TOKENS, WEB_SEARCH
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
    bill: Mapping[str | None, Usd]

    @classmethod
    def read(cls, inputs: Inputs, day: date, span: Range) -> SettledDay:
        """From the streams; `span` is the day."""
        rows = _by_id(inputs, span)
        billed = list(inputs.bill(span))
        workspaces = {line.workspace_id: shared for line, shared in billed}
        allocation = allocate((line for line, _ in billed), (row.used for row in rows.values()), day)
        bill: dict[str | None, Usd] = {}
        for line, _ in billed:
            bill[line.workspace_id] = total((bill.get(line.workspace_id, ZERO), line.amount))
        return cls(allocation, rows, workspaces, bill)

    def in_own_spelling(
        self, analytics: Mapping[str | None, Usd], workspaces: Collection[str]
    ) -> Mapping[str | None, Usd]:
        """Amounts by workspace of the analytics reports, by the workspaces of the bill."""
        spelling = Spelling((row.used for row in self.rows.values()), workspaces)
        found: dict[str | None, Usd] = {}
        for workspace, amount in analytics.items():
            name = spelling.workspace(workspace)
            found[name] = total((found.get(name, ZERO), amount))
        return found

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


def reported(
    inputs: Inputs, span: Range, prices: Prices, frame: Frame, analytics: Analytics, tally: Tally
) -> list[Prepared]:
    """The documents of a range that the analytics reports have, from their rows and those of usage."""
    by_hour: dict[datetime, list[Row]] = {}
    for row in _by_id(inputs, span).values():
        by_hour.setdefault(row.used.start, []).append(row)
    documents: list[Prepared] = []
    for hour, costs, uses in analytics.rows(span, tally):
        rows = by_hour.get(hour, [])
        used = [row.used for row in rows]
        billed = bill_hour(used, costs, uses, analytics.group_by, frame.names.workspaces)
        tally.unmatched += sum(line.cost_type in (TOKENS, WEB_SEARCH) for line in billed.unmatched)
        documents += billed_documents(hour, billed, rows, prices, frame)
    return documents


def _by_id(inputs: Inputs, span: Range) -> dict[str, Row]:
    """The rows of a range. Around a rollover two backing indices can hold the same row for a moment."""
    return {row.used.id: row for row in inputs.rows(span)}

"""From the rows of a run to its spend documents, with the prices that hold on each of its days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.errors import BrokenContract
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Documents
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.analytics import Analytics
from anthropic_metrics.spend.billed import (
    Spelling,
    bill_hour,
    other_ids,
    people_of_items,
    people_of_rows,
)
from anthropic_metrics.spend.book import PriceBook
from anthropic_metrics.spend.build import allocated_documents, billed_documents, estimated_documents
from anthropic_metrics.spend.estimate import Prices, estimate
from anthropic_metrics.spend.inputs import Inputs, Row, Shared
from anthropic_metrics.spend.money import ZERO, Usd, total
from anthropic_metrics.spend.plan import Known, Part, Run, SpendSources, days_of, parts_of, runs
from anthropic_metrics.spend.rows import TOKENS, WEB_SEARCH, Billed
from anthropic_metrics.spend.settle import day_of, day_start

Line = tuple[Billed, Shared]
OTHER_IDS = (
    "they name people by other ids than usage does. Take account_id and service_account_id out of "
    "usage.group_by, or set spend.source to allocation."
)


@dataclass(frozen=True)
class SettledDay:
    """A settled UTC day: its bill shared out, and what its documents show beside the figures."""

    allocation: Allocation
    rows: Mapping[str, Row]
    workspaces: Mapping[str, Shared]
    bill: Mapping[str | None, Usd]

    @classmethod
    def of(cls, day: date, rows: Mapping[str, Row], lines: Sequence[Line]) -> SettledDay:
        """From all rows of its usage by id, and all lines of its bill."""
        workspaces = {line.workspace_id: shared for line, shared in lines}
        allocation = allocate((line for line, _ in lines), (row.used for row in rows.values()), day)
        bill: dict[str | None, Usd] = {}
        for line, _ in lines:
            bill[line.workspace_id] = total((bill.get(line.workspace_id, ZERO), line.amount))
        return cls(allocation, rows, workspaces, bill)

    def in_own_spelling(
        self, analytics: Mapping[str | None, Usd], workspaces: Collection[str]
    ) -> Mapping[str | None, Usd]:
        """Amounts by workspace of the analytics reports, by the workspaces of the bill."""
        spelling = Spelling((row.used for row in self.rows.values()), workspaces)
        amounts: dict[str | None, Usd] = {}
        for workspace, amount in analytics.items():
            name = spelling.workspace(workspace)
            amounts[name] = total((amounts.get(name, ZERO), amount))
        return amounts

    def shared(self, workspace: str | None) -> Shared:
        """The shared fields of a workspace of the day, from its bill or else its usage."""
        if workspace is not None and workspace in self.workspaces:
            return self.workspaces[workspace]
        rows = self.rows.values()
        return next((row.shared for row in rows if row.used.dimensions.get("workspace_id") == workspace), {})

    def documents(self, prices: Prices, frame: Frame) -> Iterator[Prepared]:
        """One per row of usage, and one per part of the bill that none can carry."""
        return allocated_documents(self.allocation, self.rows, self.workspaces, prices, frame)


@dataclass(frozen=True)
class Computation:
    """Everything that documents are computed from at one moment; reads, and writes nothing."""

    inputs: Inputs
    sources: SpendSources
    book: PriceBook
    names: Names
    now: datetime
    namespace: str
    tally: Tally
    analytics: Analytics | None = None
    _known: dict[date, Known] = field(default_factory=dict)

    def parts(self, time_range: Range) -> Iterator[tuple[date, list[Part]]]:
        """Each day of `time_range` that holds anything with its parts, the newest first."""
        for day in days_of(self.sources, time_range):
            yield day, parts_of(day, self.sources, self.known(day))

    def known(self, day: date) -> Known:
        """The prices that the bill taught for `day`: its own where it is settled."""
        if day not in self._known:
            self._known[day] = self.book.known(day + DAY if day in self.sources.settled else day)
        return self._known[day]

    def prices(self, day: date) -> Prices:
        return self.book.prices(day, self.known(day))

    def frame(self, day: date) -> Frame:
        bucket = Range(day_start(day), day_start(day) + DAY)
        return Frame(SPEND, self.namespace, bucket, self.names, self.now)

    def run(self, run: Run) -> tuple[Iterable[Prepared], list[SettledDay]]:
        """The documents of a run, and the settled days among it.

        Raises what reading the analytics reports raises, one of `UNREADABLE`, where its figures are theirs.
        """
        rows = self._rows(run.time_range)
        if run.is_billed:
            return self._reported(run.time_range, rows), []
        settled = self.settled_days(run.settled, run.time_range, rows)
        return self._documents(rows, {day.allocation.day: day for day in settled}), settled

    def settled_days(
        self, days: Collection[date], time_range: Range, rows: Mapping[date, Mapping[str, Row]] | None = None
    ) -> list[SettledDay]:
        """These days with their bills shared out; all of them lie in `time_range`, `rows` being its rows."""
        if not days:
            return []
        rows = self._rows(time_range) if rows is None else rows
        lines: dict[date, list[Line]] = {day: [] for day in days}
        for line, shared in self.inputs.bill(time_range):
            if line.day in lines:
                lines[line.day].append((line, shared))
        return [SettledDay.of(day, rows.get(day, {}), of_day) for day, of_day in lines.items()]

    def everything(self, time_range: Range) -> Iterator[Documents]:
        """The documents of all of `time_range`, run by run. Raises what `run` raises."""
        parts = [part for _, parts in self.parts(time_range) for part in parts]
        for run in runs(parts, {part.time_range for part in parts if part.kind != "untouched"}):
            documents, _ = self.run(run)
            yield run.time_range, list(documents)

    def _documents(
        self, rows: Mapping[date, Mapping[str, Row]], settled: Mapping[date, SettledDay]
    ) -> Iterator[Prepared]:
        for day in sorted({*rows, *settled}):
            prices, frame = self.prices(day), self.frame(day)
            if day in settled:
                yield from settled[day].documents(prices, frame)
            else:
                estimates = ((row, estimate(row.used, prices)) for row in rows[day].values())
                yield from estimated_documents(estimates, prices, frame)

    def _reported(self, time_range: Range, rows: Mapping[date, Mapping[str, Row]]) -> list[Prepared]:
        """From the rows of the analytics reports, and those of usage."""
        assert self.analytics is not None, "only where they were looked at is anything billed by them"
        by_hour: dict[datetime, list[Row]] = {}
        for row in (row for of_day in rows.values() for row in of_day.values()):
            by_hour.setdefault(row.used.start, []).append(row)
        documents: list[Prepared] = []
        people: set[str] = set()
        for hour, costs, uses in self.analytics.rows(time_range, self.tally):
            people |= people_of_items(costs)
            of_hour, day = by_hour.get(hour, []), day_of(hour)
            used = [row.used for row in of_hour]
            billed = bill_hour(used, costs, uses, self.analytics.group_by, self.names.workspaces)
            self.tally.unmatched += sum(line.cost_type in (TOKENS, WEB_SEARCH) for line in billed.unmatched)
            documents += billed_documents(hour, billed, of_hour, self.prices(day), self.frame(day))
        if other_ids(people_of_rows(row.used for of_day in rows.values() for row in of_day.values()), people):
            raise BrokenContract(OTHER_IDS)
        return documents

    def _rows(self, time_range: Range) -> dict[date, dict[str, Row]]:
        """The rows of a range by day and id: around a rollover two backing indices can hold the same one."""
        by_day: dict[date, dict[str, Row]] = {}
        for row in self.inputs.rows(time_range):
            by_day.setdefault(day_of(row.used.start), {})[row.used.id] = row
        return by_day

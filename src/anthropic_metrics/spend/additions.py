"""Whether the spend stream adds up to what was billed: per settled UTC day and workspace, digit for digit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.compute import Computation
from anthropic_metrics.spend.money import ZERO, Usd, total, usd, usd_from_cents
from anthropic_metrics.spend.plan import hours_of
from anthropic_metrics.spend.settle import day_of, day_start

_SPEND = "anthropic.spend"
_FIELDS = ("@timestamp", *(f"{_SPEND}.{name}" for name in ("amount_exact", "basis", "workspace_id")))
# A day, and its workspace: None where the sums of the day cannot be told apart by it.
_Place = tuple[date, str | None]


@dataclass(frozen=True, slots=True)
class Addition:
    """What the documents of one settled day and workspace add up to, beside what was billed for it.

    `workspace` is None where usage is not grouped by it, and where `report`, the cost analytics report, has
    the day's figures, which names workspaces in its own spelling.
    """

    day: date
    workspace: str | None
    spent: Usd
    billed: Usd
    report: bool

    @property
    def equal(self) -> bool:
        return self.spent == self.billed


def additions(computation: Computation, stream: str, time_range: Range) -> Iterator[Addition]:
    """One for each settled day of `time_range` and workspace that the stream or the bill has, in order."""
    days = [
        day
        for day in sorted(computation.sources.settled)
        if time_range.start <= day_start(day) < time_range.end
    ]
    days = [day for day in days if day not in computation.sources.untouched]
    reported = {day for day in days if computation.sources.is_billed(day)}
    grouped = "workspace_id" in computation.inputs.group_by
    spent = _spent(computation, stream, time_range, days, reported, grouped=grouped)
    wanted = _billed(computation, time_range, days, reported, grouped=grouped)
    for day, workspace in sorted(spent.keys() | wanted.keys(), key=str):
        place = day, workspace
        yield Addition(day, workspace, spent.get(place, ZERO), wanted.get(place, ZERO), day in reported)


def _spent(
    computation: Computation,
    stream: str,
    time_range: Range,
    days: list[date],
    reported: set[date],
    *,
    grouped: bool,
) -> Mapping[_Place, Usd]:
    sums: dict[_Place, Usd] = {}
    inputs, chosen = computation.inputs, set(days)
    for _, source in inputs.ask.documents(
        stream, inputs.organization_id, time_range, _FIELDS, terms=inputs.terms
    ):
        spend, day = source["anthropic"]["spend"], day_of(datetime.fromisoformat(source["@timestamp"]))
        # What the report does not have yet is an estimate beside it.
        if day not in chosen or (day in reported and spend["basis"] != "billed"):
            continue
        by_workspace = grouped and day not in reported
        _add(sums, (day, spend.get("workspace_id") if by_workspace else None), spend.get("amount_exact"))
    return sums


def _billed(
    computation: Computation, time_range: Range, days: list[date], reported: set[date], *, grouped: bool
) -> Mapping[_Place, Usd]:
    sums: dict[_Place, Usd] = {}
    chosen = set(days) - reported
    for line, _ in computation.inputs.bill(time_range):
        if line.day in chosen:
            place = line.day, line.workspace_id if grouped else None
            sums[place] = total((sums.get(place, ZERO), line.amount))
    for day in reported:
        hours = (computation.sources.billed.get(hour) for hour in hours_of(day))
        sums[day, None] = total(usd_from_cents(Decimal(hour[0])) for hour in hours if hour is not None)
    return sums


def _add(sums: dict[_Place, Usd], place: _Place, amount: str | None) -> None:
    sums[place] = total((sums.get(place, ZERO), usd(amount) if amount is not None else ZERO))

"""A report as tables, the same for each format: columns with kinds, rows of values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from anthropic_metrics.budgets.state import when_none
from anthropic_metrics.finance.grouping import Group, subtotals
from anthropic_metrics.finance.report import BudgetLine, Kind, Report, Section
from anthropic_metrics.finance.shown import Reasoned, plain
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.spend.money import CENT

ColumnKind = Literal["text", "usd", "cents", "share", "integer", "date", "time"]
Level = Literal["group", "subtotal", "total", "budget", "forecast"]
TOTAL = "Total"
UNKNOWN = Absent("-")
TEAM_FIELDS = ("cost_centre", "owner", "environment", "project")


@dataclass(frozen=True, slots=True)
class Column:
    """`name` heads it in CSV and JSON, `title` for people. Kinds: exact dollars, whole cents, a share of 1,
    UTC times."""

    name: str
    kind: ColumnKind = "text"

    @property
    def title(self) -> str:
        return _TITLES.get(self.name, self.name.replace("_", " ").capitalize())


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `share` is what its bar shows, None where it has none. A cell is a value, None or
    `Absent`."""

    cells: tuple[Any, ...]
    level: Level = "group"
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. `ways` are the names of its first columns where it is a grouping, `basis` a sentence about
    what its changes compare with."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    ways: tuple[str, ...] = ()
    empty: str = ""
    basis: str = ""


_TITLES = {
    "usd": "US dollars",
    "posted_usd": "To post",
    "before_usd": "Before",
    "change_usd": "Change",
    "unsettled_usd": "Not settled",
    "budget_usd": "Limit",
    "spent_usd": "Spent",
    "left_usd": "Left",
    "so_far_usd": "So far",
    "budget_tokens": "Limit",
    "used_tokens": "Used",
    "left_tokens": "Left",
    "share": "Share",
    **{f"forecast_{unit}": "Forecast" for unit in ("usd", "tokens")},
    **{f"forecast_low_{unit}": "80 % from" for unit in ("usd", "tokens")},
    **{f"forecast_high_{unit}": "80 % to" for unit in ("usd", "tokens")},
    "old_usd": "Old",
    "new_usd": "New",
}


def sheets(report: Report) -> Iterator[Sheet]:
    """Every table of a report: its groupings first, but budgets before them where it is about quotas."""
    yield from forecast_sheet(report)
    budgets = list(budget_sheets(report))
    if report.kind is Kind.quota:
        yield from budgets
    for section in report.sections:
        yield grouping(report, section)
    if report.kind is not Kind.quota:
        yield from budgets
    yield _movers(report)
    if report.corrections is not None:
        yield _corrections(report)
    yield _days(report)


def grouping(report: Report, section: Section) -> Sheet:
    """The table of one grouping, with subtotals of its outer groups and the total."""
    ways = section.by.ways
    fields = _team_fields(report, section)
    has_tokens = report.kind is Kind.quota
    columns = (
        *(Column(way.replace(":", "_")) for way in ways),
        *(Column(name) for name in fields),
        Column("usd", "usd"),
        *((Column("posted_usd", "cents"),) if report.kind is Kind.chargeback else ()),
        Column("share", "share"),
        *((Column("tokens", "integer"),) if has_tokens else ()),
        Column("before_usd", "usd"),
        Column("change_usd", "usd"),
        *(() if report.is_settled else (Column("unsettled_usd", "usd"),)),
    )
    posted = dict(zip(section.groups, section.posted, strict=True))
    total = section.total

    def row(group: Group, level: Level) -> Row:
        inner = [member for member in section.groups if _within(member, group, level)]
        share = float(group.amount / total.amount) if total.amount else None
        labels = [*group.labels, *([TOTAL] if level != "group" else [])]
        cells: list[Any] = [*labels, *[None] * (len(ways) - len(labels))]
        own = (report.team_fields or {}).get(group.labels[0], {}) if group.labels else {}
        cells += [own.get(name) for name in fields]
        cells.append(plain(group.amount))
        if report.kind is Kind.chargeback:
            cells.append(sum(posted[member] for member in inner))
        cells.append(share)
        if has_tokens:
            cells.append(None if "line" in ways else group.tokens)
        no_like = "day" in ways
        cells += [None, None] if no_like else [plain(group.before), plain(group.change)]
        if not report.is_settled:
            cells.append(plain(group.open_amount))
        return Row(tuple(cells), level, share if level == "group" else None)

    return Sheet(
        f"By {section.by.label}",
        columns,
        tuple(row(group, level) for group, level in _levels(section, total)),
        ways,
        basis="" if "day" in ways else _basis(report),
    )


def _basis(report: Report) -> str:
    """What the columns Before and Change compare with, where it is not the whole period before."""
    return "" if report.like == report.period.before else f"Before and Change: {report.before_label}."


def _levels(section: Section, total: Group) -> Iterator[tuple[Group, Level]]:
    if len(section.by.ways) == 1:
        yield from ((group, "group") for group in section.groups)
    else:
        for subtotal in subtotals(section.groups):
            members = [group for group in section.groups if group.labels[0] == subtotal.labels[0]]
            yield from ((group, "group") for group in members)
            if len(members) > 1:
                yield subtotal, "subtotal"
    yield total, "total"


def _within(member: Group, group: Group, level: Level) -> bool:
    return member is group if level == "group" else member.labels[: len(group.labels)] == group.labels


def _team_fields(report: Report, section: Section) -> Sequence[str]:
    """Of the fields of teams those that any has, where the outer groups are teams."""
    if section.by.ways[0] != "team" or report.kind is not Kind.chargeback:
        return ()
    fields = report.team_fields or {}
    return [name for name in TEAM_FIELDS if any(name in own for own in fields.values())]


def forecast_sheet(report: Report) -> Iterator[Sheet]:
    """One row: what the month that is not over is expected to cost."""
    if report.forecast is not None:
        columns = (
            Column("so_far_usd", "usd"),
            *_forecast_columns("usd"),
            Column("days_of_history", "integer"),
        )
        seen = report.forecast
        cells = (plain(report.total.amount), *_dollars(seen), seen.days)
        yield Sheet("Forecast", columns, (Row(cells, "forecast"),))


def budget_sheets(report: Report) -> Iterator[Sheet]:
    """The budgets in dollars and those in tokens, each a table."""
    in_dollars = [line for line in report.budgets if line.allowed is not None]
    in_tokens = [line for line in report.budgets if line.allowed is None]
    if in_dollars:
        yield _budgets(report, "Budgets", "usd", in_dollars)
    if in_tokens:
        yield _budgets(report, "Token budgets", "tokens", in_tokens)


def _budgets(
    report: Report, title: str, unit: Literal["usd", "tokens"], budgets: Sequence[BudgetLine]
) -> Sheet:
    kind: ColumnKind = "usd" if unit == "usd" else "integer"
    is_open = report.forecast is not None
    columns = (
        Column("budget"),
        Column("state"),
        *(
            Column(f"{name}_{unit}", kind)
            for name in ("budget", "spent" if unit == "usd" else "used", "left")
        ),
        Column("share", "share"),
        *((*_forecast_columns(unit), Column("runs_out", "date")) if is_open else ()),
    )

    def row(line: BudgetLine) -> Row:
        figures: tuple[Any, ...] = (line.allowed_tokens, line.used_tokens, line.left_tokens)
        if unit == "usd":
            figures = tuple(None if x is None else plain(x) for x in (line.allowed, line.spent, line.left))
        seen: tuple[Any, ...] = ()
        if is_open:
            runs_out = line.runs_out or Absent(_never(line))
            seen = (*(_dollars if unit == "usd" else _tokens)(line.forecast), runs_out)
        state = Reasoned.of(line.state, line.reason)
        known = [UNKNOWN if figure is None else figure for figure in (*figures, line.share)]
        return Row((line.name, state, *known, *seen), "budget", line.share)

    return Sheet(title, columns, tuple(map(row, budgets)))


def _never(line: BudgetLine) -> str:
    """In the place of the day on which a budget of the month runs out."""
    known = line.forecast is not None or line.state == "exceeded"
    return when_none(line.state, "monthly") if known else "no forecast"


def _forecast_columns(unit: Literal["usd", "tokens"]) -> Iterator[Column]:
    for name in ("forecast", "forecast_low", "forecast_high"):
        yield Column(f"{name}_{unit}", "usd" if unit == "usd" else "integer")


def _dollars(seen: Forecast | None) -> tuple[Decimal | None, ...]:
    """Whole cents: a forecast has no further digits."""
    if seen is None:
        return (None, None, None)
    return tuple(Decimal(amount).quantize(CENT) for amount in (seen.expected, seen.low, seen.high))


def _tokens(seen: Forecast | None) -> tuple[int | None, ...]:
    if seen is None:
        return (None, None, None)
    return tuple(round(amount) for amount in (seen.expected, seen.low, seen.high))


def _movers(report: Report) -> Sheet:
    columns = (
        Column("workspace"),
        Column("model"),
        Column("usd", "usd"),
        Column("before_usd", "usd"),
        Column("change_usd", "usd"),
    )
    rows = (
        Row((*mover.labels, plain(mover.amount), plain(mover.before), plain(mover.change)))
        for mover in report.movers
    )
    empty = "Nothing changed against the period before."
    return Sheet("Movers", columns, tuple(rows), empty=empty, basis=_basis(report))


def _corrections(report: Report) -> Sheet:
    columns = (
        Column("noticed", "time"),
        Column("day", "date"),
        Column("what"),
        Column("old_usd", "usd"),
        Column("new_usd", "usd"),
    )
    rows = (
        Row(
            (
                correction.noticed,
                correction.day,
                correction.what,
                correction.old and plain(correction.old),
                correction.new and plain(correction.new),
            )
        )
        for correction in report.corrections or ()
    )
    empty = "No earlier report of this month." if report.last is None else "None since the last report."
    return Sheet("Corrections", columns, tuple(rows), empty=empty)


def _days(report: Report) -> Sheet:
    columns = (Column("day", "date"), Column("usd", "usd"), Column("settled"))
    rows = (
        Row((day, plain(amount), "no" if day in report.open_days else "yes")) for day, amount in report.days
    )
    return Sheet("Days", columns, tuple(rows))

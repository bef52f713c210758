"""`costs`: what a month cost, by whatever finance asks for, straight from the Admin API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.ledgers import (
    TEAM_HELP,
    Books,
    books,
    comparison_notes,
    label_notes,
    of_team,
    remarks,
    settled_note,
    team_notes,
    unread,
)
from anthropic_metrics.cli.organizations import OrganizationOption, of_each, one_of
from anthropic_metrics.cli.render import Answer, Column, Layout, Table, answers
from anthropic_metrics.config import Config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.charges import amount_of, within
from anthropic_metrics.finance.grouping import WAYS, By, Group, group, parse_by, subtotals, summed
from anthropic_metrics.finance.invoice import explain, invoice_amount, verdict
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.period import Period, between, month
from anthropic_metrics.finance.shown import footnotes, percent, plain
from anthropic_metrics.spend.money import Usd, dollars

TOTAL = "Total"
LAST_MONTH = "last-month"


def _layout(name: str, ways: Sequence[str], *, compared: bool) -> Layout:
    money = Column("usd", "decimal", title="US dollars", show=dollars)
    compare = (
        Column("before_usd", "decimal", title="before", show=dollars),
        Column("change_usd", "decimal", title="change", show=dollars),
    )
    return Layout(
        name,
        *(Column(way.replace(":", "_"), title=way, missing="") for way in ways),
        money,
        Column("share", "share", show=percent),
        *(compare if compared else ()),
        Column("unsettled_usd", "decimal", table=False),
        Column("level", table=False),
    )


def _published() -> Layout:
    """What every table of costs has, and what it may lack: `--by` and `--compare` choose."""
    optional = {*WAYS, "before_usd", "change_usd"}
    columns = _layout("costs", WAYS, compared=True).columns
    return Layout(
        "costs",
        *(replace(column, always=column.name not in optional) for column in columns),
        further="^costs_by_",
    )


COSTS = _published()
INVOICE = Layout(
    "invoice",
    Column("item"),
    Column("usd", "decimal", title="US dollars", show=dollars),
    Column("fits", "boolean", show=lambda fits: "yes" if fits else "no", missing=""),
    Column("note"),
)


def register(app: typer.Typer) -> None:
    app.command()(costs)


@answers(COSTS, INVOICE)
def costs(
    month: Annotated[
        str | None,
        typer.Option(help="The month: 2026-10, last-month (the default) or this-month.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Instead of --month: the first day, a length back or a word.", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="With --since: the end, exclusive (default: end of today).", show_default=False),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="team, workspace, key, person, model, line, day or tag:NAME (default: workspace; with "
            "--invoice, line). Commas nest groupings; repeat the option for another table.",
            show_default=False,
        ),
    ] = None,
    team: Annotated[str | None, typer.Option(help=TEAM_HELP, show_default=False)] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also show the month before.")] = False,
    invoice: Annotated[
        str | None,
        typer.Option(
            help="The amount of an invoice, to explain how it differs from the bill.", show_default=False
        ),
    ] = None,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
) -> Answer:
    """Show what a month cost, from the Admin API's bill. Every grouping has the same exact total.

    No cluster is needed. Keys get their share of the bill as in the spend stream."""
    now = utc_now()
    period = _period(month, since, until)
    invoiced = None if invoice is None else invoice_amount(invoice)
    if invoiced is not None and team is not None:
        raise ConfigError("--invoice and --team exclude each other: an invoice covers the whole organization")
    question = _Question(period, by or ["workspace" if invoiced is None else "line"], team, compare, invoiced)
    settings = load(config)
    if invoiced is not None:
        settings, organization = one_of(settings, organization, "an invoice"), None
    return of_each(settings, organization, lambda own: _of_organization(own, question, now))


@dataclass(frozen=True)
class _Question:
    """The costs to show: of which period, by what, of one team or of all, and beside what."""

    period: Period
    by: Sequence[str]
    team: str | None
    compare: bool
    invoiced: Usd | None


def _of_organization(config: Config, question: _Question, now: datetime) -> Answer:
    """One organization's costs."""
    with books(config, now) as accounts:
        accounts.check_team(question.team)
        bys = parse_by(question.by, accounts.names)
        with_usage = question.invoiced is not None or accounts.needs_keys(bys, question.team)
        people = any(grouping.needs_people for grouping in bys)
        ledger = accounts.wanted(question.period, with_usage=with_usage, with_people=people)
        before = None
        if question.compare:
            before = accounts.ledger(question.period.before, with_usage=with_usage, with_people=people)
        return _answer(accounts, ledger, before, bys, question)


def _period(wanted: str | None, since: str | None, until: str | None) -> Period:
    now = utc_now()
    if wanted is not None and (since is not None or until is not None):
        raise ConfigError("--month and --since or --until exclude each other")
    if since is None and until is not None:
        raise ConfigError("--until: needs --since, the first day")
    if since is None:
        return month(wanted or LAST_MONTH, now)
    return between(moment(since, "--since", now), moment(until, "--until", now) if until else now, now)


def _answer(
    accounts: Books, ledger: Ledger, before: Ledger | None, bys: Sequence[By], question: _Question
) -> Answer:
    team, invoiced = question.team, question.invoiced
    tables = [_table(accounts, ledger, before, by, team, name="costs" if len(bys) == 1 else "") for by in bys]
    steps = [] if invoiced is None else explain(invoiced, ledger, accounts.labels)
    if steps:
        rows = [(step.item, step.amount and plain(step.amount), step.fits, step.note) for step in steps]
        title = f"The invoice against the bill of {ledger.period.label}"
        tables.insert(0, INVOICE.table(rows, title=title))
    ledgers = [one for one in (ledger, before) if one is not None]
    problems = unread(ledgers)
    notes = [
        settled_note(ledger, accounts.config.spend.settle_after),
        *comparison_notes(ledger, before, accounts.now),
        *remarks(accounts, ledgers, team),
        *team_notes(accounts, ledger, bys, team),
        *label_notes(accounts, ledgers, bys, team),
        *([verdict(steps)] if steps else ()),
    ]
    return Answer(
        *tables,
        notes=notes,
        problems=problems,
        footnotes=footnotes(row for table in tables for row in table.rows),
        code=1 if problems else 0,
    )


def _table(
    accounts: Books, ledger: Ledger, before: Ledger | None, by: By, team: str | None, name: str
) -> Table:
    labels, is_read = accounts.labels, ledger.shares is not None and "line" not in by.ways
    by_key = is_read or accounts.needs_keys([by], team)
    shared = {"by_key": by_key, "by_person": by.needs_people}
    charges = of_team(ledger.charges(**shared), team, labels)
    like = ledger.like_days(accounts.now)
    earlier = of_team(within(before.charges(**shared), like), team, labels) if before else ()
    teams = [name for name in accounts.names.teams.names if team in (None, name)]
    groups = group(charges, by, labels, open_days=ledger.open_days, before=earlier, teams=teams)
    name = name or "costs_by_" + "_".join(by.ways).replace(":", "_")
    layout = _layout(name, by.ways, compared=before is not None)
    total_line = summed(groups)
    total_line = Group(
        (TOTAL,), total_line.amount, total_line.open_amount, amount_of(earlier), total_line.tokens
    )
    rows = [_row(line, by, total_line, before) for line in _with_subtotals(groups, by)]
    title = f"{ledger.period.label} by {by.label}" + (f", team {team}" if team else "")
    return layout.table([*rows, _row(total_line, by, total_line, before)], title=title)


def _with_subtotals(groups: Sequence[Group], by: By) -> Iterator[Group]:
    """With several ways, each outer group's sum after its groups."""
    if len(by.ways) == 1:
        yield from groups
        return
    for subtotal in subtotals(groups):
        yield from (line for line in groups if line.labels[0] == subtotal.labels[0])
        yield subtotal


def _row(line: Group, by: By, total_line: Group, before: Ledger | None) -> tuple[object, ...]:
    is_sum = len(line.labels) < len(by.ways)
    labels = [*line.labels, *([TOTAL] if is_sum and line is not total_line else [])]
    cells: list[object] = [*labels, *[None] * (len(by.ways) - len(labels)), plain(line.amount)]
    cells.append(float(line.amount / total_line.amount) if total_line.amount else None)
    if before is not None:
        no_like = "day" in by.ways and line is not total_line
        cells += [None, None] if no_like else [plain(line.before), plain(line.change)]
    level = "total" if line is total_line else "subtotal" if is_sum else "group"
    return (*cells, plain(line.open_amount), level)

"""`report`: a month's document for finance, as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.budgets.limits import SpendLimits, budgets_of
from anthropic_metrics.cli.common import ConfigOption, load
from anthropic_metrics.cli.costs import LAST_MONTH
from anthropic_metrics.cli.ledgers import (
    Books,
    books,
    comparison_notes,
    label_notes,
    remarks,
    settled_note,
    team_notes,
    unread,
)
from anthropic_metrics.cli.organizations import OrganizationOption, one_of
from anthropic_metrics.cli.render import SCHEMA_ATTRIBUTE, say
from anthropic_metrics.cli.report_file import FileFormat, FocusVersion, ReportFile, format_of
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.errors import BadRequest, ConfigError, MetricsError
from anthropic_metrics.finance.budgets import budget_lines, need_usage, of_month, unfitting
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.focus import focus_csv
from anthropic_metrics.finance.grouping import By, Labels, group, parse_by, summed
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.outlook import Outlook, days_before, forecast_note
from anthropic_metrics.finance.page import html_page
from anthropic_metrics.finance.period import Period
from anthropic_metrics.finance.period import month as month_from
from anthropic_metrics.finance.report import Kind, Money, Report, daily, movers, sections, team_fields
from anthropic_metrics.finance.report_schema import report_schema
from anthropic_metrics.finance.standing import standing
from anthropic_metrics.finance.text_files import csv_text, json_text
from anthropic_metrics.finance.workbook import workbook
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.spend.money import dollars
from anthropic_metrics.spend.table import configured_prices, list_prices


def register(app: typer.Typer) -> None:
    vars(report)[SCHEMA_ATTRIBUTE] = report_schema()
    app.command()(report)


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    month: Annotated[str, typer.Option(help="2026-10, last-month or this-month.")] = LAST_MONTH,
    kind: Annotated[
        Kind,
        typer.Option(help="showback: who used what; chargeback: postings to cost centres; quota: tokens."),
    ] = Kind.showback,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="As in `costs`; repeat it for another table. By default by team (by workspace if there are "
            "no teams) and by model.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        FileFormat | None,
        typer.Option(
            help="By default the file name's extension (html, xlsx, csv, json).", show_default=False
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    bom: Annotated[
        bool,
        typer.Option(
            "--bom", help="csv and focus: begin with a byte order mark, for older versions of Excel."
        ),
    ] = False,
    focus_version: Annotated[
        FocusVersion, typer.Option(help="The FOCUS version of the file's column names.")
    ] = FocusVersion.v1_2,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a month's report for finance: groupings with subtotals, the month before, movers, budgets.

    It is read from the Admin API. In every format the total is the exact sum of the bill."""
    now = utc_now()
    period = month_from(month, now)
    file = ReportFile(output, format or format_of(output), overwrite, bom, focus_version)
    file.check(by)
    with books(one_of(load(config), organization, "a report"), now) as accounts:
        written = _write(file, accounts, period, kind, by)
    ledger = written.ledgers[0]
    say(f"{output}: {period.label}, ${dollars(ledger.amount)}.")
    say(settled_note(ledger, accounts.config.spend.settle_after))
    if written.report is not None:
        _say_standing(written.report, written.told)
    if problems := [*unread(written.ledgers), *written.lacking]:
        say("\n".join(problems), style="red")
        raise typer.Exit(1)


class _Written(NamedTuple):
    """What a file was made of and what it shows: the month's own ledger first.

    `told` is what it says of budgets, `lacking` what it lacks because a server did not answer.
    """

    ledgers: list[Ledger]
    report: Report | None = None
    told: Sequence[str] = ()
    lacking: Sequence[str] = ()


def _write(
    file: ReportFile, accounts: Books, period: Period, kind: Kind, by: Sequence[str] | None
) -> _Written:
    """Make the file."""
    bys = parse_by(by or _usual(accounts), accounts.names)
    with_usage = kind is Kind.quota or file.format is FileFormat.focus or accounts.needs_keys(bys, None)
    with_usage |= need_usage(of_month(accounts.config.budgets), accounts.names)
    people = any(grouping.needs_people for grouping in bys)
    ledger = accounts.wanted(period, with_usage=with_usage, with_people=people)
    if file.format is FileFormat.focus:
        file.save(_focus(file, accounts, ledger))
        return _Written([ledger])
    before = accounts.ledger(period.before, with_usage=with_usage, with_people=people)
    money = Money(ledger, before, ledger.like_days(accounts.now))
    limits = SpendLimits(accounts.client)
    budgets, told = _budgets(accounts, limits)
    made = _report(accounts, money, kind, bys, budgets, [*told, *filter(None, [limits.trouble])])
    unknown = _with_memory(
        accounts.config, made, lambda report: file.save(_WRITE[file.format](report, file.bom))
    )
    return _Written(money.ledgers, made, told, [*filter(None, [limits.trouble, unknown])])


def _say_standing(made: Report, told: Iterable[str]) -> None:
    """The forecast and the budgets of the report, exceeded ones in red; and what is `told` of budgets."""
    states = {line.state for line in made.budgets}
    if said := standing(made):
        say(said, style="red" if states & {"exceeded", "unknown"} else "yellow" * ("warning" in states))
    problems = {line.problem for line in made.budgets}
    for sentence in told:
        say(sentence, style="red" if sentence in problems else "")


def _focus(file: ReportFile, accounts: Books, ledger: Ledger) -> bytes:
    if not ledger.lines:
        raise ConfigError(f"There is no bill for {ledger.period.label} yet, and a FOCUS file needs rows")
    prices = configured_prices(accounts.config.prices)
    return focus_csv(
        ledger,
        accounts.names,
        list_prices(),
        configured=prices,
        version=file.focus_version,
        bom=file.bom,
    ).encode()


def _with_memory(config: Config, made: Report, write: Callable[[Report], None]) -> str:
    """Write the report; where a cluster remembers reports, with what changed since the last one, or a
    sentence that says why it lacks that."""
    if not config.elasticsearch.hosts:
        write(made)
        return ""
    from anthropic_metrics.elastic.connect import connect
    from anthropic_metrics.elastic.report_memory import ReportMemory

    with connect(config.elasticsearch) as es:
        memory = ReportMemory(es, config.namespace)
        try:
            last = memory.last(made)
            since = () if last is None else memory.corrections(made, last.made_at)
        except ConfigError:
            raise
        except MetricsError as error:
            note = f"Corrections are not known: {error}"
            write(replace(made, notes=(*made.notes, note)))
            return note
        write(replace(made, last=last, corrections=since))
        memory.remember(made)
        return ""


def _html(made: Report, bom: bool) -> bytes:
    return html_page(made).encode()


def _xlsx(made: Report, bom: bool) -> bytes:
    return workbook(made)


def _csv(made: Report, bom: bool) -> bytes:
    return csv_text(made, bom=bom).encode()


def _json(made: Report, bom: bool) -> bytes:
    return json_text(made).encode()


_WRITE: dict[FileFormat, Callable[[Report, bool], bytes]] = {
    FileFormat.html: _html,
    FileFormat.xlsx: _xlsx,
    FileFormat.csv: _csv,
    FileFormat.json: _json,
}


def _usual(accounts: Books) -> list[str]:
    return ["team" if accounts.names.teams else "workspace", "model"]


def _report(
    accounts: Books,
    money: Money,
    kind: Kind,
    bys: Sequence[By],
    budgets: Sequence[BudgetSettings],
    told: Iterable[str],
) -> Report:
    ledger, names = money.ledger, accounts.names
    charges, before = money.of(by_key=False)
    by_model = group(charges, By(("model",)), Labels(names), open_days=ledger.open_days, before=before)
    outlook = _outlook(accounts, money)
    notes = [
        settled_note(ledger, accounts.config.spend.settle_after),
        *remarks(accounts, [ledger]),
        *team_notes(accounts, ledger, bys),
    ]
    tables = [*bys, By(("model",))]  # the movers are by model, too
    notes += [*label_notes(accounts, money.ledgers, tables), *unread(money.ledgers), *told]
    notes += comparison_notes(ledger, money.before, accounts.now)
    forecast = None if outlook is None else outlook.of_all(charges)
    if forecast is not None:
        notes.append(forecast_note(forecast, ledger.period, accounts.now))
    return Report(
        kind=kind,
        period=ledger.period,
        organization=names.organization_name or names.organization_id,
        organization_id=names.organization_id,
        made_at=accounts.now,
        total=replace(summed(by_model), labels=()),
        open_days=ledger.open_days,
        days=daily(ledger, accounts.now),
        sections=sections(money, bys, names),
        movers=movers(money, names),
        budgets=tuple(budget_lines(budgets, ledger, names, outlook)),
        forecast=forecast,
        notes=tuple(dict.fromkeys(notes)),
        team_fields=team_fields(names),
        compared=money.compared,
        whole_before=money.before.amount,
    )


def _budgets(accounts: Books, limits: SpendLimits) -> tuple[list[BudgetSettings], list[str]]:
    """The monthly budgets, then the Console's monthly spend limits; and what the reader is told of them."""
    own = of_month(accounts.config.budgets)
    caps = of_month(budgets_of(limits.read(accounts.now, Problems()), accounts.names))
    told = list(unfitting(own, accounts.config, accounts.names))
    if others := len(accounts.config.budgets) - len(own):
        told.append(f"Daily and weekly budgets ({others}) are not in a month's report; `budgets` has them.")
    if caps:
        told.append("Budgets that begin with `limit:` are the Console's spend limits of today.")
    if limits.refusal:
        told.append(f"Spend limits of the Console cannot be read: {limits.refusal}")
    return [*own, *caps], told


def _outlook(accounts: Books, money: Money) -> Outlook | None:
    """What a forecast needs, where the month is not over."""
    if money.ledger.period.is_over(accounts.now):
        return None
    older = days_before(money.before.period, accounts.now)
    lines: Sequence[Charge] = ()
    if older is not None:
        # The API may refuse days that are older than the organization.
        with suppress(BadRequest):
            lines = accounts.ledger(older, with_usage=False).charges(by_key=False)
    return Outlook(
        accounts.now,
        accounts.config.spend.settle_after,
        (*lines, *money.before.charges(by_key=False)),
        tuple(money.before.shares or ()),
    )

"""`budgets`: how each budget stands, and what its period will have cost by its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import typer

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import SpendLimit
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.organization import inventory_of
from anthropic_metrics.budgets.count import Counter
from anthropic_metrics.budgets.ledger import collects_spend, counted_every
from anthropic_metrics.budgets.limits import SpendLimits
from anthropic_metrics.budgets.scope import unknown_to_teams
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.checks.admin import IMPATIENT
from anthropic_metrics.checks.streams import age
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.organizations import OrganizationOption, of_each
from anthropic_metrics.cli.render import UNANSWERED, Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.finance.shown import Reasoned, footnotes, plain
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.spend.money import CENT, Usd, dollars

NO_BUDGETS = "No budgets: add a list `budgets` to the configuration, such as [{name: everything, usd: 500}]."
INSTEAD = (
    "Without a cluster, `anthropic-metrics report --month this-month -o month.html` shows the month's "
    "budgets and its forecast from the bill."
)
_COLOURS = {"ok": "green", "warning": "yellow", "exceeded": "red", "incomplete": "yellow", "unknown": "red"}


def _figure(value: Any) -> str:
    """Dollars to a cent; tokens, which are whole, as they are."""
    return dollars(value) if isinstance(value, Decimal) else f"{value:,}"


def _figures(name: str, title: str = "", *, table: bool = True) -> Column:
    return Column(name, "decimal", title=title, show=_figure, table=table)


BUDGETS = Layout(
    "budgets",
    Column("budget"),
    Column("for"),
    Column("unit"),
    Column("period"),
    Column("period_type", table=False),
    Column("period_start", table=False),
    _figures("limit"),
    _figures("spent"),
    _figures("estimated", "of it estimated"),
    Column("used", "share"),
    _figures("left"),
    _figures("burn_per_day", "a day"),
    _figures("forecast"),
    Column("band", title="80 % band", missing="-"),
    _figures("forecast_low", table=False),
    _figures("forecast_high", table=False),
    Column("runs_out", title="runs out"),
    Column("state", show=lambda state: state.shown, styles=_COLOURS, values=tuple(_COLOURS)),
    Column("counted_from", table=False),
    Column("read_only", "boolean", table=False),
    Column("read_to", table=False),
)


def register(app: typer.Typer) -> None:
    app.command()(budgets)


@answers(BUDGETS, verdict=True)
def budgets(
    organization: OrganizationOption = None, config: ConfigOption = None, embedded: EmbeddedOption = False
) -> Answer:
    """Show each budget: spent, left, burn rate, forecast, when it runs out. Exit code 1 if one is exceeded.

    Exit code 3 if none is exceeded, but one cannot be counted, or a server does not answer. Spend limits
    of the Console are shown too, if the key may read them."""
    settings, now = load(config, embedded=embedded), utc_now()
    settings.require_elasticsearch(embeddable=True, instead=INSTEAD)
    settings.require_admin_key()
    with closing(connect(settings.elasticsearch)) as es:
        return of_each(settings, organization, lambda own: _budgets(es, own, now))


def _budgets(es: Client, settings: Config, now: datetime) -> Answer:
    with AdminClient(settings.anthropic, retry=IMPATIENT) as client:
        names = names_of(settings, es, client, now)
        spend_limits = SpendLimits(client)
        limits: Sequence[SpendLimit] = spend_limits.read(now, Problems())
        counter = Counter(settings, ElasticQuestions(es, must_refresh=False), names)
        states = counter.states(now, limits)
    told = [state.problem for state in states if state.problem]
    of_teams = unknown_to_teams(settings, names, {b.team for b in settings.budgets if b.team})
    exceeded = any(state.state == "exceeded" for state in states)
    rows = [_row(state) for state in states]
    return Answer(
        BUDGETS.table(rows, title=f"Budgets at {now:%Y-%m-%d %H:%M} UTC", empty=NO_BUDGETS),
        footnotes=footnotes(rows),
        notes=list(_notes(settings, states, spend_limits.refusal)),
        problems=[*told, *of_teams, *filter(None, [spend_limits.trouble])],
        code=1 if exceeded else UNANSWERED if told or spend_limits.trouble else 0,
    )


def names_of(config: Config, es: Client, client: AdminClient, now: datetime) -> Names:
    """Today's inventory, with what the streams remember of it."""
    memory = StreamMemory.of(es, config.namespace, client.key_digest)
    return inventory_of(config, client, memory=memory).names(now)


def _row(state: BudgetState) -> tuple[object, ...]:
    known = not state.problem

    def shown(amount: Decimal | float | None) -> object:
        if amount is None:
            return None
        if state.unit == "tokens":
            return round(amount)
        return plain(Usd(amount)) if isinstance(amount, Decimal) else Decimal(amount).quantize(CENT)

    seen = state.forecast
    low, high = (shown(seen.low), shown(seen.high)) if seen else (None, None)
    return (
        state.name,
        state.whose,
        "dollars" if state.unit == "usd" else "tokens",
        state.label,
        state.budget.period,
        state.time_range.start.date().isoformat(),
        shown(state.limit),
        shown(state.spent) if known else None,
        shown(state.estimated) if known else None,
        state.used if known else None,
        shown(state.left) if known else None,
        shown(state.burn),
        shown(seen.expected) if seen else None,
        f"{_figure(low)} to {_figure(high)}" if seen else None,
        low,
        high,
        state.runs_out.isoformat() if state.runs_out else Absent(state.runs_out_words),
        Reasoned.of(state.state, state.reason),
        state.counted_from and state.counted_from.isoformat(),
        state.read_only,
        state.read_to and iso(state.read_to),
    )


def _notes(config: Config, states: Sequence[BudgetState], refusal: str) -> Iterator[str]:
    if partly := [state for state in states if not state.problem and not state.is_complete]:
        begins = next((state.counted_from for state in partly if state.counted_from), None)
        if begins is None:
            yield "Nothing is counted yet: the stream has no data of the last month."
        else:
            these = " and ".join(dict.fromkeys(state.label for state in partly))
            yield (
                f"Incomplete: the stream begins on {begins}, so {these} has no earlier days. There is no "
                "forecast until a backfill has read them."
            )
        if any(state.budget.period == "monthly" for state in partly):
            yield (
                "`anthropic-metrics report --month this-month -o month.html` counts the month from the bill "
                "and forecasts it."
            )
    yield from _unread(config, states)
    if any(state.estimated for state in states):
        yield (
            "Estimated: days whose bill is not settled, today's hours included."
            if collects_spend(config)
            else "Estimated: days of the bill that may still be revised; today is not on it."
        )
    if young := [state.name for state in states if state.forecast and state.forecast.is_young]:
        yield f"Less than two weeks of history, so the band is an assumption: {', '.join(young)}."
    if states and refusal:
        yield f"Spend limits of the Console cannot be read: {refusal}"
    if any(state.read_only for state in states):
        yield "Budgets that begin with `limit:` are the Console's: reaching one stops traffic."
    yield from config.hints()


def _unread(config: Config, states: Sequence[BudgetState]) -> Iterator[str]:
    """Where the figures end, if that is longer ago than polls are apart."""
    for at, read_to in {(state.at, state.read_to) for state in states if state.read_to}:
        if at - read_to > counted_every(config):
            what = "Usage" if collects_spend(config) else "The bill"
            yield (
                f"{what} is read up to {read_to:%Y-%m-%d %H:%M} UTC, {age(at - read_to)} ago: figures end "
                "there, and forecasts begin there."
            )

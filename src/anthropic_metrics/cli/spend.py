"""`spend`: what burns now, by key, workspace, model, team or hour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.organizations import OrganizationOption, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import SPEND, stream_name
from anthropic_metrics.kernel.questions import Owner
from anthropic_metrics.kernel.ranges import Range, ceil
from anthropic_metrics.spend.inputs import HOUR
from anthropic_metrics.spend.money import Usd, total
from anthropic_metrics.spend.sums import FIELDS, By, Sum, sums

ROWS = 20
NO_SPEND = "No spend in this range: is usage by the hour (1h) collected, and has the agent run?"


class _Early(Decimal):
    """An amount that is, or has, an estimate."""


def _dollars(amount: Decimal) -> str:
    return f"{'~' if isinstance(amount, _Early) else ''}{amount:,.2f}"


SPENT = Layout(
    "spend",
    Column("name"),
    Column("usd", "decimal", title="dollars", show=_dollars),
    Column("share", "share", title="of all"),
    Column("estimated_usd", "decimal", table=False),
    Column("tokens", "integer"),
    Column("usd_per_million", "decimal", title="$ / 1M tokens", show=lambda price: f"{price:,.2f}"),
    Column("unpriced_tokens", "integer", title="unpriced", show=lambda count: f"{count:,}" if count else "-"),
)


def register(app: typer.Typer) -> None:
    app.command()(spend)


@answers(SPENT)
def spend(
    since: Annotated[str, typer.Option(help="How far back: a length (24h, 7d) or a time.")] = "24h",
    by: Annotated[By, typer.Option(help="What to group by.")] = By.key,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
) -> Answer:
    """What was spent, highest amount first; ~ marks what is estimated until its bill is settled."""
    settings, now = load(config), utc_now()
    settings.require_elasticsearch()
    time_range = Range(_start(since, now), ceil(now, HOUR))
    stream = stream_name(SPEND, settings.namespace)
    with closing(connect(settings.elasticsearch)) as es:
        ask = ElasticQuestions(es, must_refresh=False)
        ask.refresh(stream)

        def spent(owner: Owner, _: Config) -> Answer:
            sources = (source for _, source in ask.documents(stream, owner.id, time_range, FIELDS))
            return _spent(sums(sources, by), by, time_range, now)

        return of_owners(ask, stream, settings, organization, spent)


def _spent(lines: list[Sum], by: By, time_range: Range, now: datetime) -> Answer:
    all_usd = total(line.usd for line in lines)
    title = f"Spend by {by}, {time_range.start:%Y-%m-%d %H:%M} to {time_range.end:%Y-%m-%d %H:%M} UTC"
    rows = [_row(line, all_usd) for line in lines]
    return Answer(
        SPENT.table(rows, title=title, empty=NO_SPEND, most=ROWS),
        notes=[*_notes(lines, all_usd), *_open_hour(time_range, now)] if lines else (),
    )


def _start(text: str, now: datetime) -> datetime:
    """The start of the hour that is so far back: rows are whole hours."""
    start = moment(text, "--since", now)
    if start >= now:
        raise ConfigError(f"--since: {text} is not in the past")
    return ceil(start, HOUR) - HOUR


def _row(line: Sum, all_usd: Usd) -> tuple[object, ...]:
    price = Decimal(line.usd * 1_000_000 / line.tokens).quantize(Decimal("0.0001")) if line.tokens else None
    return (
        line.name,
        _Early(line.usd) if line.early else line.usd,
        float(line.usd / all_usd) if all_usd else None,
        line.early,
        line.tokens,
        price,
        line.unpriced_tokens,
    )


def _open_hour(time_range: Range, now: datetime) -> Iterator[str]:
    if time_range.end > now:
        yield f"The hour from {time_range.end - HOUR:%Y-%m-%d %H:%M} UTC is not complete yet."


def _notes(lines: list[Sum], all_usd: Usd) -> Iterator[str]:
    early = total(line.early for line in lines)
    about = f"Together {'~' if early else ''}{all_usd:,.2f} dollars"
    yield (
        f"{about}, {early:,.2f} of them estimated (~): their days are not settled yet."
        if early
        else f"{about}."
    )
    types = sorted({cost_type for line in lines for cost_type in line.cost_types})
    if types:
        yield f"Unattributed parts of the bill have no key: {', '.join(types)}."
    if any(line.unpriced_tokens for line in lines):
        yield "Unpriced tokens are in no amount: no bill, configuration or list has their price."

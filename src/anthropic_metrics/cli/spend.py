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
    span = Range(_start(since, now), ceil(now, HOUR))
    stream = stream_name(SPEND, settings.namespace)
    with closing(connect(settings.elasticsearch)) as es:
        ask = ElasticQuestions(es, must_refresh=False)
        ask.refresh(stream)

        def spent(owner: Owner, _: Config) -> Answer:
            sources = (source for _, source in ask.documents(stream, owner.id, span, FIELDS))
            return _spent(sums(sources, by), by, span, now)

        return of_owners(ask, stream, settings, organization, spent)


def _spent(found: list[Sum], by: By, span: Range, now: datetime) -> Answer:
    whole = total(each.usd for each in found)
    title = f"Spend by {by}, {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC"
    rows = [_row(each, whole) for each in found]
    return Answer(
        SPENT.table(rows, title=title, empty=NO_SPEND, most=ROWS),
        notes=[*_notes(found, whole), *_open_hour(span, now)] if found else (),
    )


def _start(text: str, now: datetime) -> datetime:
    """The start of the hour that is so far back: rows are whole hours."""
    start = moment(text, "--since", now)
    if start >= now:
        raise ConfigError(f"--since: {text} is not in the past")
    return ceil(start, HOUR) - HOUR


def _row(each: Sum, whole: Usd) -> tuple[object, ...]:
    price = Decimal(each.usd * 1_000_000 / each.tokens).quantize(Decimal("0.0001")) if each.tokens else None
    return (
        each.name,
        _Early(each.usd) if each.early else each.usd,
        float(each.usd / whole) if whole else None,
        each.early,
        each.tokens,
        price,
        each.unpriced_tokens,
    )


def _open_hour(span: Range, now: datetime) -> Iterator[str]:
    if span.end > now:
        yield f"The hour from {span.end - HOUR:%Y-%m-%d %H:%M} UTC is not complete yet."


def _notes(found: list[Sum], whole: Usd) -> Iterator[str]:
    early = total(each.early for each in found)
    about = f"Together {'~' if early else ''}{whole:,.2f} dollars"
    yield (
        f"{about}, {early:,.2f} of them estimated (~): their days are not settled yet."
        if early
        else f"{about}."
    )
    types = sorted({cost_type for each in found for cost_type in each.cost_types})
    if types:
        yield f"Unattributed parts of the bill have no key: {', '.join(types)}."
    if any(each.unpriced_tokens for each in found):
        yield "Unpriced tokens are in no amount: no bill, configuration or list has their price."

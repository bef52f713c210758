"""`spend`: what burns now, by key, workspace, model, team or hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.organizations import OrganizationOption, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.shown import footnotes, plain
from anthropic_metrics.finance.teams import Owners
from anthropic_metrics.kernel.datasets import INVENTORY, SPEND, stream_name
from anthropic_metrics.kernel.questions import Owner, Questions
from anthropic_metrics.kernel.ranges import DAY, Range, ceil
from anthropic_metrics.spend.inputs import HOUR
from anthropic_metrics.spend.money import Usd, dollars, total
from anthropic_metrics.spend.sums import FIELDS, By, Sum, sums

ROWS = 20
INSTEAD = "Without a cluster, `anthropic-metrics costs --by key,model` shows what last month cost."
# Where workspaces and keys have names: the inventory, and where it is off, whatever was spent.
_WHOSE = (
    (INVENTORY, ("anthropic.inventory.type", "anthropic.inventory.id")),
    (SPEND, ("anthropic.workspace.id",)),
    (SPEND, ("anthropic.api_key.id",)),
)
NO_SPEND = "No spend in this range: is usage by the hour (1h) collected, and has the agent run?"


class _Early(Decimal):
    """An amount that is, or has, an estimate."""


def _dollars(amount: Decimal) -> str:
    return f"{'~' if isinstance(amount, _Early) else ''}{dollars(amount)}"


SPENT = Layout(
    "spend",
    Column("name"),
    Column("usd", "decimal", title="dollars", show=_dollars),
    Column("share", "share", title="of all"),
    Column("estimated_usd", "decimal", table=False),
    Column("tokens", "integer"),
    Column("usd_per_million", "decimal", title="$ / 1M tokens", show=dollars),
    Column("unpriced_tokens", "integer", title="unpriced", show=lambda count: f"{count:,}" if count else "-"),
)


def register(app: typer.Typer) -> None:
    app.command()(spend)


@answers(SPENT)
def spend(
    since: Annotated[
        str, typer.Option(help="How far back, from the start of an hour: a length (24h, 7d) or a time.")
    ] = "24h",
    by: Annotated[By, typer.Option(help="What to group by.")] = By.key,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """Show what was spent, highest amount first; ~ marks estimates, until the day's bill is settled.

    For a past month: `anthropic-metrics costs --month`."""
    settings, now = load(config, embedded=embedded), utc_now()
    settings.require_elasticsearch(embeddable=True, instead=INSTEAD)
    time_range = Range(_start(since, now), now)
    stream = stream_name(SPEND, settings.namespace)
    with closing(connect(settings.elasticsearch)) as es:
        ask = ElasticQuestions(es, must_refresh=False)
        ask.refresh(stream)

        def spent(owner: Owner, config: Config) -> Answer:
            hours, teams = _Hours(), Owners(teams_of(config.teams))
            sources = (source for _, source in ask.documents(stream, owner.id, time_range, FIELDS))
            lines = sums(teams.seen(hours.seen(sources)), by, teams.teams.names)
            notes = list(hours.notes(time_range, now))
            if by is By.team:
                notes += teams.notes(config, partial(_everybody, ask, config.namespace, owner.id))
            return _spent(lines, by, time_range, notes)

        return of_owners(ask, stream, settings, organization, spent)


def _everybody(ask: Questions, namespace: str, organization_id: str) -> Iterator[Mapping[str, Any]]:
    """The latest document of each workspace and key that the streams have ever seen."""
    for dataset, by in _WHOSE:
        for _, source in ask.latest(stream_name(dataset, namespace), organization_id, by):
            yield source


@dataclass
class _Hours:
    """The first and the newest hour that has documents."""

    first: datetime | None = None
    newest: datetime | None = None

    def seen(self, sources: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for source in sources:
            hour = datetime.fromisoformat(source["@timestamp"])
            self.first = min(self.first or hour, hour)
            self.newest = max(self.newest or hour, hour)
            yield source

    def notes(self, time_range: Range, now: datetime) -> Iterator[str]:
        """What of the range the figures leave out."""
        if self.first is None or self.newest is None:
            return
        if self.first - time_range.start >= DAY:
            yield f"The stream has no data of this range before {self.first:%Y-%m-%d %H:%M} UTC."
        if self.newest + HOUR > now:
            yield f"The hour from {self.newest:%Y-%m-%d %H:%M} UTC is not complete yet."
        elif self.newest + HOUR < time_range.end:
            yield (
                f"The newest hour with usage is {self.newest:%Y-%m-%d %H:%M} UTC: later use is not in the "
                "stream yet, or there was none."
            )


def _spent(lines: list[Sum], by: By, time_range: Range, further: Iterable[str]) -> Answer:
    all_usd = total(line.usd for line in lines)
    title = f"Spend by {by}, {time_range.start:%Y-%m-%d %H:%M} to {time_range.end:%Y-%m-%d %H:%M} UTC"
    rows = [_row(line, all_usd) for line in lines]
    return Answer(
        SPENT.table(rows, title=title, empty=NO_SPEND, most=ROWS),
        notes=[*_notes(lines, all_usd), *further] if lines else (),
        footnotes=footnotes((line.usd,) for line in lines[:ROWS]),
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
        _Early(plain(line.usd)) if line.early else plain(line.usd),
        float(line.usd / all_usd) if all_usd else None,
        plain(line.early),
        line.tokens,
        price,
        line.unpriced_tokens,
    )


def _notes(lines: list[Sum], all_usd: Usd) -> Iterator[str]:
    early = total(line.early for line in lines)
    about = f"Together {'~' if early else ''}{dollars(all_usd)} dollars"
    yield (
        f"{about}, {dollars(early)} of them estimated (~): their days are not settled yet."
        if early
        else f"{about}."
    )
    types = sorted({cost_type for line in lines for cost_type in line.cost_types})
    if types:
        yield f"Unattributed parts of the bill have no key: {', '.join(types)}."
    if any(line.unpriced_tokens for line in lines):
        yield "No amount includes unpriced tokens: no bill, configuration or list has their price."

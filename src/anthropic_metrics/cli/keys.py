"""`keys`: the API keys, their use, and which of them nobody needs or soon stop to work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Annotated

import typer

from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.organizations import OrganizationOption, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config, parse_duration
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.inventory.keys import By, Group, Key, Wanted, grouped, newest
from anthropic_metrics.kernel.datasets import INVENTORY, stream_name
from anthropic_metrics.kernel.questions import Owner
from anthropic_metrics.spend.money import dollars

ROWS = 50
NO_KEYS = "No such keys."
NO_INVENTORY = "No inventory yet: is inventory.enabled on, may the key list API keys, and has the agent run?"
_BY = ("anthropic.inventory.type", "anthropic.inventory.id")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _complete(length: timedelta) -> str:
    return f"{length.days:,}"


KEYS = Layout(
    "keys",
    Column("name"),
    Column("id", table=False),
    Column("state", styles={"expired": "yellow", "inactive": "yellow"}),
    Column("workspace", missing="(organization)"),
    Column("owner"),
    Column("created", "time", show=_day),
    Column("last_used", "time", show=_day, missing="never seen"),
    Column("unused", "duration", title="days unused", show=_complete),
    Column("expires", "time", show=_day),
    Column("tokens_30d", "integer"),
    Column("usd_30d", "decimal", show=dollars),
)
GROUPS = Layout(
    "groups",
    Column("name"),
    Column("keys", "integer"),
    Column("active", "integer"),
    Column("longest_unused", "duration", title="longest unused, days", show=_complete),
    Column("tokens_30d", "integer"),
    Column("usd_30d", "decimal", show=dollars),
)


def register(app: typer.Typer) -> None:
    app.command()(keys)


@answers(KEYS, GROUPS)
def keys(
    unused: Annotated[
        str | None,
        typer.Option(
            help="Only active keys that have not been used for this long (90d).", show_default=False
        ),
    ] = None,
    expiring: Annotated[
        str | None,
        typer.Option(help="Only active keys that expire within this time (30d).", show_default=False),
    ] = None,
    by: Annotated[
        By | None, typer.Option(help="Count the keys by this instead of listing them.", show_default=False)
    ] = None,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """List the API keys of the latest inventory, the longest unused first."""
    wanted = Wanted(_length(unused, "--unused"), _length(expiring, "--expiring"))
    settings = load(config, embedded=embedded)
    settings.require_elasticsearch(embeddable=True)
    stream = stream_name(INVENTORY, settings.namespace)
    with closing(connect(settings.elasticsearch)) as es:
        ask = ElasticQuestions(es, must_refresh=False)
        ask.refresh(stream)

        def listed(owner: Owner, _: Config) -> Answer:
            every = list(newest(source for _, source in ask.latest(stream, owner.id, _BY)))
            return _listed(every, wanted, by)

        return of_owners(ask, stream, settings, organization, listed)


def _listed(every: Sequence[Key], wanted: Wanted, by: By | None) -> Answer:
    chosen = sorted(filter(wanted.chooses, every), key=_longest_unused)
    empty = NO_KEYS if every else NO_INVENTORY
    notes = tuple(_notes(every, wanted))
    if by is not None:
        rows = [_group_row(group) for group in grouped(chosen, by)]
        return Answer(GROUPS.table(rows, title=f"API keys by {by}", empty=empty, most=ROWS), notes=notes)
    return Answer(
        KEYS.table([_row(key) for key in chosen], title="API keys", empty=empty, most=ROWS), notes=notes
    )


def _length(text: str | None, option: str) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def _longest_unused(key: Key) -> tuple[timedelta, str]:
    return -(key.unused or timedelta()), key.name


def _notes(every: Sequence[Key], wanted: Wanted) -> Iterator[str]:
    if not every:
        return
    yield f"As of {max(key.day for key in every):%Y-%m-%d}. Use is counted by the key that made it."
    unknown = sum(key.unused is None for key in every)
    if wanted.unused is not None and unknown:
        yield f"The use of {unknown:,} keys is not known: usage is not collected, or not split by api_key_id."


def _row(key: Key) -> tuple[object, ...]:
    return (
        key.name,
        key.id,
        key.state,
        key.workspace,
        key.owner,
        key.created,
        key.last_used,
        key.unused,
        key.expires,
        key.tokens,
        key.usd,
    )


def _group_row(group: Group) -> tuple[object, ...]:
    return group.name, group.keys, group.active, group.longest_unused, group.tokens, group.usd

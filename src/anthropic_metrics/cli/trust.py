"""`audit` and `corrections`: are the numbers right, and which of them changed after they were shipped?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.audit import Bounds, audit_all
from anthropic_metrics.cli.audited import AUDIT, DIFFERENCES, MONTHS, OTHERS, audit_answer
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, OnlyOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import iso

SETTLED = "settled"

CORRECTIONS = Layout(
    "corrections",
    Column("noticed", "time"),
    Column("stream"),
    Column("bucket", "time"),
    Column("field"),
    Column("old", "number"),
    Column("new", "number"),
    Column("why"),
    Column("dimensions", "list", title="of"),
)

SinceOption = Annotated[
    str, typer.Option(help="A length back (7d, 12h), a day (2026-01-01) or a word (last-month).")
]


def register(app: typer.Typer) -> None:
    app.command("audit")(audit_command)
    app.command()(corrections)


@answers(AUDIT, MONTHS, DIFFERENCES, OTHERS)
def audit_command(
    since: Annotated[
        str | None,
        typer.Option(
            help="First day, a length back (7d) or a word (last-month); else all of `backfill`.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str,
        typer.Option(help="End, exclusive: `settled` (closed, and read by a poll since), `now` or a time."),
    ] = SETTLED,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
    only: OnlyOption = None,
) -> Answer:
    """Read the Admin API anew and compare it with the streams; writes nothing.

    Exit code 1 if they differ, if a row of the API cannot be read, if somebody else writes to the streams,
    or if nothing could be compared."""
    settings, now = load(config, embedded=embedded), utc_now()
    bounds = _bounds(since, until, now)
    settings.require_admin_key()
    settings.require_elasticsearch()
    with AdminClient(settings.anthropic) as client, connect(settings.elasticsearch) as es:
        memory = StreamMemory.of(es, settings.namespace, client.key_digest)
        shared_with = memory.organizations_of_other_keys()
        expected = settings.anthropic.organization_id
        inventory = Inventory(
            AdminDirectory(client), organization_id=expected, memory=memory, teams=teams_of(settings.teams)
        )
        organization = Organization(settings, client, inventory, clock=utc_now, only=[*(only or [])])
        report = audit_all(es, organization, bounds, now, shared_with)
    return audit_answer(report)


@answers(CORRECTIONS)
def corrections(
    since: SinceOption = "7d",
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """What changed upstream after it was shipped as complete: old figure, new figure, when it was noticed."""
    settings, now = load(config, embedded=embedded), utc_now()
    settings.require_elasticsearch()
    with connect(settings.elasticsearch) as es:
        found = corrections_since(es, settings, moment(since, "--since", now))
    return Answer(CORRECTIONS.table([_correction(source) for source in found], empty="No corrections."))


def corrections_since(es: Client, config: Config, since: datetime) -> list[dict[str, Any]]:
    """The corrections noticed since then, newest first; none where there is no agent stream yet.

    Read as of one point in time. Raises RetryLater when shards did not answer.
    """
    wanted = [
        {"term": {"event.action": "correction"}},
        {"range": {"@timestamp": {"gte": iso(since)}}},
    ]
    stream, fields = stream_name(AGENT, config.namespace), ("@timestamp", "anthropic.correction")
    found = list(query.sources(es, stream, {"bool": {"filter": wanted}}, fields))
    return sorted(found, key=lambda source: datetime.fromisoformat(source["@timestamp"]), reverse=True)


def _bounds(since: str | None, until: str, now: datetime) -> Bounds:
    end = {SETTLED: None, "now": now}[until] if until in (SETTLED, "now") else moment(until, "--until", now)
    begin = moment(since, "--since", now) if since else None
    if begin is not None and begin >= (end or now):
        raise ConfigError(
            f"--since: {since} is not before the end of the range, {end or now:%Y-%m-%dT%H:%MZ}"
        )
    return Bounds(begin, end)


def _correction(source: dict[str, Any]) -> tuple[object, ...]:
    entry = source["anthropic"]["correction"]
    return (
        datetime.fromisoformat(source["@timestamp"]),
        entry["stream"],
        datetime.fromisoformat(entry["bucket_start_time"]),
        entry["field"].removeprefix("anthropic."),
        entry["old"],
        entry.get("new"),
        entry["why"],
        entry.get("dimensions") or [],
    )

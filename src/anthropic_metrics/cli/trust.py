"""`audit` and `corrections`: are the numbers right, and which of them changed after they were shipped?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.organization import Organization, inventory_of
from anthropic_metrics.audit import Bounds, audit_all
from anthropic_metrics.cli.asking import admin_client
from anthropic_metrics.cli.audited import AUDIT, DIFFERENCES, MONTHS, OTHERS, audit_answer
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, OnlyOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.organizations import OrganizationOption, of_each, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.questions import Owner
from anthropic_metrics.kernel.ranges import iso

SETTLED = "settled"
NO_CORRECTIONS = "No corrections."

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


@answers(AUDIT, MONTHS, DIFFERENCES, OTHERS, verdict=True)
def audit_command(
    since: Annotated[
        str | None,
        typer.Option(
            help="First day, a length back (7d) or a word (last-month); by default all of `backfill`.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str,
        typer.Option(help="End, exclusive: `settled` (ended before the last poll), `now` or a time."),
    ] = SETTLED,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
    only: OnlyOption = None,
) -> Answer:
    """Read the Admin API again and compare it with the streams; writes nothing.

    Rate limits and inventory have no past in the API: their latest documents are compared with what it
    says now, inventory without the use that is joined to it.

    Exit code 1 if they differ, if a row of the API cannot be read, or if another shipper writes to the
    streams; 3 if nothing could be compared, or a server does not answer."""
    settings, now = load(config, embedded=embedded), utc_now()
    bounds = _bounds(since, until, now)
    settings.require_admin_key()
    settings.require_elasticsearch(embeddable=True)
    names = [*(only or [])]
    with connect(settings.elasticsearch) as es:
        return of_each(settings, organization, lambda own: _audited(es, own, bounds, now, names))


def _audited(es: Client, config: Config, bounds: Bounds, now: datetime, only: Sequence[str]) -> Answer:
    with admin_client(config) as client:
        memory = StreamMemory.of(es, config.namespace, client.key_digest)
        shared_with = memory.organizations_of_other_keys()
        organization = Organization(
            config, client, inventory_of(config, client, memory=memory), clock=utc_now, only=only
        )
        return audit_answer(audit_all(es, organization, bounds, now, shared_with))


@answers(CORRECTIONS)
def corrections(
    since: SinceOption = "7d",
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """List figures that changed after the agent had written them as complete: old, new, and when noticed."""
    settings, now = load(config, embedded=embedded), utc_now()
    settings.require_elasticsearch(embeddable=True)
    begin, stream = moment(since, "--since", now), stream_name(AGENT, settings.namespace)
    with connect(settings.elasticsearch) as es:

        def answer(owner: Owner, own: Config) -> Answer:
            sources = corrections_since(es, own, owner.id, begin)
            return Answer(
                CORRECTIONS.table([_correction(source) for source in sources], empty=NO_CORRECTIONS)
            )

        return of_owners(ElasticQuestions(es), stream, settings, organization, answer)


def corrections_since(
    es: Client, config: Config, organization_id: str, since: datetime
) -> list[dict[str, Any]]:
    """The organization's corrections noticed since then, newest first; none where there is no stream yet.

    Read as of one point in time. Raises RetryLater when shards did not answer.
    """
    wanted = [
        {"term": {"event.action": "correction"}},
        {"term": {"organization.id": organization_id}},
        {"range": {"@timestamp": {"gte": iso(since)}}},
    ]
    stream, fields = stream_name(AGENT, config.namespace), ("@timestamp", "anthropic.correction")
    sources = list(query.sources(es, stream, {"bool": {"filter": wanted}}, fields))
    return sorted(sources, key=lambda source: datetime.fromisoformat(source["@timestamp"]), reverse=True)


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

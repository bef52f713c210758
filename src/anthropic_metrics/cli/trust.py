"""`audit` and `corrections`: are the numbers right, and which of them changed after they were shipped?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.jobs import Pollers
from anthropic_metrics.audit import Audited, Difference, audit
from anthropic_metrics.cli.common import ConfigOption, OnlyOption, load, moment
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.config.values import parse_duration
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range

_PAGE = 1000

KINDS = {
    "missing": "is not in the stream",
    "extra": "is not in the API",
    "double": "is in the stream twice",
    "changed": "differs",
}
AUDIT = Layout(
    "audit",
    Column("stream"),
    Column("from", "time"),
    Column("to", "time"),
    Column("documents", "integer"),
    Column("documents_in_api", "integer", title="in the API"),
    Column("total", "decimal"),
    Column("total_in_api", "decimal", title="in the API"),
    Column("differences", "integer"),
    Column("unit", title="of"),
)
DIFFERENCES = Layout(
    "differences",
    Column("stream"),
    Column("bucket"),
    Column("kind", title="what", show=lambda kind: KINDS[kind]),
    Column("dimensions", title="of"),
    Column("fields"),
    Column("document_id", table=False),
)
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

SinceOption = Annotated[str, typer.Option(help="How far back: a length (7d, 12h) or a date (2026-01-01).")]


def register(app: typer.Typer) -> None:
    app.command("audit")(audit_command)
    app.command()(corrections)


@answers(AUDIT, DIFFERENCES)
def audit_command(
    since: Annotated[
        str | None,
        typer.Option(help="First day, or a length such as 7d; else all of `backfill`.", show_default=False),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End, exclusive; else now.", show_default=False)] = None,
    config: ConfigOption = None,
    only: OnlyOption = None,
) -> Answer:
    """Read the Admin API anew and compare it with the streams; writes nothing. Exit code 1 if they differ, if
    a row of the API cannot be read, or if there are documents of an organization that no key polls."""
    settings, now = load(config), utc_now()
    end = moment(until, "--until") if until else now
    begin = _start(since, now) if since else None
    if begin is not None and begin >= end:
        raise ConfigError(f"--since: {since} is not before the end of the range, {end:%Y-%m-%dT%H:%MZ}")
    settings.require_admin_key()
    settings.require_elasticsearch()
    with AdminClient(settings.anthropic) as client, connect(settings.elasticsearch) as es:
        memory = StreamMemory.of(es, settings.namespace, client.key_digest)
        shared_with = memory.organizations_of_other_keys()
        expected = settings.anthropic.organization_id
        inventory = Inventory(client, organization_id=expected, memory=memory)
        pollers = Pollers(settings, client, inventory, clock=utc_now)
        pollers.only([*(only or [])])
        results = []
        for poller in pollers.views:
            whole = pollers.history(poller)
            asked = pollers.older_range(poller, Range(begin or whole.start, end if until else whole.end))
            if asked is not None:
                results.append(audit(es, poller, inventory, asked, now, shared_with))
    return _audited(results)


@answers(CORRECTIONS)
def corrections(since: SinceOption = "7d", config: ConfigOption = None) -> Answer:
    """What changed upstream after it was shipped as complete: old figure, new figure, when it was noticed."""
    settings, now = load(config), utc_now()
    settings.require_elasticsearch()
    with connect(settings.elasticsearch) as es:
        found = corrections_since(es, settings, _start(since, now))
    return Answer(CORRECTIONS.table([_correction(source) for source in found], empty="No corrections."))


def corrections_since(es: Elasticsearch, config: Config, since: datetime) -> list[dict[str, Any]]:
    """The corrections noticed since then, newest first; none where there is no agent stream yet."""
    stream = stream_name(AGENT, config.namespace)
    wanted = [
        {"term": {"event.action": "correction"}},
        {"range": {"@timestamp": {"gte": since.isoformat()}}},
    ]
    sort: list[str | Mapping[str, Any]] = [
        {"@timestamp": "desc"},
        "anthropic.correction.document_id",
        "anthropic.correction.field",
    ]
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        with translated(f"Reading {stream}"):
            try:
                answer = es.search(
                    index=stream, query={"bool": {"filter": wanted}}, sort=sort, size=_PAGE, **after
                )
            except NotFoundError:
                return found
        hits = answer["hits"]["hits"]
        found += [hit["_source"] for hit in hits]
        if len(hits) < _PAGE:
            return found
        after = {"search_after": hits[-1]["sort"]}


def _start(text: str, now: datetime) -> datetime:
    try:
        return now - parse_duration(text)
    except ValueError:
        return moment(text, "--since")


def _audited(results: list[Audited]) -> Answer:
    found = [difference for result in results for difference in result.differences]
    streams = [
        (
            result.stream,
            result.window.start,
            result.window.end,
            result.documents_here,
            result.documents_there,
            result.total_here,
            result.total_there,
            len(result.differences),
            result.unit,
        )
        for result in results
    ]
    differences = [
        (
            difference.stream,
            difference.bucket,
            difference.kind,
            difference.dimensions,
            _fields(difference),
            difference.document_id,
        )
        for difference in found
    ]
    return Answer(
        AUDIT.table(streams),
        DIFFERENCES.table(differences),
        problems=[problem for result in results for problem in _problems(result)],
        code=0 if all(result.equal for result in results) else 1,
    )


def _problems(result: Audited) -> Iterator[str]:
    if result.refused:
        yield f"{result.stream}: {result.refused}"
    for organization, count in result.strays.items():
        yield f"{result.stream}: {count:,} documents of organization {organization}, which no key polls here"


def _fields(difference: Difference) -> str:
    return "; ".join(f"{name} {here} (API: {there})" for name, (here, there) in difference.fields.items())


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

"""`audit` and `corrections`: are the numbers right, and which of them changed after they were shipped?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from elasticsearch import Elasticsearch, NotFoundError
from rich.table import Table

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.jobs import Pollers
from anthropic_metrics.audit import Audited, Difference, audit
from anthropic_metrics.cli.common import ConfigOption, OnlyOption, load, moment, out
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


def audit_command(
    since: Annotated[
        str | None,
        typer.Option(help="First day, or a length such as 7d; else all of `backfill`.", show_default=False),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End, exclusive; else now.", show_default=False)] = None,
    config: ConfigOption = None,
    only: OnlyOption = None,
) -> None:
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
    _print_audit(results)
    raise typer.Exit(0 if all(result.equal for result in results) else 1)


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


def _print_audit(results: list[Audited]) -> None:
    table = Table("stream", "from", "to", box=None, pad_edge=False)
    for title in ("documents", "in the API", "total", "in the API", "differences"):
        table.add_column(title, justify="right")
    table.add_column("of")
    for result in results:
        table.add_row(
            result.stream,
            f"{result.window.start:%Y-%m-%dT%H:%MZ}",
            f"{result.window.end:%Y-%m-%dT%H:%MZ}",
            f"{result.documents_here:,}",
            f"{result.documents_there:,}",
            f"{result.total_here:,}",
            f"{result.total_there:,}",
            f"{len(result.differences):,}",
            result.unit,
        )
    out.print(table)
    for result in results:
        if result.refused:
            out.print(f"{result.stream}: {result.refused}", highlight=False, soft_wrap=True, markup=False)
        for organization, count in result.strays.items():
            stray = f"{count:,} documents of organization {organization}, which no key polls here"
            out.print(f"{result.stream}: {stray}", highlight=False, soft_wrap=True, markup=False)
        for difference in result.differences:
            out.print(_line(difference), highlight=False, soft_wrap=True, markup=False)


def _line(difference: Difference) -> str:
    words = {
        "missing": "is not in the stream",
        "extra": "is not in the API",
        "double": "is in the stream twice",
        "changed": "differs:",
    }
    fields = "; ".join(f"{name} {here} (API: {there})" for name, (here, there) in difference.fields.items())
    where = f"{difference.stream} {difference.bucket} {difference.dimensions}"
    return f"{where} {words[difference.kind]} {fields}".rstrip()


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

"""`headroom`: how close each limit was, and how it would have been under another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Annotated

import typer
from elasticsearch import Elasticsearch

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, load, moment, out
from anthropic_metrics.cli.what_if import NO_SPEED, make_table, percent, print_what_if
from anthropic_metrics.config import Config
from anthropic_metrics.config.values import parse_duration
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.headroom.limits import MEASURED
from anthropic_metrics.headroom.outlook import Line, lines, unmapped
from anthropic_metrics.kernel.datasets import HEADROOM, stream_name
from anthropic_metrics.kernel.ranges import Range

ROWS = 20
NUMBERS = ("per minute", "peak", "at", "usual", "left", "> 80 %", "> 100 %", "week", "reached")
DAY, WEEK = "24h", "7d"
CANNOT_BE_KNOWN = (
    "Not in the Admin API, so not here: requests (RPM), bursts within a minute (a few seconds may be refused "
    "far below 100 %), and whether output was counted by max_tokens when a request began."
)


def register(app: typer.Typer) -> None:
    app.command()(headroom)


def headroom(
    since: Annotated[
        str | None,
        typer.Option(help="How far back, 24h or a day; 24h, with --limit 7d.", show_default=False),
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Only this workspace, by id or name.", show_default=False)
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="What if: another limit, such as output_tokens_per_minute=200000; needs --model."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="What if: a model of the limit group.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """How close each rate limit was: closest minute, trend, when growth reaches it."""
    wanted = _limits(limit or [], model)
    settings = load(config)
    settings.require_elasticsearch()
    now = utc_now()
    span = Range(_start(since or (WEEK if wanted else DAY), now), now)
    with closing(connect(settings.elasticsearch)) as es:
        if wanted and model:
            print_what_if(es, settings, span, wanted, model, workspace)
        else:
            _print_lines(es, settings, span, workspace)
    out.print(CANNOT_BE_KNOWN, style="dim", highlight=False, soft_wrap=True)


def _limits(given: list[str], model: str | None) -> dict[str, int]:
    """`--limit` as values by type; ConfigError says what is allowed."""
    found = {}
    for text in given:
        kind, _, value = text.partition("=")
        if kind not in MEASURED or not value.isdigit() or int(value) == 0:
            raise ConfigError(f"--limit: {text!r} is not <limit>=<tokens>; limits are {', '.join(MEASURED)}")
        found[kind] = int(value)
    if bool(found) != (model is not None):
        raise ConfigError("--limit and --model go together: the model names the limit group")
    return found


def _start(text: str, now: datetime) -> datetime:
    try:
        return now - parse_duration(text)
    except ValueError:
        start = moment(text, "--since")
    if start >= now:
        raise ConfigError(f"--since: {text} is not in the past")
    return start


def _print_lines(es: Elasticsearch, config: Config, span: Range, workspace: str | None) -> None:
    stream = stream_name(HEADROOM, config.namespace)
    refresh(es, stream)
    found = lines(es, stream, span, workspace)
    title = f"Closest to the limit, {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC"
    table = make_table(title, ("workspace", "limit group", "limit"), NUMBERS)
    for line in found[:ROWS]:
        table.add_row(*_cells(line, span.end))
    out.print(table)
    if not found:
        out.print("No headroom in this time: is usage by the minute (1m) collected, and has the agent run?")
    if len(found) > ROWS:
        out.print(f"{len(found) - ROWS} limits further from their ceiling are left out.", highlight=False)
    _print_notes(found)
    for each in unmapped(es, stream, span, workspace):
        kind = "output" if each.limit_type.startswith("output") else "input"
        out.print(
            f"{each.model} is in no limit group: up to {each.peak_tokens:,} {kind} tokens a minute, no limit "
            "known.",
            highlight=False,
            soft_wrap=True,
        )


def _cells(line: Line, now: datetime) -> Iterator[str]:
    yield line.workspace or "(all)"
    yield line.group
    yield line.limit_type
    yield f"{line.limit:,}"
    yield percent(line.peak_share)
    yield f"{line.peak_minute:%m-%d %H:%M}"
    yield percent(line.usual_share)
    yield percent(line.least_left)
    yield f"{line.above_80:,}"
    yield f"{line.above_100:,}"
    yield "-" if line.trend is None else f"{line.trend:+.0%}"
    reached = line.reached_at(now)
    yield "-" if reached is None else "now" if reached <= now else f"{reached:%Y-%m-%d}"


def _print_notes(found: list[Line]) -> None:
    out.print(
        "peak: the closest minute; usual: 95 of 100 five-minute peaks were below; left: the least that it or "
        "the organization had left; week: busiest minute against the week before; reached: if it grows on.",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )
    caveats = {caveat for line in found for caveat in line.caveats}
    notes = {
        "fast_included": NO_SPEED,
        "batch_included": "Batch traffic is counted too: usage.group_by has no `service_tier`.",
        "limits_assumed": "Some limits are the earliest known, from after the minutes they are held against.",
        "organization_unknown": "Only usage.workspace_ids are read: what the organization left is unknown.",
        "workspace_limits_unknown": "Some workspaces' own limits were not read: the organization's count.",
    }
    for caveat, note in notes.items():
        if caveat in caveats:
            out.print(note, highlight=False, soft_wrap=True)

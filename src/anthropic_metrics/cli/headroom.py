"""`headroom`: how close each limit was, and how it would have been under another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.cells import percent
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, check_workspace, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.organizations import OrganizationOption, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.cli.what_if import NO_SPEED, WHAT_IF, Change, what_if_answer
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.elastic.outlook import (
    Growing,
    Line,
    Selection,
    begins,
    growing,
    lines,
    unmapped,
    workspaces,
)
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.headroom.limits import MEASURED
from anthropic_metrics.kernel.datasets import HEADROOM, USAGE_1M, stream_name
from anthropic_metrics.kernel.questions import Owner
from anthropic_metrics.kernel.ranges import Range

ROWS = 20
NO_HEADROOM = "No headroom in this range: is usage by the minute (1m) collected, and has the agent run?"


class _MayGrow(float):
    """A share whose window is not complete."""


def _share(share: float) -> str:
    return f"{'~' if isinstance(share, _MayGrow) else ''}{percent(share)}"


PEAKS = Layout(
    "headroom",
    Column("workspace", missing="(all)"),
    Column("limit_group"),
    Column("limit"),
    Column("per_minute", "integer"),
    Column("peak", "share", show=_share),
    Column("peak_minute", "time", title="at", show=lambda at: f"{at:%m-%d %H:%M}"),
    Column("peak_tokens", "integer", table=False),
    Column("complete", "boolean", table=False),
    Column("usual", "share"),
    Column("left", "share"),
    Column("minutes_above_80", "integer", title="> 80 %"),
    Column("minutes_above_100", "integer", title="> 100 %"),
    Column("week", "share", show=lambda trend: f"{trend:+.0%}"),
    Column("above_on", "list", title="was above", show=lambda days: _days(days) if days else "-"),
    Column("reached", "time", show=lambda at: "now" if at <= utc_now() else f"{at:%Y-%m-%d}"),
)
UNMAPPED = Layout(
    "unmapped", Column("model"), Column("tokens"), Column("peak_tokens", "integer", title="peak minute")
)
WEEK = "7d"
_SHOWN_DAYS = 3
CANNOT_BE_KNOWN = (
    "Not in the Admin API: requests per minute (RPM), bursts within a minute (a few seconds may be refused "
    "far below 100 %), and whether output was counted by max_tokens when a request began."
)


def register(app: typer.Typer) -> None:
    app.command()(headroom)


@answers(PEAKS, UNMAPPED, WHAT_IF)
def headroom(
    since: Annotated[
        str,
        typer.Option(
            help="A length back (24h), a day or a word (yesterday); by default 7 days, one of each weekday."
        ),
    ] = WEEK,
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
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """Show how close usage came to each rate limit: peak minute, trend, days above, when it is reached."""
    wanted = _limits(limit or [], model)
    settings = load(config, embedded=embedded)
    settings.require_elasticsearch(embeddable=True)
    now = utc_now()
    time_range = Range(_start(since, now), now)
    is_what_if = wanted and model
    stream = stream_name(USAGE_1M if is_what_if else HEADROOM, settings.namespace)
    with closing(connect(settings.elasticsearch)) as es:
        ask = ElasticQuestions(es, must_refresh=False)
        ask.refresh(stream)

        def answer(owner: Owner, own: Config) -> Answer:
            if wanted and model:
                return what_if_answer(ask, own, owner.id, time_range, Change(wanted, model, workspace))
            return _closest(es, stream, Selection(owner.id, time_range, workspace))

        return of_owners(ask, stream, settings, organization, answer)


def _limits(texts: list[str], model: str | None) -> dict[str, int]:
    """`--limit` as values by type; ConfigError says what is allowed."""
    limits = {}
    for text in texts:
        kind, _, value = text.partition("=")
        if kind not in MEASURED or not value.isdigit() or int(value) == 0:
            raise ConfigError(f"--limit: {text!r} is not <limit>=<tokens>; limits are {', '.join(MEASURED)}")
        limits[kind] = int(value)
    if bool(limits) != (model is not None):
        raise ConfigError("--limit and --model go together: the model names the limit group")
    return limits


def _start(text: str, now: datetime) -> datetime:
    start = moment(text, "--since", now)
    if start >= now:
        raise ConfigError(f"--since: {text} is not in the past")
    return start


def _closest(es: Client, stream: str, selection: Selection) -> Answer:
    closest, time_range = lines(es, stream, selection), selection.time_range
    if not closest and selection.workspace:
        check_workspace(selection.workspace, workspaces(es, stream, selection.organization_id))
    title = f"Closest to the limit, {time_range.start:%Y-%m-%d %H:%M} to {time_range.end:%Y-%m-%d %H:%M} UTC"
    return Answer(
        PEAKS.table(
            [_row(line, time_range.end) for line in closest], title=title, empty=NO_HEADROOM, most=ROWS
        ),
        UNMAPPED.table(
            [
                (
                    model.model,
                    "output" if model.limit_type.startswith("output") else "input",
                    model.peak_tokens,
                )
                for model in unmapped(es, stream, selection)
            ],
            title="In no limit group, so no limit is known",
        ),
        notes=[
            *_above(closest),
            *_growing(growing(es, stream, selection)),
            *_young(begins(es, stream, selection.organization_id), time_range),
            *_notes(closest),
            CANNOT_BE_KNOWN,
        ],
    )


def _row(line: Line, now: datetime) -> tuple[object, ...]:
    return (
        line.workspace,
        line.group,
        line.limit_type,
        line.limit,
        line.peak_share if line.is_complete else _MayGrow(line.peak_share),
        line.peak_minute,
        line.peak_tokens,
        line.is_complete,
        line.usual_share,
        line.least_left,
        line.above_80,
        line.above_100,
        line.trend,
        [day.isoformat() for day in line.above_on],
        line.reached_at(now),
    )


def _days(days: Sequence[str]) -> str:
    """The last of them, with their weekdays: what happened on a Monday happens on the next."""
    shown = [f"{date.fromisoformat(day):%a %m-%d}" for day in days[-_SHOWN_DAYS:]]
    more = len(days) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _above(closest: list[Line]) -> Iterator[str]:
    """The answer to "will I hit a 429 next week?" where it is yes."""
    over = [line for line in closest if line.above_on]
    if over:
        yield (
            f"{len(over)} of {len(closest)} limits were exceeded in this range or the week before (`was "
            "above`): the same traffic next week means 429 again."
        )


def _young(begin: datetime | None, time_range: Range) -> Iterator[str]:
    if begin is not None and begin > time_range.start:
        yield f"Headroom begins at {begin:%Y-%m-%d %H:%M} UTC: earlier minutes are not in these figures."


def _growing(windows: Growing | None) -> Iterator[str]:
    if windows is not None:
        said = "window is" if windows.windows == 1 else "windows are"
        yield (
            f"{windows.windows} {said} not complete yet, the first from {windows.first:%Y-%m-%d %H:%M} UTC: "
            "a peak in one of them (~) may still grow."
        )


def _notes(closest: list[Line]) -> Iterator[str]:
    if closest:
        yield (
            "peak: the peak minute; usual: 95 % of five-minute peaks were lower; left: the smallest share "
            "that it or the organization had left; week: growth against the week before; was above: days "
            "with a minute above the limit, the week before included; reached: when, if it keeps growing."
        )
    caveats = {caveat for line in closest for caveat in line.caveats}
    notes = {
        "fast_included": NO_SPEED,
        "batch_included": "Batch traffic is counted too: usage.group_by has no `service_tier`.",
        "limits_assumed": "Some limits are the earliest known ones, newer than the minutes.",
        "organization_unknown": "Only usage.workspace_ids are read; the organization's headroom is unknown.",
        "workspace_limits_unknown": "Some workspaces' own limits were not read; the organization's count.",
    }
    yield from (note for caveat, note in notes.items() if caveat in caveats)

"""`dashboards render` and `dashboards export`: the dashboards without, or before, a Kibana."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.late import NamingGroup
from anthropic_metrics.cli.organizations import OrganizationOption, owner_of
from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.errors import ConfigError, not_written
from anthropic_metrics.kernel.datasets import PEOPLE, stream_name
from anthropic_metrics.kibana.ask import TimeRange, ask, opened
from anthropic_metrics.kibana.definitions import Dashboard, load_bundle
from anthropic_metrics.kibana.install import saved_objects_text
from anthropic_metrics.kibana.look.page import Page, no_stream, render

PAGE = Path("anthropic-metrics.html")
INSTANT = timedelta(milliseconds=1)  # Kibana's ranges hold both of their bounds
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)

commands = typer.Typer(
    cls=NamingGroup, help="Render or export the dashboards without Kibana.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="dashboards")


@commands.command("render")
def render_page(
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = PAGE,
    month: Annotated[
        str | None,
        typer.Option(help="One UTC month, such as 2026-10, for all dashboards.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Start of the range: a day, a time, a length back (7d) or a word (last-month).",
            show_default="each dashboard's own",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="End of the range, exclusive: a day, a time, a length back or a word.", show_default="now"
        ),
    ] = None,
) -> None:
    """Draw every panel from its own query, on one page that opens in any browser."""
    now = utc_now()
    ranges = chosen_ranges(now, month=month, since=since, until=until)
    settings = load(config, embedded=embedded)
    settings.require_elasticsearch(embeddable=True)
    with closing(connect(settings.elasticsearch)) as es:
        name = None if organization is None else owner_of(es, settings, organization)
        page = draw(es, settings.namespace, now, ranges, organization=name)
    save(page, output)
    if missing := _expected(page.missing, settings):
        say(no_stream(missing))
    for failure in page.failures:
        say(failure, style="red")
    raise typer.Exit(1 if page.failures else 0)


@commands.command()
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default standard output.", show_default=False),
    ] = None,
) -> None:
    """Print the saved objects, to import by hand: Kibana, Stack Management, Saved Objects."""
    if output is None:
        sys.stdout.write(saved_objects_text())
        return
    if output.suffix != ".ndjson":
        raise ConfigError(f"--output: {output} must end in .ndjson, because Kibana refuses other names")
    _write(output, saved_objects_text())


def _expected(missing: Sequence[str], config: Config) -> list[str]:
    """The absent streams that the configuration fills: people are off by default, which is no fault."""
    people = stream_name(PEOPLE, config.namespace)
    is_off = not any(own.people.enabled for own in config.per_organization())
    return [name for name in missing if name != people or not is_off]


def chosen_ranges(
    now: datetime, *, month: str | None = None, since: str | None = None, until: str | None = None
) -> Callable[[Dashboard], TimeRange]:
    """The time range of each dashboard: the chosen one, else from its own range until `until` or `now`.

    Raises ConfigError that names the option.
    """
    if month is not None:
        if since is not None or until is not None:
            raise ConfigError("--month and --since or --until exclude each other")
        time_range = _month(month, now)
        return lambda dashboard: time_range
    end = now if until is None else min(moment(until, "--until", now), now) - INSTANT
    if since is None:
        return lambda dashboard: opened(dashboard.range, end)
    time_range = TimeRange(moment(since, "--since", now), end)
    if time_range.start >= time_range.end:
        raise ConfigError(f"--since: {since} is not before the end of the range, {end:%Y-%m-%d %H:%M} UTC")
    return lambda dashboard: time_range


def draw(
    es: Client,
    namespace: str,
    now: datetime,
    ranges: Callable[[Dashboard], TimeRange] | None = None,
    *,
    organization: str | None = None,
) -> Page:
    """All dashboards over one namespace as they stand at `now`, each over its time range; of one organization
    if it is named."""
    of_one = {} if organization is None else {"organization.name": [organization]}
    return render(
        load_bundle(),
        lambda panel, time_range: ask(
            es, panel.query, time_range.start, time_range.end, namespace=namespace, chosen=of_one
        ),
        ranges=ranges or chosen_ranges(now),
        now=now,
        subtitle=f"Namespace {namespace}" + (f", organization {organization}" if organization else ""),
    )


def save(page: Page, path: Path) -> None:
    """Write the page and say where it is. Raises ConfigError."""
    _write(path, page.html)
    say(f"Dashboards: {path.resolve().as_uri()}")


def _month(text: str, now: datetime) -> TimeRange:
    """From the month's first instant to its last, or to `now`."""
    match = _MONTH.fullmatch(text)
    try:
        start = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC) if match else None
    except ValueError:
        start = None
    if start is None:
        raise ConfigError(f"--month: {text!r} is not a month; write 2026-10")
    if start >= now:
        raise ConfigError(f"--month: {text} has not begun")
    following = (start + timedelta(days=31)).replace(day=1)
    return TimeRange(start, min(following - INSTANT, now))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise not_written(f"--output: {path}", error) from None

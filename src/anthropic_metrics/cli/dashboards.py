"""`dashboards render` and `dashboards export`: the dashboards without, or before, a Kibana."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.cli.common import ConfigOption, load
from anthropic_metrics.cli.render import say
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kibana.ask import ask, since
from anthropic_metrics.kibana.definitions import load_bundle
from anthropic_metrics.kibana.install import saved_objects_text
from anthropic_metrics.kibana.look.page import Page, no_stream, render

PAGE = Path("anthropic-metrics.html")

commands = typer.Typer(help="The dashboards without, or before, a Kibana.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="dashboards")


@commands.command("render")
def render_page(
    config: ConfigOption = None,
    output: Annotated[Path, typer.Option(help="File to write.")] = PAGE,
) -> None:
    """Draw every panel from its own query, on one page that opens in any browser."""
    settings = load(config)
    settings.require_elasticsearch()
    with closing(connect(settings.elasticsearch)) as es:
        page = draw(es, settings.namespace, utc_now())
    save(page, output)
    if page.missing:
        say(no_stream(page.missing))
    for failure in page.failures:
        say(failure, style="red")
    raise typer.Exit(1 if page.failures else 0)


@commands.command()
def export(
    output: Annotated[
        Path | None, typer.Option(help="File to write; else standard output.", show_default=False)
    ] = None,
) -> None:
    """The saved objects, for an import by hand: Kibana, Stack Management, Saved Objects."""
    if output is None:
        sys.stdout.write(saved_objects_text())
        return
    if output.suffix != ".ndjson":
        raise ConfigError(f"--output: {output} must end in .ndjson, else Kibana refuses it")
    _write(output, saved_objects_text())


def draw(es: Client, namespace: str, now: datetime) -> Page:
    """All dashboards over one namespace as they stand at `now`."""
    return render(
        load_bundle(),
        lambda dashboard, panel: ask(es, panel.query, since(dashboard.range, now), now, namespace=namespace),
        now=now,
        subtitle=f"Namespace {namespace}",
    )


def save(page: Page, path: Path) -> None:
    """Write the page and say where it is. Raises ConfigError."""
    _write(path, page.html)
    say(f"Dashboards: {path.resolve().as_uri()}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output: {path} cannot be written: {error.strerror}") from None

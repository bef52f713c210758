"""`setup`: templates, pipelines, dashboards and alert rules, installed or upgraded in place."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from anthropic_metrics.alerts.install import install_rules
from anthropic_metrics.cli.common import ConfigOption, err, load, out
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.assets import load_assets
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.elastic.steps import Step
from anthropic_metrics.kibana.install import (
    create_streams,
    install_dashboards,
    missing_streams,
    plan_dashboards,
)

STYLES = {
    "created": "green",
    "updated": "yellow",
    "deleted": "yellow",
    "failed": "red",
    "skipped": "dim",
    "unchanged": "dim",
}


def register(app: typer.Typer) -> None:
    app.command()(setup)


def setup(
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    kibana: Annotated[
        bool, typer.Option("--kibana/--no-kibana", help="Dashboards and rules too, where kibana.url is set.")
    ] = True,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Replace what Elastic's integration or others installed here."),
    ] = False,
) -> None:
    """Install or upgrade index templates, ingest pipelines, dashboards and alert rules; safe to repeat."""
    settings = load(config)
    if dry_run and not settings.elasticsearch.hosts:
        err.print("No elasticsearch.hosts: this is what an empty cluster would get.")
        _print(_everything())
        return
    steps = _steps(settings, dry_run=dry_run, take_over=take_over)
    if kibana and not any(step.action == "refuse" for step in steps):
        steps += _kibana(settings, dry_run=dry_run)
    _print(steps)
    for step in steps:
        if step.cure:
            err.print(f"{step.name}: {step.cure}", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1 if any(step.status == "failed" or step.action == "refuse" for step in steps) else 0)


def _steps(config: Config, *, dry_run: bool, take_over: bool) -> list[Step]:
    config.require_elasticsearch()
    with closing(connect(config.elasticsearch)) as es:
        steps = plan_setup(es, config, take_over=take_over)
        return steps if dry_run else apply(es, steps)


def _kibana(config: Config, *, dry_run: bool) -> list[Step]:
    if config.kibana.url is None:
        why = "no kibana.url; `dashboards export` and `alerts export` write them for an import by hand"
        return [Step("dashboard", "all", "skip", why, status="skipped")]
    with closing(connect(config.elasticsearch)) as es:
        empty = missing_streams(es, config.namespace)
        if dry_run:
            return [*empty, *plan_dashboards(), *install_rules(config, dry_run=True)]
        streams = create_streams(es, empty)
    return [*streams, *install_dashboards(config.kibana), *install_rules(config, dry_run=False)]


def _everything() -> list[Step]:
    assets = load_assets()
    return [
        *(Step("ingest pipeline", name, "create") for name in assets.pipelines),
        *(Step("component template", name, "create") for name in assets.component_templates),
        *(Step("index template", name, "create") for name in assets.index_templates),
    ]


def _print(steps: list[Step]) -> None:
    table = Table("what", "name", "result", "details", box=None, pad_edge=False)
    for step in steps:
        result = step.status or step.action
        style = STYLES.get(result, "")
        shown = f"[{style}]{result}[/]" if style else result
        table.add_row(step.kind, escape(step.name), shown, escape(step.detail))
    out.print(table)

"""`setup`: templates, pipelines, dashboards and alert rules, installed or upgraded in place."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.alerts.install import install_rules
from anthropic_metrics.cli.common import ConfigOption, load
from anthropic_metrics.cli.render import Answer, Column, Layout, Table, answers
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.assets import load_assets
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.elastic.steps import Step
from anthropic_metrics.elastic.traces import plan_traces
from anthropic_metrics.kibana.install import (
    create_streams,
    install_dashboards,
    missing_streams,
    plan_dashboards,
)
from anthropic_metrics.links import see

STEPS = Layout(
    "steps",
    Column("what"),
    Column("name"),
    Column(
        "result",
        styles={
            "created": "green",
            "updated": "yellow",
            "deleted": "yellow",
            "failed": "red",
            "refuse": "red",
            "skipped": "dim",
            "unchanged": "dim",
        },
    ),
    Column("details"),
    Column("cure", table=False),
)


def register(app: typer.Typer) -> None:
    app.command()(setup)


@answers(STEPS)
def setup(
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    kibana: Annotated[
        bool, typer.Option("--kibana/--no-kibana", help="Also dashboards and rules, if kibana.url is set.")
    ] = True,
    rules: Annotated[
        bool, typer.Option("--rules/--no-rules", help="Also alert rules, if kibana.url is set.")
    ] = True,
    with_traces: Annotated[
        bool,
        typer.Option(
            "--with-traces",
            help="Also set the types of span fields in the @custom templates of Elastic's traces.",
        ),
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Replace assets that Elastic's integration or others installed."),
    ] = False,
) -> Answer:
    """Install or upgrade index templates, ingest pipelines, dashboards and alert rules; safe to repeat.
    An alert rule whose default threshold would fire at once is created disabled.
    Exit code 1 if a step failed or was refused."""
    settings = load(config)
    if dry_run and not settings.elasticsearch.hosts:
        note = "No elasticsearch.hosts: this is what an empty cluster would get."
        return Answer(_table(_everything()), notes=[note])
    steps = _steps(settings, dry_run=dry_run, take_over=take_over, with_traces=with_traces)
    if kibana and not any(step.action == "refuse" for step in steps):
        steps += _kibana(settings, dry_run=dry_run, with_rules=rules)
    failed = any(step.status == "failed" or step.action == "refuse" for step in steps)
    cures = [
        f"{step.name}: {step.cure} See {see(f'{step.detail} {step.cure}', 'setup')}"
        for step in steps
        if step.cure
    ]
    return Answer(_table(steps), notes=_changed(steps), problems=cures, code=1 if failed else 0)


def _changed(steps: list[Step]) -> list[str]:
    """One sentence where there is nothing to do."""
    if all((step.status or step.action) in ("unchanged", "skip", "skipped") for step in steps):
        return ["Nothing changed: everything is installed already."]
    return []


def _steps(config: Config, *, dry_run: bool, take_over: bool, with_traces: bool) -> list[Step]:
    config.require_elasticsearch()
    with closing(connect(config.elasticsearch)) as es:
        steps = plan_setup(es, config, take_over=take_over)
        steps += plan_traces(es) if with_traces else []
        return steps if dry_run else apply(es, steps)


def _kibana(config: Config, *, dry_run: bool, with_rules: bool) -> list[Step]:
    if config.kibana.url is None:
        why = "no kibana.url; `dashboards export` and `alerts export` write them for an import by hand"
        return [Step("dashboard", "all", "skip", why, status="skipped")]
    with closing(connect(config.elasticsearch)) as es:
        streams = missing_streams(es, config.namespace)
        if not dry_run:
            streams = create_streams(es, streams)
        dashboards = plan_dashboards(config.kibana) if dry_run else install_dashboards(config.kibana)
        rules = install_rules(config, es, utc_now(), dry_run=dry_run) if with_rules else []
    return [*streams, *dashboards, *rules]


def _everything() -> list[Step]:
    assets = load_assets()
    return [
        *(Step("ingest pipeline", name, "create") for name in assets.pipelines),
        *(Step("component template", name, "create") for name in assets.component_templates),
        *(Step("index template", name, "create") for name in assets.index_templates),
    ]


def _table(steps: list[Step]) -> Table:
    return STEPS.table(
        [(step.kind, step.name, step.status or step.action, step.detail, step.cure) for step in steps]
    )

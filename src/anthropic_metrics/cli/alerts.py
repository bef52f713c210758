"""`alerts`: the rules, what they would say now or then, and how to hear them."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import Annotated

import typer
from elasticsearch import Elasticsearch
from rich.table import Table

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.alerts.catalog import every_rule, is_on, rules
from anthropic_metrics.alerts.execute import Alert, run
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.cli.common import ConfigOption, err, load, moment, out
from anthropic_metrics.config import format_duration
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.errors import MetricsError

commands = typer.Typer(help="Alert rules: list, evaluate.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="alerts")


@commands.command("list")
def list_rules(config: ConfigOption = None) -> None:
    """Every rule with its threshold, window and schedule as the configuration has them."""
    settings = load(config)
    table = Table("rule", "on", "threshold", "window", "every", "what it means", box=None, pad_edge=False)
    for rule in every_rule(settings):
        on = "yes" if is_on(rule, settings) else "no"
        times = format_duration(rule.window), format_duration(rule.schedule)
        table.add_row(rule.key, on, rule.threshold, *times, rule.title)
    out.print(table)


@commands.command()
def evaluate(
    at: Annotated[
        str | None, typer.Option(help="A time such as 2026-11-20T15:00Z; else now.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Which rules would fire now or then, and on which rows; nothing is sent or stored.

    Then: over the documents as they stand today. Exit code 1 when a rule could not be run.
    """
    when = moment(at, "--at") if at else utc_now()
    settings = load(config)
    settings.require_elasticsearch()
    table = Table("rule", "alert", "what", box=None, pad_edge=False)
    with closing(connect(settings.elasticsearch)) as es:
        failed = [rule for rule in rules(settings) if not _add(table, es, rule, when)]
    out.print(table)
    raise typer.Exit(1 if failed else 0)


def _add(table: Table, es: Elasticsearch, rule: Rule, when: datetime) -> bool:
    """One line per alert of the rule, or one that says it is quiet; False when it could not be run."""
    try:
        found: list[Alert] = run(es, rule, when)
    except MetricsError as error:
        table.add_row(rule.key, "[red]failed[/red]", "")
        err.print(f"{rule.key}: {error}", highlight=False, soft_wrap=True, markup=False)
        return False
    for alert in found:
        table.add_row(rule.key, f"[yellow]{alert.id}[/yellow]", subject(rule, alert.row))
    if not found:
        table.add_row(rule.key, "[dim]quiet[/dim]", "")
    return True

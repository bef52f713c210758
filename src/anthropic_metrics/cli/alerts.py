"""`alerts`: the rules, what they would say now or then, and how to hear them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.alerts.catalog import every_rule, off_because
from anthropic_metrics.alerts.evaluation import Verdict
from anthropic_metrics.alerts.evaluation import evaluate as judge
from anthropic_metrics.alerts.files import exported
from anthropic_metrics.alerts.install import Change, apply, plan_install, plan_uninstall
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.cli.common import ConfigOption, load, moment
from anthropic_metrics.cli.render import Answer, Column, Layout, answers, say
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kibana.client import KibanaClient

RULES = Layout(
    "rules",
    Column("rule"),
    Column("on", "boolean"),
    Column("threshold"),
    Column("window", "duration"),
    Column("every", "duration"),
    Column("title", title="what it means"),
)
VERDICTS = Layout(
    "verdicts",
    Column("rule"),
    Column(
        "state", styles={"fires": "yellow", "quiet": "dim", "off": "dim", "no data": "red", "failed": "red"}
    ),
    Column("alert"),
    Column("what"),
)
CHANGES = Layout("rules", Column("rule"), Column("result"), Column("details"))

commands = typer.Typer(help="Alert rules: what they say, and how to hear them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="alerts")


@commands.command("list")
@answers(RULES)
def list_rules(config: ConfigOption = None) -> Answer:
    """Every rule with its threshold, window and schedule as the configuration has them."""
    settings = load(config)
    rows = [
        (
            rule.key,
            not (off := off_because(rule, settings)),
            rule.threshold,
            rule.window,
            rule.schedule,
            f"{rule.title} (off: {off})" if off else rule.title,
        )
        for rule in every_rule(settings)
    ]
    return Answer(RULES.table(rows))


@commands.command()
@answers(VERDICTS)
def evaluate(
    at: Annotated[
        str | None, typer.Option(help="A time such as 2026-11-20T15:00Z; else now.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> Answer:
    """Which rules would fire now or then, and on which rows; nothing is sent or stored.

    Then: over the documents as they stand today. Exit code 1 when a rule could not be run, or had no data.
    """
    when = moment(at, "--at") if at else utc_now()
    settings = load(config)
    settings.require_elasticsearch()
    with closing(connect(settings.elasticsearch)) as es:
        verdicts = list(judge(es, settings, when))
    unjudged = any(verdict.state in ("failed", "no data") for verdict in verdicts)
    return Answer(VERDICTS.table([row for each in verdicts for row in _rows(each)]), code=int(unjudged))


def _rows(verdict: Verdict) -> Iterator[tuple[str, str, str | None, str]]:
    """One row per alert, or one that says why there is none."""
    key = verdict.rule.key
    for alert in verdict.alerts:
        yield key, verdict.state, alert.id, subject(verdict.rule, alert.row)
    if not verdict.alerts:
        yield key, verdict.state, None, verdict.reason


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the requests, one JSON a line.")]


@commands.command()
@answers(CHANGES)
def install(
    config: ConfigOption = None,
    dry_run: DryRun = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also put back what was changed in Kibana.")
    ] = False,
) -> Answer:
    """Create or update the rules in Kibana; safe to repeat. What was changed there is kept."""
    settings = load(config)
    with KibanaClient(settings.kibana) as kibana:
        return _carry_out(kibana, plan_install(kibana, settings, overwrite=overwrite), dry_run=dry_run)


@commands.command()
@answers(CHANGES)
def uninstall(config: ConfigOption = None, dry_run: DryRun = False) -> Answer:
    """Remove the agent's rules of this namespace from Kibana, and no others."""
    settings = load(config)
    with KibanaClient(settings.kibana) as kibana:
        return _carry_out(kibana, plan_uninstall(kibana, settings), dry_run=dry_run)


@commands.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")],
    kibana: Annotated[str, typer.Option(help="Kibana's version, such as 8.19.")] = "9.2",
    config: ConfigOption = None,
) -> None:
    """Write the rules as request bodies, and templates.ndjson to import into Kibana 9.2.1 or newer."""
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", kibana):
        raise ConfigError(f"--kibana: {kibana!r} is no version; write 8.19 or 9.2")
    version = tuple(int(part) for part in kibana.split("."))
    files = exported(load(config), version)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    say(f"{len(files)} files in {folder}")


def _carry_out(kibana: KibanaClient, changes: list[Change], *, dry_run: bool) -> Answer:
    if dry_run:
        for change in changes:
            if change.method:
                request = {"method": change.method, "path": change.path, "body": change.body}
                sys.stdout.write(json.dumps(request) + "\n")
        raise typer.Exit
    apply(kibana, changes)
    return Answer(CHANGES.table([(change.name, change.action, change.detail) for change in changes]))

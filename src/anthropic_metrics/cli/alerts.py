"""`alerts`: the rules, what they would say now or then, and how to be notified."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.alerts.catalog import every_rule, left_out, off_because
from anthropic_metrics.alerts.evaluation import Verdict
from anthropic_metrics.alerts.evaluation import evaluate as judge
from anthropic_metrics.alerts.execute import MOST_ALERTS
from anthropic_metrics.alerts.files import exported
from anthropic_metrics.alerts.install import Change, apply, impression, plan_install, plan_uninstall
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.organizations import NAME
from anthropic_metrics.alerts.state import AlertState
from anthropic_metrics.alerts.suggest import Suggestion, pasted, suggestions
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.late import NamingGroup
from anthropic_metrics.cli.organizations import OrganizationOption, with_organization
from anthropic_metrics.cli.render import Answer, Column, Layout, answers, say
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.errors import ConfigError, not_written
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.quoting import quoted
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

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
SUGGESTIONS = Layout(
    "suggestions",
    Column("rule"),
    Column("setting"),
    Column("configured", "number"),
    Column("suggested", "number"),
    Column("alerts", "integer"),
    Column("fired_on", title="would have fired on"),
)
_SHOWN = 3
CHANGES = Layout("rules", Column("rule"), Column("result"), Column("details"))

commands = typer.Typer(
    cls=NamingGroup, help="Alert rules: list, evaluate, derive thresholds, install.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="alerts")


@commands.command("list")
@answers(RULES)
def list_rules(organization: OrganizationOption = None, config: ConfigOption = None) -> Answer:
    """List every rule with the threshold, window and schedule in force."""
    settings = load(config)
    named = None if organization is None else settings.of(organization).label
    rows = [
        (
            *_whose(settings, rule.organization),
            rule.key,
            not (off := off_because(rule, settings)),
            rule.threshold,
            rule.window,
            rule.schedule,
            f"{rule.title} (off: {off})" if off else rule.title,
        )
        for rule in every_rule(settings)
        if named is None or rule.organization in ("", named)
    ]
    return Answer(_layout(settings, RULES).table(rows))


@commands.command()
@answers(VERDICTS)
def evaluate(
    at: Annotated[
        str | None,
        typer.Option(
            help="A time (2026-11-20T15:00Z), a length back (12h) or a word (yesterday); by default now.",
            show_default=False,
        ),
    ] = None,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """Show which rules would fire, now or at a past time, and on which rows; nothing is sent or stored.

    For a past time, the rules use today's documents. Exit code 1 if a rule could not run or had no data.
    """
    when = moment(at, "--at", utc_now()) if at else utc_now()
    settings = load(config, embedded=embedded)
    settings.require_elasticsearch(embeddable=True)
    named = None if organization is None else settings.of(organization).label
    with closing(connect(settings.elasticsearch)) as es:
        judged = judge(es, settings, when)
        verdicts = [
            verdict if named is None else verdict.of(named) for verdict in judged if verdict.concerns(named)
        ]
        notes = [*_cut(verdicts), *_recorded(es, settings)]
    unjudged = any(verdict.state in ("failed", "no data") for verdict in verdicts)
    rows = [row for verdict in verdicts for row in _rows(verdict, settings)]
    return Answer(_layout(settings, VERDICTS).table(rows), notes=notes, code=int(unjudged))


def _cut(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Which rules may have more alerts than the table."""
    for verdict in verdicts:
        if verdict.is_cut:
            yield f"{verdict.rule.key}: one evaluation reads {MOST_ALERTS:,} rows; there may be more alerts."


def _recorded(es: Client, config: Config) -> list[str]:
    """How many alerts the daemon has recorded as open, where it evaluates the rules itself."""
    if not config.alerts.evaluate:
        return []
    count = AlertState(es, config.namespace, "").count_open(refresh=False)
    return [f"The agent's own alerting has {count} open alert{'s' * (count != 1)}."]


def _layout(config: Config, layout: Layout) -> Layout:
    """The layout, with the organization where there are several."""
    return with_organization(layout) if config.organizations else layout


def _whose(config: Config, organization: object) -> tuple[object, ...]:
    """The cell of the organization, where there are several; empty for what is about all of them."""
    return (organization or None,) if config.organizations else ()


def _rows(verdict: Verdict, config: Config) -> Iterator[tuple[object, ...]]:
    """One row per alert, or one that says why there is none."""
    rule = verdict.rule
    for alert in verdict.alerts:
        whose = alert.row.get(NAME) or rule.organization
        said = subject(rule, alert.row)
        yield *_whose(config, whose), rule.key, verdict.state, alert.id, said
    if not verdict.alerts:
        yield *_whose(config, rule.organization), rule.key, verdict.state, None, verdict.reason


@commands.command()
@answers(SUGGESTIONS)
def suggest(
    days: Annotated[int, typer.Option(min=7, max=400, help="How many past UTC days to evaluate.")] = 30,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """Derive thresholds for the configuration from the organization's history; nothing is written.

    With these thresholds each rule would have fired once a week at most; `would have fired on` lists on
    what. All organizations share the alert settings.
    """
    settings = load(config, embedded=embedded)
    settings.require_elasticsearch(embeddable=True)
    named = None if organization is None else settings.of(organization).label
    with closing(connect(settings.elasticsearch)) as es:
        suggested = list(suggestions(es, settings, utc_now(), days, named))
    yaml = pasted(settings, suggested)
    notes = ["For the configuration:", *yaml.splitlines()] if yaml else []
    if yaml and named:
        notes.append(f"From the history of {named}; the thresholds apply to every organization.")
    problems = [] if yaml else ["No rule has any data to judge; poll first, with `once` or `run`."]
    rows = [(*_whose(settings, each.rule.organization or named), *_suggested(each)) for each in suggested]
    return Answer(
        _layout(settings, SUGGESTIONS).table(rows), notes=notes, problems=problems, code=0 if yaml else 1
    )


def _suggested(suggestion: Suggestion) -> tuple[str, str, float, float | None, int, str]:
    rule, fired = suggestion.rule, suggestion.fired
    said = [subject(rule, alert_.row) for alert_ in fired[:_SHOWN]]
    said += [f"and {len(fired) - _SHOWN} more"] if len(fired) > _SHOWN else []
    if not suggestion.samples:
        said = ["no traces in these days" if rule.spans else "no data"]
    elif suggestion.value is None:
        said = ["fires too often under every threshold: leave it out"]
    return rule.key, suggestion.setting, suggestion.configured, suggestion.value, len(fired), "; ".join(said)


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the requests, one JSON object per line.")]


@commands.command()
@answers(CHANGES)
def install(
    config: ConfigOption = None,
    dry_run: DryRun = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also overwrite changes that were made in Kibana.")
    ] = False,
) -> Answer:
    """Create or update the rules in Kibana; safe to repeat. Changes made in Kibana are kept.

    A rule whose default threshold would fire at once is created disabled; `alerts suggest` derives one that
    fits, and the next install enables the rule.
    """
    settings = load(config)
    with ExitStack() as stack:
        hosts = settings.elasticsearch.hosts
        es = stack.enter_context(closing(connect(settings.elasticsearch))) if hosts else None
        kibana = stack.enter_context(KibanaClient(settings.kibana))
        plan = plan_install(kibana, settings, impression(es, settings, utc_now()), overwrite=overwrite)
        return _carry_out(kibana, plan, dry_run=dry_run)


@commands.command()
@answers(CHANGES)
def uninstall(config: ConfigOption = None, dry_run: DryRun = False) -> Answer:
    """Remove the agent's rules of this namespace from Kibana, and no others."""
    settings = load(config)
    with KibanaClient(settings.kibana) as kibana:
        return _carry_out(kibana, plan_uninstall(kibana, settings), dry_run=dry_run)


@commands.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; created if missing.")],
    kibana: Annotated[str, typer.Option(help="Kibana's version, such as 8.19.")] = "9.2",
    config: ConfigOption = None,
) -> None:
    """Write the rules as request bodies, and templates.ndjson to import into Kibana 9.2.1 or newer."""
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", kibana):
        raise ConfigError(f"--kibana: {quoted(kibana) or 'the value'} is not a version; write 8.19 or 9.2")
    version = tuple(int(part) for part in kibana.split("."))
    if version < OLDEST_ELASTIC:
        raise ConfigError(f"--kibana: {kibana} is too old for the rules; they need {OLDEST_TEXT} or newer")
    settings = load(config)
    files = exported(settings, version)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise not_written(f"{folder}:", error) from None
    say(f"{len(files)} files in {folder}")
    for rule, why in left_out(settings):
        say(f"{rule.key} is off and left out: {why}.")


def _carry_out(kibana: KibanaClient, changes: list[Change], *, dry_run: bool) -> Answer:
    table = CHANGES.table([(change.name, change.action, change.detail) for change in changes])
    if dry_run:
        requests = [request for change in changes for request in change.requests]
        shown = ({"method": one.method, "path": one.path, "body": one.body} for one in requests)
        return Answer(table, plain="".join(json.dumps(request) + "\n" for request in shown))
    apply(kibana, changes)
    return Answer(table)

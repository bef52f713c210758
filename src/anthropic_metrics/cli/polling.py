"""`run`, `once`, `backfill`, `preview`: the commands that read the Admin API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Annotated

import typer

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent, utc_now
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.cli.cluster import embedded_cluster, own_data
from anthropic_metrics.cli.common import ConfigOption, OnlyOption, load, progress
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.render import Answer, answers, json_text, say
from anthropic_metrics.cli.summary import SUMMARY, summary
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.signals import until_asked


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(once)
    app.command()(backfill)
    app.command()(preview)


def run(
    config: ConfigOption = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start an Elasticsearch of its own instead of using a cluster.")
    ] = False,
) -> None:
    """Poll until stopped. SIGTERM or Ctrl-C ends it cleanly."""
    settings = load(config)
    with ExitStack() as stack:
        if embedded:
            settings = stack.enter_context(embedded_cluster(settings, data=own_data()))
            say(f"Elasticsearch at {settings.elasticsearch.hosts[0]}; health on port {settings.health.port}.")
            say("From another terminal, commands that read take --embedded: `check --embedded`.")
        raise typer.Exit(daemon.run(Agent(settings)))


@answers(SUMMARY)
def once(config: ConfigOption = None, only: OnlyOption = None) -> Answer:
    """One pass of every poller over its whole window, backfill included."""
    settings = load(config)
    with until_asked() as stop, Agent(settings, stop=stop) as agent:
        agent.organization.only([*(only or [])])
        with progress(agent.organization.ranges()) as advance:
            tallies = attempt_all(agent, agent.organization.whole(agent.sink, advance))
    return summary(tallies)


@answers(SUMMARY)
def backfill(
    since: Annotated[
        str, typer.Option(help="First day (2026-01-01), a length back (90d) or a word (last-month).")
    ],
    until: Annotated[str | None, typer.Option(help="End, exclusive; else now.", show_default=False)] = None,
    config: ConfigOption = None,
    only: OnlyOption = None,
) -> Answer:
    """Read an older range, newest first; minutes only as far back as usage.minute_backfill."""
    now = utc_now()
    wanted = Range(moment(since, "--since", now), moment(until, "--until", now) if until else now)
    if wanted.start >= wanted.end:
        raise ConfigError(
            f"--since: {since} is not before the end of the range, {wanted.end:%Y-%m-%dT%H:%MZ}"
        )
    settings = load(config)
    with until_asked() as stop, Agent(settings, stop=stop) as agent:
        agent.organization.only([*(only or [])])
        with progress(agent.organization.ranges(wanted)) as advance:
            tallies = attempt_all(agent, agent.organization.older(agent.sink, wanted, advance))
    return summary(tallies)


def preview(config: ConfigOption = None, only: OnlyOption = None) -> None:
    """The documents as NDJSON on stdout; nothing is written anywhere."""
    settings = load(config)
    settings.require_admin_key()
    with until_asked() as stop, AdminClient(settings.anthropic, stop=stop) as client:
        organization = Organization(
            settings,
            client,
            Inventory(
                AdminDirectory(client),
                organization_id=settings.anthropic.organization_id,
                teams=teams_of(settings.teams),
            ),
            clock=utc_now,
            only=[*(only or [])],
        )
        tallies: list[Tally] = []
        for document in organization.documents(tallies):
            sys.stdout.write(json_text(document.source) + "\n")
        for document in _derived(settings, organization) if only else ():
            sys.stdout.write(json_text(document.source) + "\n")
    for tally in tallies:
        if tally.unread:
            say(f"{tally.stream}: {tally.unread}", style="red")
    raise typer.Exit(0 if all(tally.done for tally in tallies) else 1)


def attempt_all(agent: Agent, jobs: list[Job]) -> list[Tally]:
    """Every job once, one after the other; a failing one does not keep the next from its turn."""
    return [agent.attempt(job) for job in jobs]


def _derived(config: Config, organization: Organization) -> Iterator[Prepared]:
    """The documents of the derived streams that were named, computed from the streams there are."""
    for poller in organization.pollers:
        if isinstance(poller, DerivedPoller):
            config.require_elasticsearch()
            with closing(connect(config.elasticsearch)) as es:
                whole = poller.derivation.history(utc_now())
                yield from poller.computed(whole, ElasticQuestions(es, must_refresh=False))

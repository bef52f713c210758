"""`run`, `once`, `backfill`, `preview`: the commands that read the Admin API."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent, utc_now
from anthropic_metrics.agent.memory import share_heaps
from anthropic_metrics.agent.organization import Organization, inventory_of
from anthropic_metrics.agent.places import pass_over
from anthropic_metrics.cli.asking import admin_client
from anthropic_metrics.cli.cluster import own_cluster
from anthropic_metrics.cli.common import (
    ConfigOption,
    EmbeddedOption,
    OnlyOption,
    OwnServerOption,
    PollerName,
    load,
)
from anthropic_metrics.cli.dates import moment
from anthropic_metrics.cli.organizations import OrganizationOption, answered, chosen, together
from anthropic_metrics.cli.progress import Bar, progress
from anthropic_metrics.cli.render import Answer, answers, json_text, say
from anthropic_metrics.cli.summary import SUMMARY, summary
from anthropic_metrics.config import Config
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError, Stopped
from anthropic_metrics.health_server import listen
from anthropic_metrics.healthcheck import address
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.links import with_address
from anthropic_metrics.signals import until_asked

STAYS = "The data stays on this machine; commands that read it take --embedded, such as `spend --embedded`."

STOPPED = "Stopping. What was written stays; the next pass writes what is missing."


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(once)
    app.command()(backfill)
    app.command()(preview)


def run(config: ConfigOption = None, embedded: OwnServerOption = False) -> None:
    """Poll until stopped. SIGTERM, SIGHUP or Ctrl-C ends it cleanly."""
    own = _configured(config, embedded=embedded)
    # Before a server is started, which takes seconds: whoever starts a second agent knows it at once.
    with (
        listen(own.health) as listener,
        _cluster(own, embedded=embedded, shared=False) as settings,
    ):
        if embedded:
            health = address(own.health.host, listener.getsockname()[1])
            say(f"Elasticsearch at {settings.elasticsearch.hosts[0]}; health at {health}.")
            say("In another terminal, add --embedded to commands that read, such as `check --embedded`.")
        raise typer.Exit(daemon.run(_agent(settings), listener))


@answers(SUMMARY)
def once(
    config: ConfigOption = None,
    only: OnlyOption = None,
    organization: OrganizationOption = None,
    embedded: OwnServerOption = False,
) -> Answer:
    """Run every poller once over its whole range, backfill included.

    `rows` counts rows of the Admin API, which spend does not read; of headroom, the windows computed. The
    inventory adds a document about the organization. The daily checks of spend count under the agent stream,
    which holds them. A resource's document of the day is replaced when a figure in it changes, such as its
    last use.
    """
    with _passing(config, embedded=embedded) as agent:
        wanted = _wanted(agent, only, organization)
        with progress([time_range for one in wanted for time_range in one.ranges()]) as bar:
            answer = _passed(agent, {one.label: one.whole(agent.sink, bar.advance) for one in wanted}, bar)
    answer.notes += (STAYS,) if embedded else ()
    return answer


@answers(SUMMARY)
def backfill(
    since: Annotated[
        str, typer.Option(help="First day (2026-01-01), a length back (90d) or a word (last-month).")
    ],
    until: Annotated[
        str | None, typer.Option(help="End, exclusive; by default now.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    only: OnlyOption = None,
    organization: OrganizationOption = None,
    embedded: OwnServerOption = False,
) -> Answer:
    """Read an older range, newest first; minutes only as far back as usage.minute_backfill."""
    now = utc_now()
    wanted = Range(moment(since, "--since", now), moment(until, "--until", now) if until else now)
    if wanted.start >= wanted.end:
        raise ConfigError(
            f"--since: {since} is not before the end of the range, {wanted.end:%Y-%m-%dT%H:%MZ}"
        )
    with _passing(config, embedded=embedded) as agent:
        organizations = _wanted(agent, only, organization)
        with progress([time_range for one in organizations for time_range in one.ranges(wanted)]) as bar:
            jobs = {one.label: one.older(agent.sink, wanted, bar.advance) for one in organizations}
            return _passed(agent, jobs, bar)


def preview(
    config: ConfigOption = None,
    only: OnlyOption = None,
    organization: OrganizationOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Print the documents as NDJSON; nothing is written to Elasticsearch."""
    wanted = chosen(load(config, embedded=embedded), organization)
    done, refused = answered({own.label: partial(_preview, own, [*(only or [])]) for own in wanted})
    for label, why in refused.items():
        say(f"{label}: {why}", style="red")
    raise typer.Exit(0 if all(done.values()) and not refused else 1)


def _preview(settings: Config, only: list[PollerName]) -> bool:
    """Print the documents of one organization; whether all of it could be read."""
    settings.require_admin_key()
    tallies = _previewed(settings, only)
    for tally in tallies:
        if tally.unread:
            whose = f"{settings.label}: " if settings.label else ""
            say(f"{whose}{tally.stream}: {tally.unread}", style="red")
    return all(tally.done for tally in tallies)


def _previewed(settings: Config, only: list[PollerName]) -> list[Tally]:
    """The documents of one organization, on stdout."""
    with until_asked() as stop, admin_client(settings, stop) as client:
        inventory = inventory_of(settings, client)
        organization = Organization(settings, client, inventory, clock=utc_now, only=only)
        tallies: list[Tally] = []
        for document in organization.documents(tallies):
            sys.stdout.write(json_text(document.source) + "\n")
        for document in _derived(settings, organization, tallies) if only else ():
            sys.stdout.write(json_text(document.source) + "\n")
    return tallies


def _configured(config: Path | None, *, embedded: bool) -> Config:
    """The configuration of a command that polls; ConfigError where it lacks a key or a cluster."""
    settings = load(config, polls=True)
    settings.require_admin_key()
    if not embedded:
        settings.require_elasticsearch(embeddable=True)
    return settings


@contextmanager
def _cluster(settings: Config, *, embedded: bool, shared: bool = True) -> Iterator[Config]:
    """The configuration with the cluster of a command that polls."""
    if not embedded:
        yield settings
        return
    with own_cluster(settings, shared=shared) as connected:
        yield connected


def _agent(settings: Config, stop: threading.Event | None = None) -> Agent:
    """The agent of a command that polls, in a process that is made for its many threads. A pass, which has a
    `stop`, shows its failures below its table."""
    share_heaps()
    return Agent(settings, stop=stop, tells=stop is None)


@contextmanager
def _passing(config: Path | None, *, embedded: bool) -> Iterator[Agent]:
    """The agent of a command that makes one pass and ends when it is asked to."""
    with (
        _cluster(_configured(config, embedded=embedded), embedded=embedded) as settings,
        until_asked(_Told()) as stop,
        _agent(settings, stop) as agent,
    ):
        yield agent


class _Told(threading.Event):
    """Says that the pass was stopped, at once: what it waits for may keep it for seconds."""

    def set(self) -> None:
        super().set()
        with suppress(OSError):
            say(STOPPED)


def _wanted(agent: Agent, only: list[PollerName] | None, organization: str | None) -> list[Organization]:
    """The organizations to read, with the pollers that were named."""
    labels = {one.label for one in chosen(agent.config, organization)}
    wanted = [one for one in agent.organizations if one.label in labels]
    for one in wanted:
        one.only([*(only or [])])
    return wanted


def _passed(agent: Agent, jobs: Mapping[str, list[Job]], bar: Bar) -> Answer:
    """One pass of each organization: one that is down delays no other. Raises Stopped, and what keeps every
    poller from writing: it would be the failure of each.
    """
    agent.set_up()
    try:
        tallies = pass_over(agent, jobs, bar.begin)
    except Stopped:
        _say_failures(agent)
        raise
    answers = dict(zip(jobs, map(summary, tallies), strict=True))
    return together(answers) if len(answers) > 1 else next(iter(answers.values()))


def _say_failures(agent: Agent) -> None:
    """What has failed so far: no table follows when a pass is stopped."""
    for label, health in agent.runtime.health.items():
        for name, state in health.pollers.items():
            if state.reason:
                say(": ".join(filter(None, (label, name, with_address(state.reason)))), style="red")


def _derived(config: Config, organization: Organization, tallies: list[Tally]) -> Iterator[Prepared]:
    """The documents of the derived streams that were named, computed from the streams there are."""
    for poller in organization.pollers:
        if isinstance(poller, DerivedPoller):
            config.require_elasticsearch(embeddable=True)
            with closing(connect(config.elasticsearch)) as es:
                history = poller.keeper.history(utc_now())
                tally = Tally(poller.only, poller.stream)
                tallies.append(tally)
                ask = ElasticQuestions(es, must_refresh=False)
                for _, documents in poller.computed(history, ask, tally):
                    yield from documents

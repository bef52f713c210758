"""`digest`: what a day or a week cost, printed or posted to the alert webhooks."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.alerts.webhooks import Poster, Webhook, webhooks
from anthropic_metrics.budgets.limits import SpendLimits
from anthropic_metrics.checks.admin import IMPATIENT
from anthropic_metrics.cli.budgets import names_of
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.organizations import OrganizationOption, answered, chosen
from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config
from anthropic_metrics.digest.collect import Collector, finished
from anthropic_metrics.digest.content import Digest
from anthropic_metrics.digest.message import body, slack, text
from anthropic_metrics.digest.send import active_keys
from anthropic_metrics.elastic.connect import Client, connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError, RetryLater
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.redaction import clean


class Every(StrEnum):
    """The period of a digest."""

    daily = "daily"
    weekly = "weekly"


class Shape(StrEnum):
    """How `--print` shows it."""

    text = "text"
    json = "json"
    slack = "slack"


def register(app: typer.Typer) -> None:
    app.command()(digest)


def digest(
    show: Annotated[bool, typer.Option("--print", help="Print the digest instead of posting it.")] = False,
    every: Annotated[
        Every | None,
        typer.Option(help="The last day or the last week; by default as in `digest`, otherwise the week."),
    ] = None,
    shape: Annotated[
        Shape, typer.Option(help="With --print: as text, or as a webhook receives it.")
    ] = Shape.text,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Post spend, movers, budgets, forecast, possible savings and unused keys of the last day or week.

    It goes to alerts.webhooks and alerts.slack_webhooks; with `digest: daily` or `weekly`, `run` posts it."""
    settings, now = load(config, embedded=embedded), utc_now()
    settings.require_elasticsearch(embeddable=True)
    settings.require_admin_key()
    to = webhooks(settings.alerts)
    if not show and not to:
        raise ConfigError(
            "alerts.webhooks, alerts.slack_webhooks: there is no webhook to post to; --print shows the digest"
        )
    is_daily = every is Every.daily or (every is None and settings.digest == "daily")
    time_range = finished(now, "daily" if is_daily else "weekly")
    with closing(connect(settings.elasticsearch)) as es:
        wanted = chosen(settings, organization)
        each = {own.label: partial(_collected, es, own, time_range, now) for own in wanted}
        digests, refused = answered(each)
    troubles = {label: one.limits_trouble for label, one in digests.items() if one.limits_trouble}
    problems = [
        f"{label}: {why}" if len(wanted) > 1 else why for label, why in {**refused, **troubles}.items()
    ]
    if show:
        _print(list(digests.values()), shape, several=len(wanted) > 1)
    elif digests:
        failures = _post(digests.values(), to)
        say(f"Posted to {len(to) - len(failures)} webhooks.")
        problems += failures
    for problem in problems:
        say(problem, style="red")
    raise typer.Exit(1 if problems else 0)


def _post(digests: Iterable[Digest], to: Sequence[Webhook]) -> list[str]:
    """Post each digest to each webhook; why a webhook did not take all of them."""
    poster, refused = Poster(threading.Event()), dict[str, str]()
    for one in digests:
        for webhook in to:
            try:
                poster.post_body(webhook, slack(one) if webhook.kind == "slack" else body(one))
            except RetryLater as error:
                refused.setdefault(webhook.name, str(error))
    return list(refused.values())


def _collected(es: Client, config: Config, time_range: Range, now: datetime) -> Digest:
    with AdminClient(config.anthropic, retry=IMPATIENT) as client:
        names = names_of(config, es, client, now)
        collector = Collector(config, ElasticQuestions(es, must_refresh=False), names)
        limits = SpendLimits(client)
        made = collector.digest(time_range, now, active_keys(client), limits.read(now, Problems()))
        return replace(made, limits_trouble=limits.trouble)


def _print(digests: Sequence[Digest], shape: Shape, *, several: bool) -> None:
    """Texts one below the other; of several organizations a JSON list."""
    if shape is Shape.text:
        words = "\n\n".join(map(text, digests))
    else:
        bodies = [slack(one) if shape is Shape.slack else body(one) for one in digests]
        words = json.dumps(bodies if several else bodies[0], indent=2)
    sys.stdout.write("\n".join(map(clean, words.split("\n"))) + "\n")

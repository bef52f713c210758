"""What each stream holds: newest data and its age, documents of others, and how its last poll went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from anthropic_metrics.checks.finding import Finding, Status
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.contents import Contents, Share, contents
from anthropic_metrics.elastic.polls import LastPoll, last_polls
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.datasets import AGENT, ALERT, INVENTORY, RATE_LIMIT, stream_name
from anthropic_metrics.links import page
from anthropic_metrics.streams.registry import BY_DATASET

FOREIGN_CURE = (
    f"Stop the other shipper (Elastic's integration, most likely); {page('migration.md')} says how, and how "
    "to delete its documents."
)
_WRITTEN = (AGENT, ALERT, INVENTORY, RATE_LIMIT)
_NEVER_CURE = "Run `anthropic-metrics once`, or start `anthropic-metrics run`."


def streams(
    es: Client,
    config: Config,
    now: datetime,
    organization_id: str | None,
    known: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """A finding per stream that holds documents of the organization, or of others than `known`, or was ever
    polled; one if there is no such stream.
    """
    try:
        polls = last_polls(es, stream_name(AGENT, config.namespace), organization_id)
    except MetricsError as error:
        yield Finding("Streams", Status.failed, error.message, error.cure)
        return
    empty = True
    for dataset in BY_DATASET:
        stream = stream_name(dataset, config.namespace)
        try:
            there = contents(es, stream, organization_id)
            others = tuple(share for share in there.organizations if share.name not in known)
            there = replace(there, organizations=others)
        except MetricsError as error:
            yield Finding(stream, Status.failed, error.message, error.cure)
            empty = False
            continue
        if there.documents or there.foreign or there.organizations or stream in polls:
            empty = False
            yield judged(stream, there, polls.get(stream), now)
    if empty:
        details = f"nothing was ever written to the namespace {config.namespace}"
        yield Finding("Streams", Status.failed, details, _NEVER_CURE)


def judged(stream: str, there: Contents, poll: LastPoll | None, now: datetime) -> Finding:
    """The line of one stream; the gravest trouble decides about its cure."""
    details = [f"{there.documents:,} documents"]
    if there.newest is not None:
        # The time of a bucket is its start; other documents have the time at which they were written.
        newest = (
            "newest" if any(stream_name(each, "") in stream for each in _WRITTEN) else "newest bucket begins"
        )
        details.append(f"{newest} {there.newest:%Y-%m-%d %H:%MZ}, {age(now - there.newest)} ago")
    if there.organizations:
        details.append(f"other organizations: {_listed(there.organizations)}")
    troubles = list(_troubles(there, poll, now))
    if not troubles:
        return Finding(stream, Status.ok, "; ".join(details))
    told = "; ".join([text for text, _ in troubles] + details)
    return Finding(stream, Status.failed, told, troubles[0][1])


def age(length: timedelta) -> str:
    """A length in its largest unit: `24m`, `5h`, `3d`."""
    minutes = max(0, int(length.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // (24 * 60)}d"


def _troubles(there: Contents, poll: LastPoll | None, now: datetime) -> Iterator[tuple[str, str]]:
    if there.foreign:
        yield (
            f"{there.foreign_documents:,} documents of others: {_listed(there.foreign)}",
            FOREIGN_CURE,
        )
    if poll is None:
        return
    if poll.bad_rows:
        cure = "Read the agent's log (rows_refused); upgrade anthropic-metrics if the API has changed."
        yield f"{poll.bad_rows:,} rows of the API refused at the last poll", cure
    if poll.failure:
        at = f"{poll.at:%Y-%m-%d %H:%MZ}"
        yield f"the last poll failed: {poll.failure}", f"Read the agent's log around {at}."
    elif poll.is_silent(now):
        yield f"the last poll was {age(now - poll.at)} ago", "Start `anthropic-metrics run`, or the CronJob."


def _listed(shares: tuple[Share, ...]) -> str:
    return ", ".join(f"{share.name} ({share.documents:,})" for share in shares)

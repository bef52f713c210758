"""What each rule says at a moment, also when it cannot say anything: silence without data is no good news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.alerts.catalog import every_rule, off_because
from anthropic_metrics.alerts.execute import Alert, alerts, run
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config
from anthropic_metrics.documents.base import AGENT_NAME
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.query import whole
from anthropic_metrics.errors import MetricsError, NoData
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.ranges import iso

State = Literal["fires", "quiet", "no data", "off", "failed"]


@dataclass(frozen=True)
class Verdict:
    """One rule at one moment. `reason` says why it is off, failed or without data."""

    rule: Rule
    state: State
    alerts: tuple[Alert, ...] = ()
    reason: str = ""


def evaluate(es: Elasticsearch, config: Config, at: datetime) -> Iterator[Verdict]:
    """Every rule in order; nothing is sent or stored. A rule that cannot be run does not stop the others."""
    for rule in every_rule(config):
        if why := off_because(rule, config):
            yield Verdict(rule, "off", reason=why)
            continue
        try:
            yield _verdict(es, rule, config.namespace, at)
        except MetricsError as error:
            yield Verdict(rule, "failed", reason=str(error))


def _verdict(es: Elasticsearch, rule: Rule, namespace: str, at: datetime) -> Verdict:
    try:
        fired = run(es, rule, at)
    except NoData as error:
        unwritten = tuple(alerts(rule, rule.unwritten))
        return Verdict(rule, "fires" if unwritten else "no data", unwritten, error.message)
    if fired:
        return Verdict(rule, "fires", tuple(fired))
    empty = [
        name
        for name in (stream_name(dataset, namespace) for dataset in rule.reads)
        if not _has_documents(es, name, at - rule.window, at)
    ]
    if empty:
        return Verdict(rule, "no data", reason=f"{', '.join(empty)} holds nothing of the rule's window")
    return Verdict(rule, "quiet")


def _has_documents(es: Elasticsearch, name: str, start: datetime, end: datetime) -> bool:
    """Whether the agent has written anything into this window of a stream."""
    window = {"range": {"@timestamp": {"gt": iso(start), "lte": iso(end)}}}
    query = {"bool": {"filter": [window, {"term": {"agent.name": AGENT_NAME}}]}}
    with translated(f"Asking {name}"):
        try:
            answer = whole(es, name, index=name, query=query, size=0, track_total_hits=1)
        except NotFoundError:
            return False
    return bool(answer["hits"]["total"]["value"])

"""What each rule says at a moment, also when it cannot say anything: silence without data is no good news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from anthropic_metrics.alerts.catalog import concerned, every_rule, off_because
from anthropic_metrics.alerts.execute import Alert, alerts, judged, rows, run
from anthropic_metrics.alerts.organizations import NAME
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config
from anthropic_metrics.documents.base import AGENT_NAME
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.query import aggregate
from anthropic_metrics.errors import AuthError, MetricsError, NoData
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.telemetry.spans import expanded

# The rule that tells of streams without fresh data.
SILENCE = "no_fresh_data"
State = Literal["fires", "quiet", "no data", "off", "failed"]


@dataclass(frozen=True)
class Verdict:
    """One rule at one moment. `reason` says why it is off, failed or without data; `is_cut`: there may be
    more alerts than these."""

    rule: Rule
    state: State
    alerts: tuple[Alert, ...] = ()
    reason: str = ""
    is_cut: bool = False

    def concerns(self, organization: str | None) -> bool:
        """Whether the rule is for this organization, or for several; None: for any."""
        return organization is None or self.rule.organization in ("", organization)

    def of(self, organization: str) -> Verdict:
        """What the rule says of this organization alone."""
        own = tuple(alert for alert in self.alerts if alert.row.get(NAME, organization) == organization)
        return replace(self, alerts=own, state="quiet" if self.state == "fires" and not own else self.state)


def evaluate(es: Client, config: Config, at: datetime) -> Iterator[Verdict]:
    """Every rule in order; nothing is sent or stored. A rule that cannot be run does not stop the others."""
    for rule in every_rule(config):
        if why := off_because(rule, config):
            yield Verdict(rule, "off", reason=why)
            continue
        try:
            yield _verdict(es, rule, config.namespace, at)
        except MetricsError as error:
            yield Verdict(rule, "failed", reason=str(error))


def silent_streams(es: Client, config: Config, at: datetime) -> set[tuple[str, str]]:
    """The streams that no poll has kept for three of its intervals, by the agent's own record of polls.

    Each with the organization whose polls they are, empty where there is one. Raises what `run` raises, but
    for NoData: without a record every stream is silent.
    """
    silent = set()
    for rule in every_rule(config):
        if rule.key.startswith(SILENCE):
            try:
                found = run(es, rule, at)
            except NoData:
                found = alerts(rule, rule.unwritten)
            silent |= {(rule.organization, str(alert.row["stream"])) for alert in found}
    return silent


def first_impression(es: Client, rule: Rule, config: Config, now: datetime) -> tuple[int, str]:
    """How many alerts the rule would begin with under a default threshold, and what to say about it.

    0 and nothing where the threshold is the user's own; whoever sets up need not read the streams. Raises
    what `run` raises, but for NoData and AuthError.
    """
    if not has_default(rule, config):
        return 0, ""
    try:
        found = judged(es, rule, now)
    except NoData:
        return 0, "no data yet to evaluate its default threshold; `alerts suggest` derives one"
    except AuthError:
        return 0, "its default threshold was not evaluated: this user may not read the streams"
    count = len(found.alerts)
    many = f"{count:,} alerts{' or more' if found.is_cut else ''}"
    return count, f"would begin with {many}; `anthropic-metrics alerts suggest` derives thresholds"


def has_default(rule: Rule, config: Config) -> bool:
    """Whether the rule has a threshold, and nobody has set it."""
    if rule.limit is None or rule.limit.setting in config.alerts.model_fields_set:
        return False
    budgeted = [each.month_budget is not None for each in concerned(rule, config)]
    return not (rule.limit.setting == "monthly_budget_usd" and all(budgeted))


def _verdict(es: Client, rule: Rule, namespace: str, at: datetime) -> Verdict:
    try:
        found = judged(es, rule, at)
    except NoData as error:
        unwritten = tuple(alerts(rule, rule.unwritten))
        return Verdict(rule, "fires" if unwritten else "no data", unwritten, error.message)
    if found.alerts:
        return Verdict(rule, "fires", tuple(found.alerts), is_cut=found.is_cut)
    if rule.spans and not _has_calls(es, rule, namespace, at):
        return Verdict(rule, "no data", reason="no traces of the Claude API in the rule's window")
    empty = [
        name
        for name in (stream_name(dataset, namespace) for dataset in rule.reads)
        if not _has_documents(es, name, at - rule.window, at, rule.organization)
    ]
    if empty:
        return Verdict(rule, "no data", reason=f"{', '.join(empty)} has no data in the rule's window")
    return Verdict(rule, "quiet")


def _has_calls(es: Client, rule: Rule, namespace: str, at: datetime) -> bool:
    """Whether any span of a request arrived in this window."""
    query = expanded("FROM calls\n| STATS calls = COUNT(*)", stream_name(AGENT, namespace))
    _, ((count,),) = rows(es, query, rule.window, at)
    return bool(count)


def _has_documents(es: Client, name: str, start: datetime, end: datetime, organization: str) -> bool:
    """Whether the agent has written anything into this window of a stream, of this organization if named."""
    window = {"range": {"@timestamp": {"gt": iso(start), "lte": iso(end)}}}
    own = [{"term": {"organization.name": organization}}] if organization else []
    query = {"bool": {"filter": [window, {"term": {"agent.name": AGENT_NAME}}, *own]}}
    newest = aggregate(es, name, query, {"newest": {"max": {"field": "@timestamp"}}}).get("newest", {})
    return newest.get("value") is not None

"""A rule as a value, and its definition: data from which a configuration makes the rule.

A definition's texts are templates: `$name` stands for a setting of `alerts:`, for `$now` (the end of the
window), for `$dollars` (the field of RUNNING), for `$limits_read` or for a value of `fill`. Every query
begins with the streams it reads and a filter on the agent's own documents, so that another shipper in the
same stream changes no rule, and ends with a SORT by the alert's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from string import Template
from typing import Any, Literal

from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.config import Config
from anthropic_metrics.documents.base import OWN
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, stream_name
from anthropic_metrics.limits.rounds import longest_round
from anthropic_metrics.telemetry.spans import expanded

# The end of the window, which Kibana hands to the query. Never NOW(): a rule must be able to look back.
NOW = "TO_DATETIME(?_tend)"
# Stands in `reads` for the running figure: spend, today's estimates included; where it is not kept, the bill.
RUNNING = "running"
HOURLY, QUARTERLY = timedelta(hours=1), timedelta(minutes=15)

Values = Mapping[str, str]
Unit = Literal["amount", "percent", "factor"]


@dataclass(frozen=True)
class Limit:
    """The one setting that decides when a rule fires, and the column of the row that is held against it.

    `above`: the rule fires above the limit, else below it. `unit`: a percentage or a factor means the same to
    an organization of any size; an amount does not. `by_day`: the query gives the same over a window of
    one UTC day, so that the past can be judged day by day; else every `step`, over the rule's own window.
    `sliced`: the query's one STATS can group by `step` too, so that one answer judges many of them.
    `weekly` is how often a week the rule may fire under a threshold that fits.
    """

    setting: str
    column: str
    above: bool = True
    unit: Unit = "amount"
    by_day: bool = True
    step: timedelta = timedelta(days=1)
    sliced: bool = False
    weekly: int = 1


@dataclass(frozen=True)
class Rule:
    """One alert rule with its thresholds rendered into the query.

    Every row that `query` returns over the documents of the last `window` is an alert. `identity` names the
    columns that make the alert's id: they stand, as plain names, after the last BY, which is where every
    version of Kibana looks for them. `threshold` is for people, `subject` is a Mustache text over the row's
    columns. `reads` are the datasets of the query, `needs` those that must be collected besides, `groups` the
    dimensions of usage that the rule needs. `unwritten` are the rows that hold while the stream does not
    exist. `organization` names the only one that the rule is for, of several. `spans`: it reads the API's own
    traces, which may not be there. What each rule means, and what to do, is in docs/alerts.md.
    """

    key: str
    title: str
    threshold: str
    query: str
    window: timedelta
    schedule: timedelta
    subject: str
    identity: tuple[str, ...]
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    limit: Limit | None = None
    unwritten: tuple[Mapping[str, Any], ...] = ()
    spans: bool = False
    organization: str = ""

    @property
    def plain_key(self) -> str:
        """The key without the organization, as the configuration has it."""
        return self.key.removesuffix(f", {self.organization}") if self.organization else self.key

    @property
    def name(self) -> str:
        """The name that Kibana shows."""
        return f"[Anthropic] {self.title}"


@dataclass(frozen=True)
class Definition:
    """A rule before its configuration. `query` are the commands between the first two and the last one.

    `needs` are datasets that the query does not read, and without which what it reads is not written.
    `polled` is how often what it reads comes: by default often enough for `window` to hold the latest.
    """

    key: str
    title: str
    threshold: str
    reads: tuple[str, ...]
    query: tuple[str, ...]
    identity: tuple[str, ...]
    subject: str
    window: timedelta
    schedule: timedelta = HOURLY
    needs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    limit: Limit | None = None
    fill: Callable[[Config], Values] | None = None
    # Whether it gives way to a budget of the organization.
    own: bool = False
    unwritten: Callable[[Config], tuple[Mapping[str, Any], ...]] | None = None
    spans: bool = False
    polled: Callable[[Config], timedelta] | None = None

    @property
    def is_of_one(self) -> bool:
        """Whether the rule is made of settings that each of several organizations has of its own."""
        return self.fill is not None or self.own

    def rule(self, config: Config) -> Rule:
        """The rule with the thresholds of the configuration."""
        running = SPEND if collects_spend(config) else COST
        dollars = {"dollars": f"anthropic.{'spend' if running == SPEND else 'cost'}.amount_usd"}
        values = _settings(config) | dollars | dict(self.fill(config) if self.fill else {})
        reads = tuple(running if dataset == RUNNING else dataset for dataset in self.reads)
        streams = [stream_name(dataset, config.namespace) for dataset in reads]
        commands = [*(_filled(line, values) for line in self.query), f"SORT {', '.join(self.identity)}"]
        return Rule(
            key=self.key,
            title=_filled(self.title, values),
            threshold=_filled(self.threshold, values),
            query=_of_calls(streams, commands, config)
            if self.spans
            else lines(f"FROM {', '.join(streams)}", f"WHERE {OWN}", *commands),
            window=self.window + self._wait(config),
            schedule=self.schedule,
            subject=_filled(self.subject, values),
            identity=self.identity,
            reads=reads,
            needs=self.needs,
            groups=self.groups,
            limit=self.limit,
            unwritten=self.unwritten(config) if self.unwritten else (),
            spans=self.spans,
        )

    def _wait(self, config: Config) -> timedelta:
        """What polls that are rarer than the default add to the window, or it would be empty between them."""
        if self.polled is None:
            return timedelta(0)
        rarest = max(map(self.polled, config.per_organization()))
        return max(timedelta(0), rarest - self.polled(Config()))


def _of_calls(streams: list[str], commands: list[str], config: Config) -> str:
    return expanded(
        lines(", ".join(["FROM calls", *streams]), *commands), stream_name(AGENT, config.namespace)
    )


def _settings(config: Config) -> dict[str, str]:
    figures = {
        name: number(value)
        for name, value in config.alerts
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return figures | {"now": NOW, "limits_read": _limits_read(config)}


def _limits_read(config: Config) -> str:
    """How long ago a workspace's limits were read at most, where one turn was missed. A workspace that was
    not read since counts as one without limits of its own: an older API lists nothing of such a workspace."""
    limits = (each.rate_limits for each in config.per_organization())
    longest = max(2 * longest_round(each.interval, each.workspace_interval) for each in limits)
    return f"{longest // HOURLY} hours" if longest > HOURLY * 24 else "1 day"


def _filled(template: str, values: Values) -> str:
    return Template(template).substitute(values)


def number(value: float | Decimal) -> str:
    """A plain literal: no exponent, no needless decimals."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def text(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def field(name: str) -> str:
    """A field name that may hold any character."""
    return "`" + name.replace("`", "``") + "`"


def no_mustache(name: str) -> str:
    """A name that stands in a Mustache text as it is."""
    return re.sub(r"\{(?=\{)", "{ ", name)


def above(
    threshold: str, figure: str, summed: str, by: tuple[str, ...], *, names: str = ""
) -> tuple[str, ...]:
    """The commands of a rule over a sum: every group of `by` in which `figure` is above the threshold.

    `names` are further aggregates, each after a comma.
    """
    return (
        f"STATS {figure} = SUM({summed}){names} BY {', '.join(by)}",
        f"WHERE {figure} > {threshold}",
        f"EVAL {figure} = ROUND({figure}, 2)",
    )


def lines(*parts: str) -> str:
    """A query, one command a line."""
    return "\n| ".join(parts)

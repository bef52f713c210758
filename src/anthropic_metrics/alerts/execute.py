"""Runs a rule against Elasticsearch exactly as Kibana's `.es-query` rule type does.

The window is a DSL filter on `@timestamp`, open at its start; `?_tstart` and `?_tend` are given where the
query asks for them; every row is an alert whose id is made of the row. So what the tests prove of a rule here
holds for Kibana, and the agent can raise the same alerts without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.query import Table, esql
from anthropic_metrics.kernel.ranges import iso

# Kibana's default for the most alerts of one run (xpack.alerting.rules.run.alerts.max).
MOST_ALERTS = 1000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """One row that a rule returned, and the id under which it is the same alert at the next run."""

    id: str
    row: Row


@dataclass(frozen=True)
class Judged:
    """What one run of a rule found. `is_cut`: it returned as many rows as a run may, so there may be more."""

    alerts: list[Alert]
    is_cut: bool = False


@dataclass(frozen=True)
class Turn:
    """What one run changed: alerts that were not active before, still are, and ids that no longer are.

    `is_cut`: there were more alerts than one run returns, so that nobody knows which are over.
    """

    new: list[Alert]
    ongoing: list[Alert]
    recovered: list[str]
    is_cut: bool = False


def run(es: Client, rule: Rule, at: datetime) -> list[Alert]:
    """The alerts of `judged`."""
    return judged(es, rule, at).alerts


def judged(es: Client, rule: Rule, at: datetime) -> Judged:
    """The alerts of `rule` at the moment `at`, over the documents that stand there today.

    Raises NoData while a stream or a column of it does not exist, BadRequest when Elasticsearch refuses the
    query, and RetryLater for a partial answer.
    """
    return judge(rule, records(es, rule.query, rule.window, at))


def records(es: Client, query: str, window: timedelta, at: datetime) -> list[Row]:
    """The rows of a query by the names of their columns, as `rows` has them."""
    columns, values = rows(es, query, window, at)
    return [dict(zip(columns, value, strict=True)) for value in values]


def rows(es: Client, query: str, window: timedelta, at: datetime) -> Table:
    """Columns and rows of a query over the window that ends at `at`, as Kibana asks for them."""
    start, end = iso(at - window), iso(at)
    between = {"gt": start, "lte": end, "format": "strict_date_optional_time"}
    return esql(
        es,
        f"{query}\n| LIMIT {MOST_ALERTS}",
        doing="Evaluating a rule",
        filter={"bool": {"filter": [{"range": {"@timestamp": between}}]}},
        params={name: value for name, value in (("_tstart", start), ("_tend", end)) if f"?{name}" in query},
    )


def judge(rule: Rule, answer: Sequence[Row]) -> Judged:
    """The alerts of an answer, of which rows without an id or with one id may be fewer than rows."""
    return Judged(alerts(rule, answer), is_cut=len(answer) >= MOST_ALERTS)


def alerts(rule: Rule, answer: Iterable[Row]) -> list[Alert]:
    """Rows as alerts; rows with one id are one alert, and a row whose id has no value is none."""
    made: dict[str, Alert] = {}
    for row in answer:
        identity = ",".join(str(row[name]) for name in rule.identity if row.get(name) is not None)
        if identity:
            made.setdefault(identity, Alert(identity, row))
    return list(made.values())


def turn(active: Iterable[str], found: Judged) -> Turn:
    """Compare a run with the ids that were active before it; as in Kibana, none is over where it is cut."""
    before = set(active)
    now = {alert.id for alert in found.alerts}
    return Turn(
        new=[alert for alert in found.alerts if alert.id not in before],
        ongoing=[alert for alert in found.alerts if alert.id in before],
        recovered=[] if found.is_cut else sorted(before - now),
        is_cut=found.is_cut,
    )

"""Runs a rule against Elasticsearch exactly as Kibana's `.es-query` rule type does.

The window is a DSL filter on `@timestamp`, open at its start; `?_tstart` and `?_tend` are given where the
query asks for them; every row is an alert whose id is made of the row. So what the tests prove of a rule here
holds for Kibana, and the agent can raise the same alerts without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from anthropic_metrics.alerts.columns import id_columns
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.elastic.failures import reason, translated
from anthropic_metrics.errors import RetryLater

# Kibana's default for the most alerts of one run (xpack.alerting.rules.run.alerts.max).
MOST_ALERTS = 1000
_NO_STREAM = "Unknown index"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """One row that a rule returned, and the id under which it is the same alert at the next run."""

    id: str
    row: Row


@dataclass(frozen=True)
class Turn:
    """What one run changed: alerts that were not active before, still are, and ids that no longer are."""

    new: list[Alert]
    ongoing: list[Alert]
    recovered: list[str]


def run(es: Elasticsearch, rule: Rule, at: datetime) -> list[Alert]:
    """The alerts of `rule` at the moment `at`; none while its stream does not exist.

    Raises BadRequest when Elasticsearch refuses the query, and RetryLater for a partial answer.
    """
    return run_query(es, rule.query, rule.window, at)


def run_query(es: Elasticsearch, query: str, window: timedelta, at: datetime) -> list[Alert]:
    """The same for any query over any window."""
    start, end = _iso(at - window), _iso(at)
    between = {"gt": start, "lte": end, "format": "strict_date_optional_time"}
    given = [{name: value} for name, value in (("_tstart", start), ("_tend", end)) if f"?{name}" in query]
    with translated("Evaluating a rule"):
        try:
            answer = es.esql.query(
                query=f"{query}\n| LIMIT {MOST_ALERTS}",
                filter={"bool": {"filter": [{"range": {"@timestamp": between}}]}},
                params=given or None,
            )
        except BadRequestError as error:
            if _NO_STREAM in reason(error.body):
                return []
            raise
    if answer.get("is_partial"):
        raise RetryLater("Evaluating a rule: only some of the shards answered.")
    names = [column["name"] for column in answer["columns"]]
    return alerts(query, names, answer["values"])


def alerts(query: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> list[Alert]:
    """Rows as alerts; rows with one id are one alert, and a row whose id has no value is none."""
    keys = id_columns(query, columns)
    found: dict[str, Alert] = {}
    for value in values:
        row = dict(zip(columns, value, strict=True))
        identity = ",".join(str(row[key]) for key in keys if row[key] is not None)
        if identity:
            found.setdefault(identity, Alert(identity, row))
    return list(found.values())


def turn(active: Iterable[str], found: Sequence[Alert]) -> Turn:
    """Compare a run with the ids that were active before it."""
    before = set(active)
    now = {alert.id for alert in found}
    return Turn(
        new=[alert for alert in found if alert.id not in before],
        ongoing=[alert for alert in found if alert.id in before],
        recovered=sorted(before - now),
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

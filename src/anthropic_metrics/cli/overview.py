"""The summary of `demo`: spend, tokens, limits and what the agent did, each from one ES|QL query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch
from rich.table import Table

from anthropic_metrics.cli.common import out
from anthropic_metrics.kernel.datasets import all_streams

ROWS = 8


@dataclass(frozen=True)
class Panel:
    """A title, a query whose columns are the table's, and the formats of its numbers."""

    title: str
    query: str
    formats: dict[str, str]


PANELS = (
    Panel(
        "Spend by workspace, USD",
        "FROM metrics-anthropic_metrics.cost-{ns} | STATS usd = SUM(anthropic.cost.amount_usd) "
        "BY workspace = anthropic.workspace.name | SORT usd DESC",
        {"usd": "{:,.2f}"},
    ),
    Panel(
        "Spend by model, USD",
        "FROM metrics-anthropic_metrics.cost-{ns} | STATS usd = SUM(anthropic.cost.amount_usd) "
        "BY model = anthropic.model | SORT usd DESC",
        {"usd": "{:,.2f}"},
    ),
    Panel(
        "Tokens by model",
        "FROM metrics-anthropic_metrics.usage-{ns} | STATS input = SUM(anthropic.usage.input_tokens), "
        "cached = SUM(anthropic.usage.cached_input_tokens), output = SUM(anthropic.usage.output_tokens) "
        "BY model = anthropic.model | EVAL cache_hits = TO_DOUBLE(cached) / input "
        "| KEEP model, input, output, cache_hits | SORT input DESC",
        {"input": "{:,}", "output": "{:,}", "cache_hits": "{:.0%}"},
    ),
    Panel(
        "Rate limits of the organization, per minute",
        "FROM metrics-anthropic_metrics.rate_limit-{ns} "
        '| WHERE anthropic.rate_limit.scope == "organization" '
        '  AND anthropic.rate_limit.group_type == "model_group" '
        "| STATS requests = MAX(anthropic.rate_limit.requests_per_minute), "
        "input = MAX(anthropic.rate_limit.input_tokens_per_minute_cache_aware), "
        "output = MAX(anthropic.rate_limit.output_tokens_per_minute) "
        "BY group = anthropic.rate_limit.group_name "
        "| KEEP group, requests, input, output | SORT group",
        {"requests": "{:,}", "input": "{:,}", "output": "{:,}"},
    ),
    Panel(
        "Closest to a rate limit, minute by minute",
        "FROM metrics-anthropic_metrics.headroom-{ns} "
        '| WHERE anthropic.headroom.scope == "organization" AND NOT anthropic.headroom.unmapped '
        "| STATS peak = MAX(anthropic.headroom.peak_share), "
        "minutes_above_80 = SUM(anthropic.headroom.minutes_above_80) "
        "BY group = anthropic.headroom.group_name, limit = anthropic.headroom.limit_type "
        "| KEEP group, limit, peak, minutes_above_80 | SORT peak DESC",
        {"peak": "{:.0%}", "minutes_above_80": "{:,}"},
    ),
    Panel(
        "What the agent did",
        'FROM metrics-anthropic_metrics.agent-{ns} | WHERE event.action == "poll" '
        "| STATS requests = SUM(anthropic.poll.requests), rows = SUM(anthropic.poll.rows), "
        "created = SUM(anthropic.poll.created), seconds = SUM(anthropic.poll.seconds) "
        "BY stream = anthropic.poll.stream | KEEP stream, requests, rows, created, seconds | SORT stream",
        {"requests": "{:,}", "rows": "{:,}", "created": "{:,}", "seconds": "{:.1f}"},
    ),
)


def print_overview(es: Elasticsearch, namespace: str) -> None:
    """Print every panel as a table of at most eight rows."""
    es.indices.refresh(index=all_streams(namespace))
    for panel in PANELS:
        query = panel.query.replace("{ns}", namespace) + f" | LIMIT {ROWS + 1}"
        answer = es.esql.query(query=query)
        out.print(_table(panel, [column["name"] for column in answer["columns"]], answer["values"]))


def _table(panel: Panel, columns: list[str], rows: list[list[Any]]) -> Table:
    table = Table(title=panel.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in panel.formats else "left")
    for row in rows[:ROWS]:
        table.add_row(*(_cell(panel, name, value) for name, value in zip(columns, row, strict=True)))
    if len(rows) > ROWS:
        table.add_row("…")
    return table


def _cell(panel: Panel, column: str, value: Any) -> str:
    if value is None:
        return "-"
    return panel.formats[column].format(value) if column in panel.formats else str(value)

"""The summary of `demo`: spend, tokens, limits and what the agent did, each from one ES|QL query."""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_metrics.cli.render import Answer, Column, Layout
from anthropic_metrics.documents.base import OWN
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.elastic.query import esql
from anthropic_metrics.kernel.datasets import all_streams

ROWS = 8


@dataclass(frozen=True)
class Panel:
    """A name, a title, a query whose columns are the table's, and the formats of its numbers."""

    name: str
    title: str
    query: str
    formats: dict[str, str]

    def query_over(self, namespace: str) -> str:
        """The query over a namespace's documents of this agent."""
        source, *steps = self.query.replace("{ns}", namespace).split(" | ")
        return " | ".join([source.strip(), f"WHERE {OWN}", *steps, "LIMIT 1000"])


PANELS = (
    Panel(
        "spend_by_workspace",
        "Spend by workspace, USD",
        "FROM metrics-anthropic_metrics.cost-{ns} | STATS usd = SUM(anthropic.cost.amount_usd) "
        "BY workspace = anthropic.workspace.name | SORT usd DESC",
        {"usd": "{:,.2f}"},
    ),
    Panel(
        "spend_by_model",
        "Spend by model, USD",
        "FROM metrics-anthropic_metrics.cost-{ns} | STATS usd = SUM(anthropic.cost.amount_usd) "
        "BY model = anthropic.model | SORT usd DESC",
        {"usd": "{:,.2f}"},
    ),
    Panel(
        "spend_by_key",
        "Spend of the last 24 hours by API key, USD",
        "FROM metrics-anthropic_metrics.spend-{ns} | WHERE @timestamp >= NOW() - 24 hours "
        "| STATS usd = SUM(anthropic.spend.amount_usd), "
        'estimated = SUM(anthropic.spend.amount_usd) WHERE anthropic.spend.basis == "estimated" '
        "BY key = COALESCE(anthropic.api_key.name, anthropic.api_key.id) "
        "| KEEP key, usd, estimated | SORT usd DESC",
        {"usd": "{:,.2f}", "estimated": "{:,.2f}"},
    ),
    Panel(
        "tokens_by_model",
        "Tokens by model",
        "FROM metrics-anthropic_metrics.usage-{ns} | STATS input = SUM(anthropic.usage.input_tokens), "
        "cached = SUM(anthropic.usage.cached_input_tokens), output = SUM(anthropic.usage.output_tokens) "
        "BY model = anthropic.model | EVAL cache_hits = TO_DOUBLE(cached) / input "
        "| KEEP model, input, output, cache_hits | SORT input DESC",
        {"input": "{:,}", "output": "{:,}", "cache_hits": "{:.0%}"},
    ),
    Panel(
        "rate_limits",
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
        "headroom",
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
        "polls",
        "What the agent did",
        'FROM metrics-anthropic_metrics.agent-{ns} | WHERE event.action == "poll" '
        "| STATS requests = SUM(anthropic.poll.requests), rows = SUM(anthropic.poll.rows), "
        "created = SUM(anthropic.poll.created), seconds = SUM(anthropic.poll.seconds) "
        "BY stream = anthropic.poll.stream | KEEP stream, requests, rows, created, seconds | SORT stream",
        {"requests": "{:,}", "rows": "{:,}", "created": "{:,}", "seconds": "{:.1f}"},
    ),
)


def overview(es: Client, namespace: str, organization_id: str) -> Answer:
    """Every panel over one organization's documents as a table of at most eight rows."""
    refresh(es, all_streams(namespace))
    own = {"term": {"organization.id": organization_id}}
    tables = []
    for panel in PANELS:
        columns, values = esql(es, panel.query_over(namespace), doing=panel.title, filter=own)
        layout = Layout(panel.name, *(_column(panel, column) for column in columns))
        tables.append(layout.table(values, title=panel.title, empty=f"{panel.title}: none", most=ROWS))
    return Answer(*tables)


def _column(panel: Panel, name: str) -> Column:
    form = panel.formats.get(name)
    return Column(name, "number", show=form.format) if form else Column(name)

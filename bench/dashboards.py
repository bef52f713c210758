"""Every panel's query over a year of data: python -m bench.dashboards [days, default 365].

Prints rows and milliseconds of each, the slowest last; ends with 1 when a query fails or is cut off. Headroom
and rate limits are kept for 90 days: the newest day of headroom and the newest snapshot of limits are copied
that far back, a day and a quarter of an hour apart.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk, scan
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import AnthropicSettings, Backfill, Config, ElasticsearchSettings
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.kibana.definitions import load_bundle
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer

NOW = datetime(2026, 10, 6, 15, 42, tzinfo=UTC)
MOST_ROWS = 10_000
KEPT = timedelta(days=90)
REPEATED = {"headroom": timedelta(days=1), "rate_limit": timedelta(minutes=15)}
DATES = {"@timestamp", "window_start", "window_end", "peak_minute"}


def main(arguments: list[str]) -> int:
    span = timedelta(days=int(arguments[0]) if arguments else 365)
    logs.configure("warning")
    clock = SettableClock(NOW)
    simulation = Simulation(clock, days=span.days, revisions="usual")
    with SimulatorServer(simulation) as server, EmbeddedElasticsearch(heap="1g") as cluster:
        config = Config(
            anthropic=AnthropicSettings(
                base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
            ),
            elasticsearch=ElasticsearchSettings(hosts=(cluster.url,)),
            backfill=Backfill(span),
        )
        began = time.monotonic()
        with Agent(config, clock=clock.now) as agent:
            for job in agent.organization.whole(agent.sink):
                agent.attempt(job)
        es = Elasticsearch(cluster.url, request_timeout=120)
        es.indices.refresh(index="metrics-*")
        for name, step in REPEATED.items():
            repeat(es, stream_name(f"anthropic_metrics.{name}", config.namespace), step, KEPT)
        es.indices.refresh(index="metrics-*")
        count = es.count(index="metrics-*")["count"]
        print(f"{count:,} documents of {span.days} days in {time.monotonic() - began:.0f} s")
        return measure(es, NOW - span)


def repeat(es: Elasticsearch, stream: str, step: timedelta, kept: timedelta) -> None:
    """Copies of all that the stream holds, every `step` back to the end of what is kept."""
    held = [hit["_source"] for hit in scan(es, index=stream, size=5000)]
    copies = (
        {"_op_type": "create", "_index": stream, "_source": earlier(source, number * step)}
        for number in range(1, kept // step)
        for source in held
    )
    bulk(es, copies, chunk_size=5000, stats_only=True)


def earlier(source: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """The document as it would have been that much before."""
    moved: dict[str, Any] = {}
    for name, value in source.items():
        if name in DATES:
            value = (datetime.fromisoformat(value) - by).isoformat()
        moved[name] = earlier(value, by) if isinstance(value, dict) else value
    return moved


def measure(es: Elasticsearch, start: datetime) -> int:
    results, failed = [], False
    for dashboard in load_bundle().dashboards:
        for panel in dashboard.queried():
            began = time.perf_counter()
            try:
                rows = len(ask(es, panel.query, start, NOW).rows)
            except MetricsError as error:
                print(f"{dashboard.name}: {panel.title}: {error}")
                failed = True
                continue
            results.append((1000 * (time.perf_counter() - began), rows, f"{dashboard.name}: {panel.title}"))
            failed = failed or rows >= MOST_ROWS
    for took, rows, name in sorted(results):
        print(f"{took:7.0f} ms {rows:6,} rows  {name}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

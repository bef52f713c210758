"""A month of a large organization's sampled spans: python -m bench.spans [spans, default 500000].

Prints, for every panel of *Requests* over 30 days and every rule over requests, the processor seconds of the
first and of the best of three runs; ends with 1 when a best one takes more than two. One day is simulated and
copied 30 times, with ids of its own. The server is the embedded one with a heap of 1 GB.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk, parallel_bulk

from anthropic_metrics import logs
from anthropic_metrics.alerts.catalog import every_rule
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.embedded.traces import put_templates
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.kibana.definitions import load_bundle
from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.span_documents import OTEL, otel_document
from anthropic_metrics.simulator.spans import Spans

NOW = datetime(2026, 10, 31, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS, RUNS, AIM = 30, 3, 2.0
AT_REST = 0.1  # processor seconds of a server that nobody asks, in a second
A_DAY = 190_000  # requests of the simulated organization, about
OWN = {"agent": {"name": "anthropic-metrics"}}


def main(arguments: list[str]) -> int:
    wanted = int(arguments[0]) if arguments else 500_000
    logs.configure("warning")
    simulation = Simulation(SettableClock(NOW), days=DAYS)
    with EmbeddedElasticsearch(heap="1g") as cluster:
        config = Config.model_validate({"elasticsearch": {"hosts": [cluster.url]}})
        es = Elasticsearch(cluster.url, request_timeout=120)
        ensure(es, config)
        put_templates(es)
        began = time.monotonic()
        bulk(es, own_documents(simulation), chunk_size=5000, stats_only=True)
        for _ in parallel_bulk(es, spans(simulation, wanted / DAYS / A_DAY), chunk_size=4000, thread_count=2):
            pass
        es.indices.refresh(index="*")
        until_at_rest(es)
        count = es.count(index=OTEL)["count"]
        print(f"{count:,} spans of {DAYS} days in {time.monotonic() - began:.0f} s", flush=True)
        return measure(es, config)


def spans(simulation: Simulation, sampled: float) -> Iterator[dict[str, Any]]:
    """The spans of the newest day, and copies of them a day apart."""
    newest = [otel_document(span) for span in Spans(simulation, sampled=sampled).delivered(NOW - DAY, NOW)]
    milliseconds = [float(document["@timestamp"]) for document in newest]
    for number in range(DAYS):
        for document, at in zip(newest, milliseconds, strict=True):
            moved = {"@timestamp": int(at) - number * 86_400_000}
            own = {"span_id": f"{document['span_id'][:-2]}{number:02x}"}
            yield {"_op_type": "create", "_index": OTEL, "_source": document | moved | own}


def own_documents(simulation: Simulation) -> Iterator[dict[str, Any]]:
    """What the agent would have written: usage by the hour, and the limits every quarter of an hour."""

    def document(stream: str, at: str, **anthropic: Any) -> dict[str, Any]:
        source = {"@timestamp": at, "anthropic": anthropic, **OWN}
        return {
            "_op_type": "create",
            "_index": f"metrics-anthropic_metrics.{stream}-default",
            "_source": source,
        }

    rows = simulation.usage_rows(NOW - DAYS * DAY, NOW, "1h", ("model", "workspace_id", "service_tier"))
    for row in rows:
        writes = row["cache_creation"].values()
        tokens = row["uncached_input_tokens"] + row["cache_read_input_tokens"] + row["output_tokens"]
        usage = {"model": row["model"], "service_tier": row["service_tier"]}
        yield document("usage", row["starting_at"], usage=usage | {"total_tokens": tokens + sum(writes)})
    limits = simulation.rate_limits()
    for number in range(DAYS * 96):
        at = (NOW - number * timedelta(minutes=15)).isoformat()
        for row in limits:
            values = {each["type"]: each["value"] for each in row["limits"]}
            group = {"group_type": row["group"]["type"], "group_name": row["group"].get("display_name")}
            limit = {"scope": "organization", "models": row["models"], **group, **values}
            yield document("rate_limit", at, rate_limit=limit)
    for space in simulation.workspaces():
        workspace = {"id": space["id"], "name": space["name"]}
        yield document("inventory", (NOW - DAY).isoformat(), workspace=workspace)
    yield document("agent", NOW.isoformat())


def measure(es: Elasticsearch, config: Config) -> int:
    (dashboard,) = (each for each in load_bundle().dashboards if each.name == "requests")
    start = NOW - DAYS * DAY
    asked: dict[str, Callable[[], object]] = {
        panel.title: partial(ask, es, panel.query, start, NOW) for panel in dashboard.queried()
    }
    asked |= {f"rule {rule.key}": partial(run, es, rule, NOW) for rule in every_rule(config) if rule.spans}
    slow = 0
    for name, question in asked.items():
        spent = []
        for _ in range(RUNS):
            began = processor_seconds(es)
            question()
            spent.append(processor_seconds(es) - began)
        slow += min(spent) > AIM
        print(f"{spent[0]:6.2f} s  {min(spent):6.2f} s  {name}", flush=True)
    return int(slow > 0)


def until_at_rest(es: Elasticsearch) -> None:
    """Waits until what was loaded is merged: a merge in the background would count as the query's time."""
    before = processor_seconds(es)
    while (now := processor_seconds(es)) - before > AT_REST:
        before = now


def processor_seconds(es: Elasticsearch) -> float:
    """What the server has computed so far; on a machine that does nothing else no answer takes longer."""
    time.sleep(1.1)  # Elasticsearch renews the figure once a second
    (node,) = es.nodes.stats(metric="process")["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

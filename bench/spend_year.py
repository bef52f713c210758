"""A year of the spend stream, and every panel that reads it: `python -m bench.spend --year 365`.

One computed day of the organization is copied to each earlier day with other times, ids, digests, tokens and
dollars; the others of its figures stay as they were.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

from anthropic_metrics.kibana.ask import ask, since
from anthropic_metrics.kibana.definitions import load_bundle
from bench import headroom_load
from bench.headroom_load import Shape, times

DAY = timedelta(days=1)
ROUNDS = 3
AIM = 1.0  # seconds
_HOLES = {
    "@timestamp": "start",
    "event.created": "read",
    "event.ingested": "taken",
    "event.hash": "hash",
    "anthropic.spend.bucket_start_time": "start",
    "anthropic.spend.bucket_end_time": "end",
    "anthropic.spend.amount_usd": "usd",
    "anthropic.spend.amount_exact": "exact",
    "anthropic.spend.total_tokens": "tokens",
}
_draw = random.Random(5)


def load(es: Elasticsearch, stream: str, day: datetime, days: int) -> int:
    """Copy the documents of the UTC day to each of the `days` before it; returns how many there are."""
    query = {"range": {"@timestamp": {"gte": day.isoformat(), "lt": (day + DAY).isoformat()}}}
    found = [hit["_source"] for hit in scan(es, index=stream, query={"query": query}, size=5000)]
    sources = [source for source in found if "amount_usd" in source["anthropic"]["spend"]]
    shapes = []
    for source in sources:
        spend = source["anthropic"]["spend"]
        start = datetime.fromisoformat(source["@timestamp"])
        width = datetime.fromisoformat(spend["bucket_end_time"]) - start
        usd, tokens = spend["amount_usd"], spend["total_tokens"]
        source["event"].setdefault("ingested", None)
        shapes.append((start, width, usd, tokens, Shape(source, _HOLES)))

    def copies() -> Iterator[str]:
        for number in range(1, days + 1):
            for start, width, usd, tokens, shape in shapes:
                scale = 0.5 + _draw.random()
                own = {
                    "usd": repr(usd * scale),
                    "exact": f'"{usd * scale:.10f}"',
                    "tokens": str(int(tokens * scale)),
                }
                yield shape.filled(times(start - number * DAY, width), own)

    loaded = headroom_load.load(es, stream, copies())
    headroom_load.settle(es, stream)
    return loaded


def panels(es: Elasticsearch, namespace: str, end: datetime, days: int) -> bool:
    """Time each panel that reads spend, over its dashboard's own range and over all days; best of three."""
    good = True
    for dashboard in load_bundle().dashboards:
        for panel in dashboard.queried():
            if "anthropic_metrics.spend-" not in panel.query:
                continue
            for label, start in (("own range", since(dashboard.range, end)), ("year", end - days * DAY)):
                took, rows = [], 0
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    rows = len(ask(es, panel.query, start, end, namespace=namespace).rows)
                    took.append(time.perf_counter() - began)
                good = good and min(took) < AIM
                print(
                    f"{min(took):6.2f} s {rows:6,} rows  {label:9}  {dashboard.name}: {panel.title}",
                    flush=True,
                )
    return good

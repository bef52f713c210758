"""CPU of a live poll that finds nothing changed, beside `json.loads` of the same answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import httpx

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.reports.plan import Range, ceil
from anthropic_metrics.reports.tally import Tally
from bench.setting import NOW, Figure, agent_at, canned, hourly

SIZES = (5, 50, 500)  # rows in each of a day's 24 hourly buckets
ROUNDS = 41
AIM = 2.0


def measure() -> list[Figure]:
    return [_measured(rows) for rows in SIZES]


def _measured(rows: int) -> Figure:
    with canned("api", rows) as api, canned("sink") as sink, agent_at(api, sink) as agent:
        poller = hourly(agent)
        whole = Range(ceil(NOW, timedelta(hours=1)) - timedelta(days=1), ceil(NOW, timedelta(hours=1)))
        query = poller.view.query(whole)
        answer = httpx.get(api + query.path, params=query.params()).content

        def poll() -> Tally:
            tally = Tally("usage", poller.view.stream)
            poller.keep(whole, agent.streams, tally, record=agent.sink.record, priority=Priority.LIVE)
            return tally

        poll()
        tally = poll()
        assert (tally.unchanged_buckets, tally.buckets) == (24, 24)
        pairs = [(_cpu(poll), _cpu(lambda: json.loads(answer))) for _ in range(ROUNDS)]
    ours, theirs = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(first / second for first, second in pairs)
    return Figure(
        f"unchanged poll of {24 * rows:,} rows ({len(answer) / 1e6:.2f} MB)",
        f"{ours * 1e3:.2f} ms CPU",
        f"json.loads {theirs * 1e3:.2f} ms CPU",
        f"{ratio:.2f} of it (aim: {AIM:g} or less)",
        ratio <= AIM,
    )


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started

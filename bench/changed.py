"""CPU of a poll in which some rows have changed, beside a first write of as many rows.

A day by the hour in the embedded Elasticsearch, complete, so that each changed row is replaced and leaves a
correction. CPU time of this process only.
"""

from __future__ import annotations

from datetime import timedelta
from statistics import median

import httpx

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from bench.setting import NOW, Figure, agent_at, canned, hourly
from bench.writers import Stopwatch

AN_HOUR = 100
HOURS = 24
WHOLE = Range(
    NOW.replace(minute=0, second=0) - timedelta(hours=HOURS + 1),
    NOW.replace(minute=0, second=0) - timedelta(hours=1),
)
SHARES = (1, 10, 100)
ROUNDS = 2
AIM = 1.5


def measure() -> list[Figure]:
    """Rounds of a first write and a poll for each share, each in a namespace of its own."""
    with EmbeddedElasticsearch(heap="1g") as server, agent_at(server.url, server.url) as agent:
        ensure(agent.runtime.elasticsearch, agent.config)
        return [_share(server.url, share) for share in SHARES]


def _share(elasticsearch: str, share: int) -> Figure:
    rounds = [_round(elasticsearch, share, f"c{share}x{number}") for number in range(ROUNDS)]
    first, later = (median(column) for column in zip(*rounds, strict=True))
    ratio, rows = later / first, AN_HOUR * HOURS
    return Figure(
        f"poll of {rows:,} rows, {share} % changed",
        f"{later * 1e3:,.0f} ms CPU",
        f"first write {first * 1e3:,.0f} ms",
        f"{ratio:.2f} of it (aim: {AIM} or less)",
        ratio <= AIM,
    )


def _round(elasticsearch: str, share: int, namespace: str) -> tuple[float, float]:
    with canned("api", AN_HOUR) as api, agent_at(api, elasticsearch, namespace) as agent:
        first, tally = _poll(agent)
        assert tally.created == AN_HOUR * HOURS, tally
        httpx.get(f"{api}/change", params={"percent": share})
        later, tally = _poll(agent)
        assert tally.replaced == AN_HOUR * HOURS * share // 100, tally
    return first, later


def _poll(agent: Agent) -> tuple[float, Tally]:
    poller, tally = hourly(agent), Tally("usage", "")
    watch = Stopwatch()
    poller.keep(WHOLE, agent.runtime.store, tally, record=agent.sink.record, priority=Priority.LIVE)
    return watch.spent().cpu, tally

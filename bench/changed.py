"""CPU of a poll in which some rows have changed, beside a first write of as many rows.

Once an incomplete bucket, whose rows grow; once a day of complete buckets, where each changed row also leaves
a correction, a second document. In the embedded Elasticsearch; CPU time of this process only.
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

ROWS = 2_400
HOURS = 24
HOUR = NOW.replace(minute=0, second=0)
GROWING = Range(HOUR, HOUR + timedelta(hours=1))
COMPLETE = Range(HOUR - timedelta(hours=HOURS + 1), HOUR - timedelta(hours=1))
WINDOWS = {"growing": GROWING, "corrected": COMPLETE}
SHARES = (1, 10, 100)
ROUNDS = 5
AIM = 1.5


def measure() -> list[Figure]:
    """Rounds of a first write and a poll for each share, each in a namespace of its own."""
    with EmbeddedElasticsearch(heap="1g") as server, agent_at(server.url, server.url) as agent:
        ensure(agent.runtime.elasticsearch, agent.config)
        return [_share(server.url, how, share) for how in WINDOWS for share in SHARES]


def _share(elasticsearch: str, how: str, share: int) -> Figure:
    rounds = [_round(elasticsearch, how, share, f"{how}{share}x{number}") for number in range(ROUNDS)]
    first, later = (median(column) for column in zip(*rounds, strict=True))
    ratio = later / first
    return Figure(
        f"poll of {ROWS:,} rows, {share} % {how}",
        f"{later * 1e3:,.0f} ms CPU",
        f"first write {first * 1e3:,.0f} ms",
        f"{ratio:.2f} of it (aim: {AIM} or less)",
        ratio <= AIM,
    )


def _round(elasticsearch: str, how: str, share: int, namespace: str) -> tuple[float, float]:
    window = WINDOWS[how]
    an_hour = ROWS // ((window.end - window.start) // timedelta(hours=1))
    before = Range(window.start - timedelta(hours=1), window.start)
    with canned("api", an_hour) as api, agent_at(api, elasticsearch, namespace) as agent:
        _poll(agent, before)  # from now on the rows' dimensions are known, as in any hour but the first
        first, tally = _poll(agent, window)
        assert tally.created == ROWS, tally
        httpx.get(f"{api}/change", params={"percent": share})
        later, tally = _poll(agent, window)
        assert tally.replaced == ROWS * share // 100, tally
    return first, later


def _poll(agent: Agent, window: Range) -> tuple[float, Tally]:
    poller, tally = hourly(agent), Tally("usage", "")
    watch = Stopwatch()
    poller.keep(window, agent.runtime.store, tally, record=agent.sink.record, priority=Priority.LIVE)
    return watch.spent().cpu, tally

"""CPU of a live poll that finds nothing changed, beside `json.loads` of the same answers.

The poll is the default one: three hours by the minute and a day by the hour, one request each. What two
requests cost a bare HTTP client is shown too, because below some hundred rows that is most of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from statistics import median

import httpx

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.kernel.plan import reach
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.poller import ViewPoller
from bench.setting import NOW, Figure, agent_at, canned, view_pollers

SIZES = (2, 20, 100)  # rows in each bucket
ROUNDS = 31
AIM = 1.2
FROM = 4_000  # rows; below them two requests are most of a poll

Part = tuple[ViewPoller, Range]


def measure() -> list[Figure]:
    return [_measured(rows) for rows in SIZES]


def _measured(rows: int) -> Figure:
    with canned("api", rows) as api, canned("sink") as sink, agent_at(api, sink) as agent:
        parts = list(_live(agent))
        with httpx.Client(base_url=api) as bare:
            queries = [poller.view.query(whole) for poller, whole in parts]
            requests = [bare.build_request("GET", query.path, params=query.params()) for query in queries]
            answers = [bare.send(request).content for request in requests]
            _poll(agent, parts)
            changed = [tally.buckets - tally.unchanged_buckets for tally in _poll(agent, parts)]
            assert changed == [0, 0]
            rounds = [
                (
                    _cpu(lambda: _poll(agent, parts)),
                    _cpu(lambda: [json.loads(answer) for answer in answers]),
                    _cpu(lambda: [bare.send(request) for request in requests]),
                )
                for _ in range(ROUNDS)
            ]
    ours, parsing, requesting = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(first / second for first, second, _ in rounds)
    return Figure(
        f"unchanged poll of {204 * rows:,} rows ({sum(map(len, answers)) / 1e6:.1f} MB)",
        f"{ours * 1e3:.2f} ms CPU",
        f"json.loads {parsing * 1e3:.2f} ms, bare GETs {requesting * 1e3:.2f} ms",
        f"{ratio:.2f} of json.loads (aim from {FROM:,} rows on: {AIM:g} or less)",
        ratio <= AIM if 204 * rows >= FROM else None,
    )


def _live(agent: Agent) -> Sequence[Part]:
    """The usage views with what each of them reads at every poll."""
    pollers = [poller for poller in view_pollers(agent) if poller.only == "usage"]
    return [(poller, _fresh(poller)) for poller in pollers]


def _fresh(poller: ViewPoller) -> Range:
    view = poller.view
    whole = reach([view.rungs[0]], NOW, view.width, view.history(NOW))
    assert whole is not None
    return whole


def _poll(agent: Agent, parts: Sequence[Part]) -> list[Tally]:
    tallies = []
    for poller, whole in parts:
        tally = Tally("usage", poller.view.stream)
        poller.keep(whole, agent.runtime.store, tally, record=agent.sink.record, priority=Priority.LIVE)
        tallies.append(tally)
    return tallies


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started

"""Admin API requests of one simulated day at the defaults, beside the least that the same day could take.

The least is one request for each question that the intervals ask, where the API allows one: a poll of a view
is one page, however deep it looks back (its page limits allow that); the limits are one request for the
organization at every interval and one for each workspace an hour, because there is no other way to ask; the
inventory is three lists an hour; the daily sweep is the whole history in pages of the largest size. See
docs/performance.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.kernel.inventory import REFRESH
from anthropic_metrics.kernel.jobs import SWEEP_EVERY
from anthropic_metrics.kernel.plan import PAGE_MOST
from anthropic_metrics.kernel.ranges import WIDTHS
from anthropic_metrics.kernel.schedule import due, seconds_left
from anthropic_metrics.reports.poller import ViewPoller
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.requests import Request
from bench.setting import DAYS, NOW, Figure, canned, configuration

DAY = timedelta(days=1)


def measure() -> list[Figure]:
    """The second day: the first one also reads the history."""
    clock = SettableClock(NOW)
    simulation = Simulation(clock, days=DAYS, arrivals="usual", revisions="usual")
    logs.configure("warning")
    with SimulatorServer(simulation) as server, canned("sink") as sink:
        config = configuration(server.url, sink, key=ADMIN_KEY)
        with Agent(config, clock=clock.now) as agent:
            for job in agent.jobs:
                agent.attempt(job)
            first = len(server.requests)
            server.forget_requests()
            _run_a_day(agent, clock)
            asked = kinds(server.requests)
            least = least_possible(agent)
    figures = [Figure("first start, 30 days of history", f"{first:,} requests", "", "")]
    figures += [Figure(f"  {kind}", f"{asked[kind]:,}", f"least {least[kind]:,}", "") for kind in least]
    total, floor = asked.total(), sum(least.values())
    return [
        *figures,
        Figure("a day", f"{total:,} requests", f"least possible {floor:,}", f"{total / floor:.2f} of it"),
    ]


def _run_a_day(agent: Agent, clock: SettableClock) -> None:
    """Every job at its interval, as the daemon runs it, without the jitter."""
    start, now = clock.now(), 0.0
    last = {job.name: now for job in agent.jobs}
    while (left := seconds_left(agent.jobs, last, now)) is not None and now + left <= DAY.total_seconds():
        now += left
        clock.set(start + timedelta(seconds=now))
        for chain in due(agent.jobs, last, now):
            last[chain[0].name] = now
            for job in chain:
                tally = agent.attempt(job)
                assert not tally.failures, tally.failures


def kinds(requests: Iterable[Request]) -> Counter[str]:
    """Requests by what they ask."""
    return Counter(map(_kind, requests))


def _kind(request: Request) -> str:
    last = request.path.rpartition("/")[2]
    if last == "messages":
        return f"usage {dict(request.params)['bucket_width']}"
    return {"cost_report": "cost", "rate_limits": "rate limits"}.get(last, "inventory")


def least_possible(agent: Agent) -> dict[str, int]:
    """The least for each kind of request, at the agent's intervals."""
    names = agent.organization.inventory.names(agent.clock())
    active = sum(not workspace.archived for workspace in names.workspaces.values())
    limits = next(job for job in agent.jobs if job.poller == "rate_limits")
    least = {}
    for poller in agent.organization.pollers:
        if not isinstance(poller, ViewPoller):
            continue
        view, whole = poller.view, poller.view.whole(agent.clock())
        buckets = (whole.end - whole.start) // WIDTHS[view.width]
        sweep = -(-buckets // PAGE_MOST[view.width]) * (DAY // SWEEP_EVERY)
        kind = f"usage {view.width}" if view.poller == "usage" else view.poller
        least[kind] = DAY // view.interval + sweep
    return least | {
        "rate limits": DAY // limits.interval + DAY // agent.config.rate_limits.workspace_interval * active,
        "inventory": DAY // REFRESH * 3,
    }

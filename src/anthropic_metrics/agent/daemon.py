"""The daemon: runs every job at its interval until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.memory import give_back
from anthropic_metrics.budgets.board import Boards
from anthropic_metrics.errors import Stopped
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.schedule import by_organization, due, seconds_left
from anthropic_metrics.logs import get_logger
from anthropic_metrics.signals import until_asked

log = get_logger(__name__)

# `docker stop` kills after ten seconds: leave before it, with a second to spare.
GRACE = 8.0
# People look at the live data first, and a sweep at the same time would write the same documents.
SWEEP_DELAY = 60.0
# From one organization's first turns to the next's: the first pass of each reads its whole history, and the
# windows of twenty in memory together would take a gigabyte.
STAGGER = 15.0
JITTER_SHARE = 0.1
JITTER_MOST = 30.0
# APScheduler compares times of the wall clock: this one has passed whatever that clock says.
_AT_ONCE = DateTrigger(datetime(2000, 1, 1, tzinfo=UTC), timezone=UTC)

Chain = tuple[Job, ...]
"""A job and those that follow it, to be run one after the other."""


def run(agent: Agent) -> int:
    """Poll until asked to stop; returns the exit code, 0.

    A job that is still waiting for a server when the grace is over is left behind with its thread: every
    write is safe to cut off at any instant, the next start finds what is missing by comparison.
    """
    scheduler = _scheduler(agent)

    def start(chain: Chain) -> None:
        first = chain[0]
        name = f"{first.organization}: {first.name}"
        scheduler.add_job(attempt, _AT_ONCE, args=(agent, chain), id=name)

    boards = Boards({organization.label: organization.budgets for organization in agent.organizations})
    server = HealthServer(agent.config.health, agent.health, agent.runtime.registry, boards)
    with server, until_asked(agent.stop, code=0):
        scheduler.start()
        log.info("agent_started", pollers=sorted({job.poller for job in agent.jobs}))
        take_turns(agent, start)
        log.info("agent_stopping")
        finished = _shut_down(scheduler)
    agent.close()
    log.info("agent_stopped", cut_off=not finished)
    if not finished:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def take_turns(agent: Agent, start: Callable[[Chain], object]) -> None:
    """Start what is due, wait until something is due again, and so on until the agent is asked to stop.

    All waits are by the agent's monotonic clock: setting the machine's clock delays and repeats nothing.
    """
    begin = agent.monotonic()
    tables = [
        (jobs, _before_first_turns(jobs, begin, number * STAGGER))
        for number, jobs in enumerate(by_organization(agent.jobs))
    ]
    while not agent.stop.is_set():
        now = agent.monotonic()
        for jobs, last in tables:
            for chain in due(jobs, last, now):
                last[chain[0].name] = now + _jitter(chain[0])
                start(chain)
        now = agent.monotonic()
        left = [seconds for jobs, last in tables if (seconds := seconds_left(jobs, last, now)) is not None]
        agent.stop.wait(min(left, default=None))


def attempt(agent: Agent, chain: Chain) -> None:
    """The jobs one after the other, whatever each of them ends in, until the agent is asked to stop."""
    for job in chain:
        if agent.stop.is_set():
            return
        try:
            agent.attempt(job)
        except Stopped:
            log.debug("poll_stopped", job=job.name, organization=job.organization or None)
    give_back()


def _before_first_turns(jobs: Sequence[Job], now: float, after: float = 0.0) -> dict[str, float]:
    """Live jobs are due `after` so many seconds, at once for none; sweeps a minute later."""
    first = {job.name: now + after + SWEEP_DELAY * (job.kind is Kind.sweep) for job in jobs}
    return {
        job.name: first[job.name] - job.interval.total_seconds()
        for job in jobs
        if after or job.kind is Kind.sweep
    }


def _scheduler(agent: Agent) -> BackgroundScheduler:
    """A thread for each chain. A turn that comes while the one before it still runs is skipped."""
    chains = sum(job.after is None for job in agent.jobs)
    return BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(max(chains, 1))},
        job_defaults={"max_instances": 1, "misfire_grace_time": None},
    )


def _jitter(job: Job) -> float:
    """Several agents that started together do not poll together for good."""
    most = min(job.interval.total_seconds() * JITTER_SHARE, JITTER_MOST)
    return random.uniform(-most, most)  # noqa: S311  (nothing secret)


def _shut_down(scheduler: BackgroundScheduler) -> bool:
    """Wait for running jobs, no longer than the grace; tells whether all of them ended."""
    waiter = threading.Thread(target=_end, args=(scheduler,), name="shutdown", daemon=True)
    waiter.start()
    waiter.join(GRACE)
    return not waiter.is_alive()


def _end(scheduler: BackgroundScheduler) -> None:
    """Paused and emptied first: after its shutdown, its thread fails to remove a job that it just started."""
    scheduler.pause()
    scheduler.remove_all_jobs()
    scheduler.shutdown()

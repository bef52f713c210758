"""The daemon: APScheduler runs every job at its interval until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.jobs import SWEEP_EVERY, Job
from anthropic_metrics.errors import Stopped
from anthropic_metrics.health import HealthServer
from anthropic_metrics.logs import get_logger
from anthropic_metrics.signals import until_asked

log = get_logger(__name__)

# `docker stop` kills after ten seconds: leave before it, with a second to spare.
GRACE = 8.0
# People look at the live data first, and a sweep at the same time would write the same documents.
SWEEP_DELAY = timedelta(minutes=1)
JITTER_SHARE = 0.1
JITTER_MOST = 30.0


def run(agent: Agent) -> int:
    """Poll until asked to stop; returns the exit code, 0.

    A job that is still waiting for a server when the grace is over is left behind with its thread: every
    write is safe to cut off at any instant, the next start finds what is missing by comparison.
    """
    scheduler = _scheduler(agent)
    with HealthServer(agent.config.health, agent.health, agent.metrics.registry), until_asked(agent.stop):
        scheduler.start()
        log.info("agent_started", pollers=sorted({job.poller for job in agent.jobs}))
        agent.stop.wait()
        log.info("agent_stopping")
        finished = _shut_down(scheduler)
    agent.close()
    log.info("agent_stopped", cut_off=not finished)
    if not finished:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _scheduler(agent: Agent) -> BackgroundScheduler:
    jobs = [job for job in agent.jobs if job.after is None]
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    now = datetime.now(UTC)
    for position, job in enumerate(jobs):
        seconds = job.interval.total_seconds()
        delay = SWEEP_DELAY if job.interval == SWEEP_EVERY else timedelta()
        first = now + delay + timedelta(milliseconds=position)
        scheduler.add_job(
            _attempt,
            IntervalTrigger(seconds=seconds, timezone=UTC, jitter=min(seconds * JITTER_SHARE, JITTER_MOST)),
            args=(agent, job),
            id=job.name,
            next_run_time=first,
        )
    return scheduler


def _attempt(agent: Agent, job: Job) -> None:
    """The job, then those that follow it."""
    if agent.stop.is_set():
        return
    try:
        agent.attempt(job)
    except Stopped:
        log.debug("poll_stopped", job=job.name)
    for follower in (other for other in agent.jobs if other.after == job.name):
        _attempt(agent, follower)


def _shut_down(scheduler: BackgroundScheduler) -> bool:
    """Wait for running jobs, no longer than the grace; tells whether all of them ended."""
    waiter = threading.Thread(target=scheduler.shutdown, name="shutdown", daemon=True)
    waiter.start()
    waiter.join(GRACE)
    return not waiter.is_alive()

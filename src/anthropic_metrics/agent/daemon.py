"""The daemon: runs every job at its interval until SIGTERM, SIGHUP or SIGINT."""

from __future__ import annotations

import math
import os
import random
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from functools import partial

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from anthropic_metrics import signals
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.places import FROZEN, PLACES, Places
from anthropic_metrics.agent.runtime import Runtime
from anthropic_metrics.agent.turns import Chain, Turns
from anthropic_metrics.budgets.board import Boards
from anthropic_metrics.errors import Stopped
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.ranges import EPOCH
from anthropic_metrics.kernel.schedule import by_organization, chain_of, due, seconds_left
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

# `docker stop` kills after ten seconds: leave before it, with a second to spare.
GRACE = 8.0
# People look at the live data first, and a sweep at the same time would write the same documents.
SWEEP_DELAY = 60.0
# Organizations in their first turns together: they read whole histories, as sweeps do.
BEGINNING = PLACES
SWEEPS_EACH = 1
# So long after a failure comes the next turn of a job that is rarer; twice as long after each further one.
AGAIN = 10 * 60.0
# So long after the last of those first turns that came to an end, the next organization begins all the same:
# one whose server is frozen holds nobody up.
STAGGER = FROZEN
FIRST_TURN = " (first turn)"
LOOK = 1.0  # seconds from one look at first turns to the next
JITTER_SHARE = 0.1
JITTER_MOST = 30.0
# APScheduler compares times of the wall clock: this one has passed whatever that clock says.
_AT_ONCE = DateTrigger(EPOCH, timezone=UTC)


def run(agent: Agent, listener: socket.socket | None = None) -> int:
    """Poll until asked to stop; returns the exit code, 0. `listener` is that of `health_server.listen`.

    A job that is still waiting for a server when the grace is over is left behind with its thread: every
    write is safe to cut off at any instant, the next start finds what is missing by comparison.
    """
    scheduler = _scheduler(agent)

    sweeping = Places(agent.stop)

    def start(chain: Chain, suffix: str = "") -> None:
        first = chain[0]
        name, executor = f"{first.organization}: {first.name}{suffix}", "default"
        act: Callable[[Chain], None] = turns.run
        if first.kind is Kind.sweep:
            act, executor = partial(sweep, sweeping, agent, turns), _sweeper(first)
        _hand_over(scheduler, act, chain, name, executor)

    # By another id: the turn in which it was found that the job has to wait may not be over yet.
    turns = Turns(agent, partial(start, suffix=FIRST_TURN))

    boards = Boards({organization.label: organization.budgets for organization in agent.organizations})
    server = HealthServer(
        agent.config.health, agent.health, agent.runtime.registry, boards, listener=listener
    )
    with server, signals.until_asked(agent.stop, code=0):
        scheduler.start()
        log.info("agent_started", pollers=sorted({job.poller for job in agent.jobs}))
        take_turns(agent, start)
        log.info("agent_stopping", signal=signals.name())
        finished = _shut_down(scheduler)
    log.info("agent_stopped", cut_off=not finished)
    if not finished:  # its connections stay open: a poll that loses them would report an error of its own
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    agent.close()
    return 0


class Overdue:
    """Says once that a job's turns are skipped, until its attempt that takes so long has ended.

    `why` tells the reason of the job with this id, empty where there is none.
    """

    def __init__(self, why: Callable[[str], str]) -> None:
        self._why = why
        self._said: set[str] = set()

    def __call__(self, event: JobEvent) -> None:
        if event.code != EVENT_JOB_MAX_INSTANCES:
            self._said.discard(event.job_id)
        elif event.job_id not in self._said:
            self._said.add(event.job_id)
            reason = {"reason": why} if (why := self._why(event.job_id)) else {}
            log.warning("poll_goes_on", job=event.job_id.removeprefix(": "), **reason)


def _why_it_waits(agent: Agent, job_id: str) -> str:
    """What the job that runs under this id waits for, or one that follows it; empty where none waits."""
    organization, _, name = job_id.removesuffix(FIRST_TURN).partition(": ")
    waits = agent.runtime.health[organization].under_way()
    own = (job for job in agent.jobs if (job.organization, job.name) == (organization, name))
    chains = (chain_of(agent.jobs, job) for job in own)
    return next(filter(None, (waits.get(job.name) for chain in chains for job in chain)), "")


class Beginnings:
    """Which organizations may begin: `BEGINNING` are in their first turns together.

    None waits for first turns of which none has come to an end for `STAGGER`.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.waiting = deque(by_organization(agent.jobs))
        self._begun: list[list[Job]] = []
        self._ended, self._moved = 0, agent.monotonic()

    def due(self, now: float) -> Iterator[list[Job]]:
        """The jobs of each organization that may begin at `now`."""
        while self.waiting:
            left = [sum(not self._agent.runtime.had_turn(job) for job in live) for live in self._begun]
            ended = sum(map(len, self._begun)) - sum(left)
            if ended != self._ended:
                self._ended, self._moved = ended, now
            if sum(map(bool, left)) >= BEGINNING and now < self._moved + STAGGER:
                return
            jobs, self._moved = self.waiting.popleft(), now
            self._begun.append([job for job in jobs if job.kind is Kind.live])
            yield jobs


def take_turns(agent: Agent, start: Callable[[Chain], object]) -> None:
    """Start what is due, wait until something is due again, and so on until the agent is asked to stop.

    All waits are by the agent's monotonic clock: setting the machine's clock delays and repeats nothing.
    """
    beginnings = Beginnings(agent)
    tables: list[tuple[list[Job], dict[str, float]]] = []
    while not agent.stop.is_set():
        now = agent.monotonic()
        if begin := [(jobs, _before_first_turns(jobs, math.inf)) for jobs in beginnings.due(now)]:
            tables += begin
            if not beginnings.waiting:
                for jobs, last in tables:
                    last.update(_before_first_turns(jobs, now))
        for jobs, last in tables:
            _again_sooner(agent.runtime, jobs, last, now)
            for chain in due(jobs, last, now):
                last[chain[0].name] = now + _jitter(chain[0])
                start(chain)
        now = agent.monotonic()
        left = [seconds for jobs, last in tables if (seconds := seconds_left(jobs, last, now)) is not None]
        # What fails meanwhile may be due before anything that is known now.
        agent.stop.wait(min([*left, LOOK if beginnings.waiting else AGAIN]))


def _again_sooner(runtime: Runtime, jobs: Sequence[Job], last: dict[str, float], now: float) -> None:
    """A rare job that failed, or one that follows it, has its next turn before its interval is over, but not
    while one of them runs: that turn would be skipped.

    The first sweep is the backfill: an outage at the start must not delay older data by a day.
    """
    for job in jobs:
        if job.after is not None or job.interval.total_seconds() <= AGAIN or job.name not in last:
            continue
        chain = chain_of(jobs, job)
        known = filter(None, map(runtime.failure, chain))
        failures = [(at, count) for at, count in known if at >= last[job.name] - JITTER_MOST]
        if failures:
            longest = job.interval.total_seconds()
            in_a_row = max(count for _, count in failures)
            # As an integer: a thousand doublings are more than a float holds.
            pause = AGAIN * min(2 ** (in_a_row - 1), longest / AGAIN)
            again = max(at for at, _ in failures) + pause
            if any(map(runtime.is_running, chain)):
                again = max(again, now + AGAIN)
            last[job.name] = again - longest


def sweep(sweeping: Places, agent: Agent, turns: Turns, chain: Chain) -> None:
    """Run the chain when there is a place for it."""
    with suppress(Stopped), sweeping.taken(agent.silence_of(chain[0].organization)):
        turns.run(chain)


def _before_first_turns(jobs: Sequence[Job], now: float) -> dict[str, float]:
    """Live jobs are due at once; sweeps a minute after all organizations have begun, at `now`."""
    return {
        job.name: now + SWEEP_DELAY - job.interval.total_seconds() for job in jobs if job.kind is Kind.sweep
    }


def _scheduler(agent: Agent) -> BackgroundScheduler:
    """A thread for each chain, also for the first turn of one that waits for others; `SWEEPS_EACH` for all
    sweeps of an organization.

    A turn that comes while the one before it still runs is skipped; the log says so once.
    """
    chains = sum(job.after is None or bool(job.needs) for job in agent.jobs)
    sweepers = {_sweeper(job) for job in agent.jobs if job.kind is Kind.sweep}
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={
            "default": ThreadPoolExecutor(max(chains, 1)),
            **{name: ThreadPoolExecutor(SWEEPS_EACH) for name in sweepers},
        },
        job_defaults={"max_instances": 1, "misfire_grace_time": None},
    )
    codes = EVENT_JOB_MAX_INSTANCES | EVENT_JOB_EXECUTED | EVENT_JOB_ERROR
    scheduler.add_listener(Overdue(partial(_why_it_waits, agent)), codes)
    return scheduler


def _hand_over(
    scheduler: BackgroundScheduler, act: Callable[[Chain], object], chain: Chain, name: str, executor: str
) -> None:
    """Let a thread of the executor run the chain; a turn that the scheduler has not come to is this one."""
    scheduler.add_job(act, _AT_ONCE, args=(chain,), id=name, executor=executor, replace_existing=True)


def _sweeper(job: Job) -> str:
    """The name of the threads that sweep for the organization of this job."""
    return f"sweeps of {job.organization}"


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

"""Turns of the daemon's jobs: one after the other in a chain, the first ones when what they read is there."""

from __future__ import annotations

import threading
from collections.abc import Callable

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.memory import give_back
from anthropic_metrics.errors import Stopped
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.schedule import chain_of
from anthropic_metrics.logs import about, get_logger

log = get_logger(__name__)

Chain = tuple[Job, ...]
"""A job and those that follow it, to be run one after the other."""


class Turns:
    """The turns of one agent. Thread-safe.

    The first turn of a job waits until each scheduled job that it `needs` has had one, whatever that ended
    in. `start` then gets the job with those that follow it, from the thread in which the last of them ended.
    """

    def __init__(self, agent: Agent, start: Callable[[Chain], object]) -> None:
        self._agent = agent
        self._start = start
        self._lock = threading.Lock()
        self._running: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()
        self._waiting: dict[tuple[str, str], Job] = {}

    def run(self, chain: Chain) -> None:
        """The jobs one after the other, whatever each of them ends in, until the agent is asked to stop.

        A job that has to wait is left out with those that follow it; so is one that another thread runs.
        """
        with about(chain[0].organization):
            self._run(chain)
        give_back()

    def _run(self, chain: Chain) -> None:
        left_out: dict[str, list[Job]] = {}
        for job in chain:
            if self._agent.stop.is_set():
                return
            if job.after in left_out:
                left_out[job.name] = left_out[job.after]
                self._wait(job, left_out[job.name])
            elif (awaited := self._begin(job)) is None:
                self._attempt(job)
            else:
                left_out[job.name] = awaited

    def _begin(self, job: Job) -> list[Job] | None:
        """None where the job may run now; else what it waits for, nothing where another thread runs it."""
        with self._lock:
            if awaited := self._awaited(job):
                if _key(job) not in self._waiting:
                    log.info("poll_waits", job=job.name, needs=[each.name for each in awaited])
                self._waiting[_key(job)] = job
                self._wait(job, awaited)
                return awaited
            if _key(job) in self._running:
                return []
            self._waiting.pop(_key(job), None)
            self._running.add(_key(job))
            return None

    def _attempt(self, job: Job) -> None:
        try:
            self._agent.attempt(job)
        except Stopped:
            log.debug("poll_stopped", job=job.name)
        except Exception:  # while the turn was reported
            log.exception("poll_crashed", job=job.name)
        finally:
            self._end(job)

    def _end(self, job: Job) -> None:
        """Start what has waited for this turn, and for none other any more."""
        with self._lock:
            self._running.discard(_key(job))
            self._ended.add(_key(job))
            free = [each for each in self._waiting.values() if not self._awaited(each)]
            for each in free:
                del self._waiting[_key(each)]
        for each in free:
            if not self._agent.stop.is_set():
                self._start(chain_of(self._agent.jobs, each))

    def _awaited(self, job: Job) -> list[Job]:
        """The jobs whose first turn it waits for."""
        return [
            other
            for other in (self._agent.jobs if job.needs else ())
            if other.organization == job.organization
            and other.name in job.needs
            and _key(other) not in self._ended
            and not self._agent.runtime.had_turn(other)
        ]

    def _wait(self, job: Job, awaited: list[Job]) -> None:
        if awaited:
            self._agent.runtime.waits(job, awaited)


def _key(job: Job) -> tuple[str, str]:
    return job.organization, job.name

"""How many organizations read a whole history at a time, in the daemon's sweeps and in `once` and `backfill`.

The windows of twenty organizations at once would take most of a gigabyte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.errors import Stopped
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.tally import Tally

Begin = Callable[[Job], object]

PLACES = 2
FROZEN = 15.0  # seconds without an answer after which an organization no longer counts: it reads nothing
_LOOK = 1.0  # seconds from one look at frozen organizations to the next


class Places:
    """`PLACES` places. An organization whose server is frozen keeps nobody waiting. Thread-safe."""

    def __init__(self, stop: threading.Event, *, look: float = _LOOK) -> None:
        self._stop = stop
        self._look = look
        self._changed = threading.Condition()
        self._taken: list[Callable[[], float]] = []

    @contextmanager
    def taken(self, silent: Callable[[], float]) -> Iterator[None]:
        """Wait for a place and keep it until the block ends. Raises Stopped.

        `silent` tells how many seconds the organization's server has owed an answer.
        """
        with self._changed:
            while sum(seconds() < FROZEN for seconds in self._taken) >= PLACES:
                if self._stop.is_set():
                    raise Stopped
                self._changed.wait(self._look)
            self._taken.append(silent)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(silent)
                self._changed.notify_all()


def pass_over(
    agent: Agent, jobs: Mapping[str, list[Job]], begin: Begin = lambda _: None
) -> list[list[Tally]]:
    """Every job once, an organization's one after the other; organizations as there are places."""
    places = Places(agent.stop)

    def turn(label: str) -> list[Tally]:
        with places.taken(agent.silence_of(label)):
            return attempt_all(agent, jobs[label], begin)

    if len(jobs) <= 1:
        return [turn(label) for label in jobs]
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="organization") as pool:
        return list(pool.map(turn, jobs))


def attempt_all(agent: Agent, jobs: list[Job], begin: Begin = lambda _: None) -> list[Tally]:
    """Every job once, one after the other; a failing one does not keep the next from its turn, unless a
    server does not take the key at all.

    `begin` is told of each before it begins.
    """
    tallies: list[Tally] = []
    for job in jobs:
        begin(job)
        tallies.append(agent.attempt(job, Tally(job.poller, job.stream, in_pass=True)))
        if tallies[-1].denied and job is not jobs[-1]:
            tallies[-1].notes.append("The other pollers would be refused, too, and were not run.")
            break
    return tallies

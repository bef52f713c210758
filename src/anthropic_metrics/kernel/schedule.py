"""When each job is due, as a pure function of time.

Time is seconds of a clock that nobody sets: a wall clock that steps back would keep every job waiting until
it is again where it was. The daemon and all that stands in for it in tests and measurements ask here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar


class Scheduled(Protocol):
    """What a job says about its turns. `after` names the job of its organization whose every run it follows.

    Names are unique within an organization: but for `chain_of`, ask about the jobs of one.
    """

    @property
    def name(self) -> str: ...
    @property
    def organization(self) -> str: ...
    @property
    def interval(self) -> timedelta: ...
    @property
    def after(self) -> str | None: ...


J = TypeVar("J", bound=Scheduled)


def due(jobs: Sequence[J], last: Mapping[str, float], now: float) -> list[tuple[J, ...]]:
    """The jobs whose interval has passed since their last turn, each with those that follow it.

    `last` says by name when a job had its last turn; a job that is not in it is due.
    """
    return [chain_of(jobs, job) for job in _leaders(jobs) if _left(job, last, now) <= 0]


class Owned(Protocol):
    """A job of an organization; of one of several, where it has a name."""

    @property
    def organization(self) -> str: ...


Own = TypeVar("Own", bound=Owned)


def by_organization(jobs: Sequence[Own]) -> list[list[Own]]:
    """The jobs of each organization, in their order."""
    labels = dict.fromkeys(job.organization for job in jobs)
    return [[job for job in jobs if job.organization == label] for label in labels]


def seconds_left(jobs: Sequence[Scheduled], last: Mapping[str, float], now: float) -> float | None:
    """How long nothing is due; None if there are no jobs."""
    return min((max(0.0, _left(job, last, now)) for job in _leaders(jobs)), default=None)


def _left(job: Scheduled, last: Mapping[str, float], now: float) -> float:
    return last[job.name] + job.interval.total_seconds() - now if job.name in last else 0.0


def _leaders(jobs: Sequence[J]) -> list[J]:
    return [job for job in jobs if job.after is None]


def chain_of(jobs: Sequence[J], job: J) -> tuple[J, ...]:
    """The job and all of its organization that follow it, in the order in which they run."""
    chain = [job]
    for follower in jobs:
        if (follower.organization, follower.after) == (job.organization, job.name):
            chain += chain_of(jobs, follower)
    return tuple(chain)

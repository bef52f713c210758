"""A few organizations read whole histories at a time; one whose server is frozen keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.places import FROZEN, PLACES, Places, attempt_all, pass_over
from anthropic_metrics.agent.turns import Turns
from anthropic_metrics.errors import AuthError, MetricsError, RetryLater, Stopped, WrongOrganization
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.tally import Tally

NAMES = ("one", "two", "three", "four", "five")
PATIENCE = 30


def job(name: str) -> Job:
    return Job(name, name, name, timedelta(hours=1), lambda _: None, kind=Kind.sweep, organization=name)


class Work:
    """Jobs that last until they are released, each noted while it is under way."""

    def __init__(self, silent: Callable[[str], float] = lambda _: 0.0) -> None:
        self.under_way, self.most = set[str](), 0
        self.entered, self.release = threading.Semaphore(0), threading.Event()
        self._lock = threading.Lock()
        fields: dict[str, Any] = {"attempt": self._run, "stop": threading.Event()}
        fields["silence_of"] = lambda label: lambda: self._looked(silent(label))
        self._looking, self.looked = set[int](), threading.Semaphore(0)
        self.agent = cast("Agent", SimpleNamespace(**fields))
        self.turns = Turns(self.agent, lambda _: None)

    def _run(self, each: Job, tally: Tally | None = None) -> Tally:
        with self._lock:
            self.under_way.add(each.name)
            self.most = max(self.most, len(self.under_way))
        self.entered.release()
        assert self.release.wait(PATIENCE)
        with self._lock:
            self.under_way.discard(each.name)
        return tally or Tally(each.name, each.stream)

    def _looked(self, seconds: float) -> float:
        """Somebody looks whether there is a place for it."""
        if threading.get_ident() not in self._looking:
            self._looking.add(threading.get_ident())
            self.looked.release()
        return seconds

    def wait_for(self, count: int, what: threading.Semaphore | None = None) -> None:
        for _ in range(count):
            assert (what or self.entered).acquire(timeout=PATIENCE)


def sweeping(work: Work) -> list[threading.Thread]:
    places = Places(work.agent.stop, look=0.01)
    threads = [
        threading.Thread(target=daemon.sweep, args=(places, work.agent, work.turns, (job(name),)))
        for name in NAMES
    ]
    for thread in threads:
        thread.start()
    return threads


def test_sweeps_of_all_organizations_together_are_under_way_a_few_at_a_time() -> None:
    work = Work()
    threads = sweeping(work)
    work.wait_for(PLACES)
    work.wait_for(len(NAMES) - 1, work.looked)  # all but the first had to look
    work.release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert work.most == PLACES


def test_one_pass_over_many_organizations_has_the_places_of_sweeps() -> None:
    work = Work()
    done: list[list[Tally]] = []
    jobs = {name: [job(name), job(name)] for name in NAMES}
    thread = threading.Thread(target=lambda: done.extend(pass_over(work.agent, jobs)))
    thread.start()
    work.wait_for(PLACES)
    work.wait_for(len(NAMES) - 1, work.looked)  # all but the first had to look
    work.release.set()
    thread.join(PATIENCE)
    assert work.most == PLACES
    assert [[tally.poller for tally in tallies] for tallies in done] == [[name, name] for name in NAMES]


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (AuthError("The Admin key is wrong."), 1),
        (WrongOrganization("Another organization."), 1),
        (AuthError("The key may not read this.", status=403), 2),
        (RetryLater("No answer."), 2),
    ],
)
def test_a_pass_ends_with_the_first_poller_where_no_other_could_succeed(
    error: MetricsError, tried: int
) -> None:
    def attempt(each: Job, tally: Tally) -> Tally:
        assert (tally.poller, tally.stream, tally.in_pass) == (each.poller, each.stream, True)
        tally.fail(error)
        return tally

    tallies = attempt_all(cast("Agent", SimpleNamespace(attempt=attempt)), [job("one"), job("two")])
    assert [tally.failures for tally in tallies] == [[str(error)]] * tried


def test_organizations_whose_servers_are_frozen_delay_no_other() -> None:
    frozen = {"one", "two"}
    work = Work(lambda label: FROZEN if label in frozen else FROZEN - 1)
    places = Places(work.agent.stop, look=0.01)
    for label in (*NAMES[:2], *NAMES[2:4]):
        args = (places, work.agent, work.turns, (job(label),))
        threading.Thread(target=daemon.sweep, args=args, daemon=True).start()
        work.wait_for(1)
    assert work.under_way == set(NAMES[:4])
    work.release.set()


def test_who_waits_for_a_place_is_told_to_stop() -> None:
    stop = threading.Event()
    places = Places(stop, look=0.01)
    stop.set()
    with places.taken(lambda: 0.0), places.taken(lambda: 1.0), pytest.raises(Stopped):
        places.taken(lambda: 2.0).__enter__()

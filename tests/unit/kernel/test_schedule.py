"""What is due when: by intervals of a clock that nobody sets, in chains, and for the loop of the daemon."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_SCHEDULER_PAUSED
from apscheduler.jobstores.memory import MemoryJobStore

from anthropic_metrics import logs
from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.turns import Turns
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.schedule import due, seconds_left
from anthropic_metrics.kernel.tally import Tally

MINUTE = timedelta(minutes=1)


def job(name: str, every: timedelta = 5 * MINUTE, after: str | None = None) -> Job:
    return Job(name, name, f"stream of {name}", every, lambda _tally: None, after=after)


def names(chains: list[tuple[Job, ...]]) -> list[list[str]]:
    return [[each.name for each in chain] for chain in chains]


def test_a_job_is_due_when_it_never_ran_and_when_its_interval_has_passed() -> None:
    jobs = [job("often"), job("seldom", 60 * MINUTE)]
    assert names(due(jobs, {}, 1000.0)) == [["often"], ["seldom"]]
    last = {"often": 1000.0, "seldom": 1000.0}
    assert due(jobs, last, 1299.0) == []
    assert names(due(jobs, last, 1300.0)) == [["often"]]
    assert seconds_left(jobs, last, 1100.0) == 200.0
    assert seconds_left(jobs, last, 1400.0) == 0.0
    assert seconds_left([], {}, 0.0) is None


def test_followers_come_with_the_job_they_follow_and_have_no_turn_of_their_own() -> None:
    jobs = [job("first"), job("third", after="second"), job("other"), job("second", after="first")]
    assert names(due(jobs, {"other": 0.0}, 1.0)) == [["first", "second", "third"]]
    assert due(jobs, {"first": 0.0, "other": 0.0}, 1.0) == []


def test_sweeps_have_their_first_turn_a_minute_after_the_start() -> None:
    jobs = [job("live"), replace(job("live sweep", SWEEP_EVERY), kind=Kind.sweep)]
    last = daemon._before_first_turns(jobs, 500.0)
    assert names(due(jobs, last, 500.0)) == [["live"]]
    assert names(due(jobs, last, 559.0)) == [["live"]]
    assert names(due(jobs, last, 560.0)) == [["live"], ["live sweep"]]


class Stop(threading.Event):
    """Waiting moves the monotonic clock on; after so many waits it is set."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.now, self._left = 0.0, waits

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        self._left -= 1
        if self._left == 0:
            self.set()
        return self.is_set()


def agent_of(
    jobs: list[Job],
    stop: Stop,
    run: Callable[[Job], object] = lambda _: None,
    had_turn: Callable[[Job], bool] = lambda _: False,
    failure: Callable[[Job], tuple[float, int] | None] = lambda _: None,
    is_running: Callable[[Job], bool] = lambda _: False,
) -> Agent:
    health = {"": SimpleNamespace(under_way=lambda: {"live": "The Admin API answered 429.", "other": ""})}
    runtime = SimpleNamespace(had_turn=had_turn, failure=failure, is_running=is_running, health=health)
    fields: dict[str, Any] = {"jobs": jobs, "stop": stop, "attempt": run, "runtime": runtime}
    fields["monotonic"] = lambda: stop.now
    return cast("Agent", SimpleNamespace(**fields))


def test_the_loop_starts_each_job_about_every_interval_and_ends_when_asked_to() -> None:
    stop = Stop(waits=20)
    started: list[float] = []
    daemon.take_turns(agent_of([job("live")], stop), lambda _: started.append(stop.now))
    assert len(started) == 20
    gaps = [after - before for before, after in pairwise(started)]
    assert all(270 <= gap <= 330 for gap in gaps)


def test_what_a_poll_ended_in_changes_no_schedule() -> None:
    stop, ran = Stop(waits=20), []
    refused = Tally("live", "stream")
    refused.failures.append("The Admin API answered 400.")

    def run(each: Job) -> Tally:
        ran.append(each.name)
        return refused

    agent = agent_of([job("live")], stop, run)
    daemon.take_turns(agent, Turns(agent, lambda _: None).run)
    assert ran == ["live"] * 20


def test_a_chain_is_run_in_order_until_the_agent_is_asked_to_stop() -> None:
    stop, ran = Stop(waits=1), []
    chain = (job("first"), job("second", after="first"), job("third", after="first"))

    def run(each: Job) -> None:
        ran.append(each.name)
        if each.name == "second":
            stop.set()

    Turns(agent_of([], stop, run), lambda _: None).run(chain)
    assert ran == ["first", "second"]


def test_the_scheduler_runs_what_is_added_at_once_whatever_the_clock_says() -> None:
    agent, ran = agent_of([job("live")], Stop(waits=1)), threading.Event()
    scheduler = daemon._scheduler(agent)
    scheduler.start()
    try:
        scheduler.add_job(ran.set, daemon._AT_ONCE, id="live")
        assert ran.wait(30)
    finally:
        assert daemon._shut_down(scheduler)


def test_turns_that_are_skipped_while_a_poll_goes_on_are_told_once_in_our_own_words() -> None:
    stream, skipped = io.StringIO(), threading.Semaphore(0)
    begun, go_on = threading.Event(), threading.Event()

    def live() -> None:
        begun.set()
        go_on.wait(30)

    logs.configure("info", "json", stream)
    scheduler = daemon._scheduler(agent_of([job("live")], Stop(waits=1)))
    scheduler.add_listener(lambda _: skipped.release(), EVENT_JOB_MAX_INSTANCES)
    scheduler.start()
    try:
        scheduler.add_job(live, daemon._AT_ONCE, id=": live")
        assert begun.wait(30)
        for _ in range(2):
            scheduler.add_job(lambda: None, daemon._AT_ONCE, id=": live")
            assert skipped.acquire(timeout=30)
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        said = [(line["message"], line["job"], line["reason"]) for line in lines]
        assert said == [("poll_goes_on", "live", "The Admin API answered 429.")]
    finally:
        go_on.set()
        assert daemon._shut_down(scheduler)


def test_a_poll_that_takes_long_without_waiting_has_no_reason() -> None:
    agent = agent_of([job("live"), job("other"), job("leader"), job("live", after="leader")], Stop(waits=1))
    assert daemon._why_it_waits(agent, f": live{daemon.FIRST_TURN}") == "The Admin API answered 429."
    assert daemon._why_it_waits(agent, ": leader") == "The Admin API answered 429.", "its follower waits"
    assert [daemon._why_it_waits(agent, name) for name in (": other", ": alerts")] == ["", ""]


def test_a_turn_that_comes_before_the_scheduler_came_to_the_last_one_does_not_end_the_daemon() -> None:
    scheduler, chain = daemon._scheduler(agent_of([job("live")], Stop(waits=1))), (job("live"),)
    scheduler.start(paused=True)
    try:
        for _ in range(2):
            daemon._hand_over(scheduler, print, chain, ": live", "default")
        assert [each.id for each in scheduler.get_jobs()] == [": live"]
    finally:
        assert daemon._shut_down(scheduler)


class Slow(MemoryJobStore):  # type: ignore[misc]  # the library has no types
    """Says when it is asked for what is due, and answers when the scheduler is about to end."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.ending = threading.Event(), threading.Event()

    def get_due_jobs(self, now: datetime) -> list[Any]:
        due_jobs: list[Any] = super().get_due_jobs(now)
        if due_jobs:
            self.asked.set()
            self.ending.wait(2)
        return due_jobs


def test_a_scheduler_that_ends_while_it_starts_a_job_ends_without_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    scheduler, store = daemon._scheduler(agent_of([job("live")], Stop(waits=1))), Slow()
    scheduler.add_jobstore(store)
    scheduler.add_listener(lambda _: store.ending.set(), EVENT_SCHEDULER_PAUSED)
    scheduler.start()
    scheduler.add_job(lambda: None, daemon._AT_ONCE, id="live")
    assert store.asked.wait(30)
    assert daemon._shut_down(scheduler)
    assert errors == []


NAMES = ("one", "two", "three", "four")


def first_turns(had_turn: Callable[[Job], bool]) -> dict[str, float]:
    """When each of four organizations has its first turn."""
    stop, first = Stop(waits=60), dict[str, float]()
    jobs = [replace(job("live"), organization=name) for name in NAMES]
    agent = agent_of(jobs, stop, had_turn=had_turn)
    daemon.take_turns(agent, lambda chain: first.setdefault(chain[0].organization, stop.now))
    return first


def test_an_organization_begins_when_fewer_than_two_others_are_in_their_first_turns() -> None:
    at_once = first_turns(lambda each: each.organization == "one")
    assert at_once == {"one": 0.0, "two": 0.0, "three": 0.0, "four": daemon.STAGGER}
    assert first_turns(lambda _: True) == dict.fromkeys(NAMES, 0.0)


def test_first_turns_that_do_not_end_delay_the_next_organization_by_seconds_only() -> None:
    expected = {"one": 0.0, "two": 0.0, "three": daemon.STAGGER, "four": 2 * daemon.STAGGER}
    assert first_turns(lambda _: False) == expected


def test_an_organization_waits_for_others_as_long_as_their_first_turns_come_to_an_end() -> None:
    stop, ended = Stop(waits=200), set[str]()
    slow = [replace(job(f"live {number}"), organization=name) for name in NAMES[:2] for number in range(4)]
    jobs = [*slow, replace(job("live"), organization="three")]
    began: list[float] = []

    def start(chain: tuple[Job, ...]) -> None:
        if chain[0].organization == "three":
            began.append(stop.now)

    def had_turn(
        each: Job,
    ) -> bool:  # the four of "one" end at 10, 20, 30 and 40 seconds, those of "two" never
        if each.organization == "one" and stop.now >= 10 * (1 + int(each.name[-1])):
            ended.add(each.name)
        return each.organization == "one" and each.name in ended

    daemon.take_turns(agent_of(jobs, stop, had_turn=had_turn), start)
    assert began[0] == 40.0


def test_sweeps_begin_a_minute_after_the_last_organization_has_begun() -> None:
    stop, swept = Stop(waits=100), dict[str, float]()
    live = [replace(job("live"), organization=name) for name in NAMES[:3]]
    jobs = live + [replace(each, name="sweep", kind=Kind.sweep, interval=SWEEP_EVERY) for each in live]

    def start(chain: tuple[Job, ...]) -> None:
        if chain[0].kind is Kind.sweep:
            swept.setdefault(chain[0].organization, stop.now)

    daemon.take_turns(agent_of(jobs, stop), start)
    assert swept == dict.fromkeys(NAMES[:3], daemon.STAGGER + daemon.SWEEP_DELAY)


def swept(hours: int, failing: dict[str, range]) -> list[float]:
    """When a sweep and its follower have their turns, which last a minute; `failing` says which turns of
    whom fail."""
    stop = Stop(waits=hours * 12)
    turns, failures = list[float](), dict[str, tuple[float, int]]()
    sweep = replace(job("sweep", SWEEP_EVERY), kind=Kind.sweep)
    jobs = [job("live"), sweep, replace(sweep, name="follower", after="sweep")]

    def start(chain: tuple[Job, ...]) -> None:
        if chain[0].kind is Kind.live:
            return
        turns.append(stop.now)
        for each in chain:
            fails = len(turns) in failing.get(each.name, ())
            _, in_a_row = failures.pop(each.name, (0.0, 0))
            if fails:
                failures[each.name] = (stop.now + 60, in_a_row + 1)

    daemon.take_turns(agent_of(jobs, stop, failure=lambda each: failures.get(each.name)), start)
    return [at / 3600 for at in turns]


@pytest.mark.parametrize("who", ["sweep", "follower"])
def test_a_sweep_that_failed_does_not_wait_a_day_and_waits_longer_each_time(who: str) -> None:
    first, *others = swept(30, {who: range(1, 3)})
    assert first < 0.1
    assert [round(after - before, 1) for before, after in pairwise([first, *others])][:2] == [0.2, 0.4]
    assert len(others) == 3, "the next day's sweep"


def test_a_rare_poll_that_failed_does_not_wait_for_its_interval_either() -> None:
    stop, turns = Stop(waits=4), list[float]()
    agent = agent_of(
        [job("people", timedelta(hours=6))], stop, failure=lambda _: (turns[-1], 1) if turns else None
    )
    daemon.take_turns(agent, lambda _: turns.append(stop.now))
    assert [round((after - before) / 60) for before, after in pairwise(turns)] == [10, 10, 10]


def test_a_sweep_that_failed_is_repeated_when_those_that_follow_it_have_ended() -> None:
    """A turn that comes before would be skipped, and the next one would be a day later."""
    stop, turns, hour = Stop(waits=30), list[float](), 3600
    sweep = replace(job("sweep", SWEEP_EVERY), kind=Kind.sweep)
    agent = agent_of(
        [job("live"), sweep, replace(sweep, name="follower", after="sweep")],
        stop,
        failure=lambda each: (120.0, 1) if each.name == "sweep" and stop.now >= 120 else None,
        is_running=lambda each: each.name == "follower" and 120 <= stop.now < hour,
    )
    daemon.take_turns(agent, lambda chain: turns.append(stop.now) if chain[0] == sweep else None)
    assert turns[0] < 120
    assert [hour <= at <= hour + daemon.AGAIN for at in turns[1:]] == [True]


def test_a_poll_that_failed_a_thousand_times_does_not_end_the_daemon() -> None:
    """An hourly poll whose key lacks a right gets there in six weeks."""
    stop, turns = Stop(waits=20), list[float]()
    agent = agent_of([job("people", timedelta(hours=1))], stop, failure=lambda _: (turns[-1], 1025))
    daemon.take_turns(agent, lambda _: turns.append(stop.now))
    assert len(turns) > 1


def test_a_sweep_that_always_fails_has_few_turns_a_day_and_one_that_succeeds_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(daemon, "_jitter", lambda _: 0.0)  # by chance a day would hold one turn more
    assert len(swept(24, {"sweep": range(100)})) == 8
    assert len(swept(24, {})) == 1


def test_a_job_starts_at_once_whatever_year_the_wall_clock_says() -> None:
    began = datetime.fromtimestamp(0, UTC)  # where a machine without a battery begins
    due_at = daemon._AT_ONCE.get_next_fire_time(None, began)
    assert due_at is not None
    assert due_at <= began


def test_the_scheduler_keeps_sweeps_of_each_organization_in_threads_of_their_own() -> None:
    jobs = [replace(job("sweep"), kind=Kind.sweep, organization=name) for name in ("default", "")]
    scheduler, ran = daemon._scheduler(agent_of(jobs, Stop(waits=1))), threading.Semaphore(0)
    scheduler.start()
    try:
        for each in jobs:
            name = daemon._sweeper(each)
            scheduler.add_job(ran.release, daemon._AT_ONCE, id=name, executor=name)
        assert all(ran.acquire(timeout=30) for _ in jobs)
    finally:
        assert daemon._shut_down(scheduler)

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from anthropic_metrics.admin_api.pacing import BURST, Pacer, Priority
from anthropic_metrics.errors import Stopped


class FakeTime:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def paced(time: FakeTime, per_minute: int = 60, stop: threading.Event | None = None) -> Pacer:
    return Pacer(per_minute, sleep=time.sleep, monotonic=time, stop=stop)


def take(pacer: Pacer, count: int = 1) -> None:
    for _ in range(count):
        with pacer.turn(Priority.LIVE):
            pass


def test_a_burst_goes_out_at_once_and_the_rest_at_the_agreed_pace(time: FakeTime) -> None:
    take(paced(time, per_minute=30), BURST + 3)
    assert time.slept == pytest.approx([2, 2, 2])


def test_a_pace_below_the_burst_is_its_own_burst(time: FakeTime) -> None:
    take(paced(time, per_minute=2), 3)
    assert time.slept == pytest.approx([30])


def test_idle_time_refills_no_more_than_a_burst(time: FakeTime) -> None:
    pacer = paced(time)
    take(pacer, BURST)
    time.now += 3600
    take(pacer, BURST + 1)
    assert time.slept == pytest.approx([1])


def test_a_hold_stops_everybody_and_a_shorter_one_does_not_end_it(time: FakeTime) -> None:
    pacer = paced(time)
    pacer.hold(40)
    pacer.hold(5)
    assert pacer.hold_left() == pytest.approx(40)
    take(pacer, 2)
    assert time.slept == pytest.approx([40])
    assert pacer.hold_left() == 0


def test_a_hold_says_why_nobody_sends_until_it_ends(time: FakeTime) -> None:
    pacer = paced(time)
    assert pacer.held_for() == ""
    pacer.hold(40, "429")
    pacer.hold(5, "a shorter one")
    assert pacer.held_for() == "429"
    time.sleep(41)
    assert pacer.held_for() == ""


def test_a_hold_that_grows_during_the_wait_is_waited_for_too(time: FakeTime) -> None:
    holds = [7.0]

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if holds:
            pacer.hold(holds.pop())

    pacer = Pacer(60, monotonic=time, sleep=sleep)
    pacer.hold(3)
    take(pacer)
    assert time.slept == pytest.approx([3, 7])


def test_seconds_that_a_stand_in_for_sleep_was_told_count_as_passed() -> None:
    slept: list[float] = []
    pacer = Pacer(60, sleep=slept.append)
    pacer.hold(10_000)
    take(pacer)
    assert sum(slept) == pytest.approx(10_000, rel=1e-3)


class Watched(threading.Condition):
    """Tells which thread waits, each time that one begins to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: SimpleQueue[threading.Thread] = SimpleQueue()

    def wait(self, timeout: float | None = None) -> bool:
        self.waiting.put(threading.current_thread())
        return super().wait(timeout)


def test_live_passes_backfill_and_equals_keep_their_order() -> None:
    pacer = Pacer(6000)
    pacer._changed = changed = Watched()
    order: list[str] = []
    waiting = [("old 1", Priority.BACKFILL), ("old 2", Priority.BACKFILL), ("new", Priority.LIVE)]

    def ask(name: str, priority: Priority) -> None:
        with pacer.turn(priority):
            order.append(name)

    threads = []
    with pacer.turn(Priority.BACKFILL):
        for name, priority in waiting:
            thread = threading.Thread(target=ask, args=(name, priority))
            thread.start()
            threads.append(thread)
            while changed.waiting.get(timeout=60) is not thread:
                """Those that came before look again."""
    for thread in threads:
        thread.join()
    assert order == ["new", "old 1", "old 2"]


def test_backfill_leaves_half_of_the_burst_to_the_next_live_poll(time: FakeTime) -> None:
    pacer = paced(time)
    for _ in range(2 * BURST):
        with pacer.turn(Priority.BACKFILL):
            pass
    waited = len(time.slept)
    take(pacer, BURST // 2 - 1)
    assert len(time.slept) == waited


def test_two_turns_never_overlap() -> None:
    pacer = Pacer(60_000, sleep=lambda _: None)
    inside, overlaps = [0], []

    def ask() -> None:
        for _ in range(20):
            with pacer.turn(Priority.LIVE):
                inside[0] += 1
                overlaps.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [1] * 100


def test_a_turn_that_fails_frees_the_line(time: FakeTime) -> None:
    pacer = paced(time)
    with pytest.raises(ValueError, match="broken"), pacer.turn(Priority.LIVE):
        raise ValueError("broken")
    take(pacer)


def test_stop_ends_a_wait_at_once_and_leaves_the_line_usable() -> None:
    stop = threading.Event()
    pacer = Pacer(60, stop=stop)
    pacer.hold(3600)
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            take(pacer)
        except Stopped as error:
            ended.append(error)

    waiting = [threading.Thread(target=ask) for _ in range(2)]  # the head of the line and one behind it
    for thread in waiting:
        thread.start()
    stop.set()
    for thread in waiting:
        thread.join(30)
    assert len(ended) == 2
    assert pacer._line == []


def test_nobody_gets_a_turn_after_stop(time: FakeTime) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        take(paced(time, stop=stop))

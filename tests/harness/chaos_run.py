"""Schedules from seeds: run one, say how to replay it, make a failing one as short as it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from uuid import uuid4

from elasticsearch import Elasticsearch

from anthropic_metrics.spend.settle import SETTLE_AFTER
from tests.harness.chaos_corrections import Ledger
from tests.harness.chaos_events import ACTS, REPORT_ACTS, Event
from tests.harness.chaos_rows import Wrong
from tests.harness.chaos_truth import check
from tests.harness.chaos_world import Chaos, chaos_world

STEPS = 10
# What the live polls cannot see, by the promise: somebody else changed what they had put right.
NEED_A_SWEEP = ("es_index_deleted", "es_request_delayed", "second_agent")
MOST_RUNS = 40  # of a shrinking


def schedule(seed: int) -> list[Event]:
    """The events of a seed: some steps have none, some have several."""
    rng = Random(f"schedule {seed}")
    names, weights = list(ACTS), [weight for weight, _ in ACTS.values()]
    return [
        Event(step, name, rng.randrange(10**6))
        for step in range(STEPS)
        for name in rng.choices(names, weights, k=rng.choice((0, 1, 1, 2, 3, 4)))
    ]


def schedule_of_live_polls(seed: int) -> list[Event]:
    """The events of a seed that live polls alone put right, with two answers that are wrongly empty."""
    rng = Random(f"emptied {seed}")
    emptied = [Event(step, "api_emptied", rng.randrange(10**6)) for step in rng.sample(range(STEPS), 2)]
    events = [event for event in schedule(seed) if event.name not in NEED_A_SWEEP]
    return sorted([*events, *emptied], key=lambda event: event.step)


def schedule_of_reports(seed: int) -> list[Event]:
    """The events of a seed with the analytics reports from the start, and two agents from some step on."""
    rng = Random(f"reports {seed}")
    names, weights = list(REPORT_ACTS), [weight for weight, _ in REPORT_ACTS.values()]
    events = [Event(0, "analytics_here", rng.randrange(10**6))]
    events += [
        Event(rng.randrange(1, STEPS), name, rng.randrange(10**6))
        for name in rng.choices(names, weights, k=5)
    ]
    events.append(Event(rng.randrange(STEPS), "second_agent", rng.randrange(10**6)))
    return sorted([*events, *schedule(seed)], key=lambda event: event.step)


def run(es: Elasticsearch, url: str, seed: int, events: Sequence[Event]) -> None:
    """Let it all happen; raises Wrong when something is not as it must be in the end."""
    namespace = f"c{uuid4().hex[:8]}"
    reports = any(event.name in REPORT_ACTS for event in events)
    # With the reports, days settle while a schedule runs: every basis comes and goes.
    settle_after = timedelta(hours=3) if reports else SETTLE_AFTER
    with chaos_world(es, url, namespace, seed, settle_after=settle_after) as world:
        try:
            _live_through(world, seed, events)
        finally:
            world.heal()


def _live_through(world: Chaos, seed: int, events: Sequence[Event]) -> None:
    rng = Random(f"steps {seed}")
    ledger = Ledger(world)
    for step in range(STEPS):
        minutes = rng.choice((1, 4, 5, 5, 5, 15, 60))
        for event in events:
            if event.step == step:
                event.act(world)
                if event.name == "es_index_deleted":
                    ledger.forget()
        world.poll()
        world.heal()
        ledger.look()
        world.clock.advance(timedelta(minutes=minutes))
    world.skew = timedelta()
    world.poll()
    ledger.look()
    if world.has_reports:
        # A refusal is believed for a day: begin as an agent does that asks again.
        for runner in world.runners:
            runner.start()
    sweeps = any(event.name in NEED_A_SWEEP for event in events)
    for _ in range(2):
        # What vanished is deleted by the second look, at least an interval (of costs: an hour) later.
        world.clock.advance(timedelta(minutes=65))
        world.poll(everything=True, sweeps=sweeps)
        ledger.look()
    failures = [failure for runner in world.runners for failure in runner.failures]
    if failures:
        raise Wrong(f"there are no more faults, and yet: {failures}")
    check(world, ledger)


def failure_of(es: Elasticsearch, url: str, seed: int, events: Sequence[Event]) -> str:
    """Why a schedule fails; empty when it does not."""
    try:
        run(es, url, seed, events)
    except Exception as error:  # noqa: BLE001  whatever it is, it is a failure of this schedule
        return f"{type(error).__name__}: {error}"
    return ""


def shrunk(events: Sequence[Event], fails: Callable[[Sequence[Event]], bool]) -> list[Event]:
    """Drop events, half of them at a time at first, as long as it still fails."""
    kept, size, runs = list(events), max(1, len(events) // 2), 0
    while size:
        position, dropped = 0, False
        while position < len(kept) and runs < MOST_RUNS:
            fewer = kept[:position] + kept[position + size :]
            runs += 1
            if fails(fewer):
                kept, dropped = fewer, True
            else:
                position += size
        if runs >= MOST_RUNS or (size == 1 and not dropped):
            return kept
        size = max(1, size // 2) if size > 1 else size
    return kept


def report(es: Elasticsearch, url: str, seed: int, events: Sequence[Event] | None = None) -> str:
    """Run a seed; when it fails, what went wrong and how to see it again with as few events as possible."""
    events = schedule(seed) if events is None else events
    why = failure_of(es, url, seed, events)
    if not why:
        return ""
    fewer = shrunk(events, lambda some: bool(failure_of(es, url, seed, some)))
    again = failure_of(es, url, seed, fewer) or "it did not fail again"
    return (
        f"seed {seed}: {why}\nreplay all of it:   {_replay(seed, events)}\n"
        f"shrunk to {len(fewer)} of {len(events)} events: {_replay(seed, fewer)}\n  {again}"
    )


def _replay(seed: int, events: Sequence[Event]) -> str:
    return f"scripts/chaos --seed {seed} --events '{' '.join(map(str, events))}'"

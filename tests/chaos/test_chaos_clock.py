"""The daemon's own loop while somebody sets the machine's clock: back an hour, or ahead and back again."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.turns import Chain, Turns
from anthropic_metrics.kernel.jobs import Kind
from tests.harness.chaos_truth import check_streams
from tests.harness.chaos_world import Chaos, chaos_world

MINUTE = 60.0
END = 100 * MINUTE
# When the clock is set, in seconds after the start, and how wrong it is from then on.
JUMPS: dict[str, Mapping[float, timedelta]] = {
    "set back an hour": {25 * MINUTE: timedelta(hours=-1)},
    "set ahead and put right": {25 * MINUTE: timedelta(hours=3), 45 * MINUTE: timedelta()},
}


class Time(threading.Event):
    """The agent's stop event: waiting lets the world's time pass; it is set when the time is over."""

    def __init__(self, world: Chaos, jumps: Mapping[float, timedelta]) -> None:
        super().__init__()
        self._world, self._jumps = world, dict(jumps)
        self._start = world.monotonic()
        self.end: float = END

    @property
    def now(self) -> float:
        return self._world.monotonic() - self._start

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._world.clock.advance(timedelta(seconds=timeout, milliseconds=1))
        for at in [at for at in self._jumps if at <= self.now]:
            self._world.skew = self._jumps.pop(at)
        if self.now >= self.end:
            self.set()
        return self.is_set()


@pytest.mark.parametrize("jump", JUMPS)
def test_the_daemon_polls_on_time_and_says_so_whatever_is_done_to_the_clock(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, jump: str
) -> None:
    with chaos_world(es, elasticsearch_url, namespace, 105) as world:
        usage = world.config.usage.model_copy(update={"interval": timedelta(minutes=10)})
        world.config = world.config.model_copy(update={"usage": usage})
        stop = Time(world, JUMPS[jump])
        turns: dict[str, list[float]] = defaultdict(list)
        stale: list[dict[str, str]] = []
        with Agent(world.config, clock=world.agent_now, monotonic=world.monotonic, stop=stop) as agent:

            def start(chain: Chain) -> None:
                turns[chain[0].name].append(stop.now)
                running.run(chain)
                if stop.now > 20 * MINUTE:
                    stale.append(agent.health.troubles())

            running = Turns(agent, start)
            daemon.take_turns(agent, start)
            stop.end = math.inf  # a last poll may wait for its turn at the Admin API
            stop.clear()
            live = [job for job in agent.jobs if job.kind is Kind.live]
            assert [agent.attempt(job).failures for job in live] == [[]] * len(live)
        assert not any(stale)
        for name, times in turns.items():
            interval = next(job.interval.total_seconds() for job in agent.jobs if job.name == name)
            gaps = [after - before for before, after in zip([0.0, *times], [*times, END], strict=True)]
            # The jitter, and the step of the last wait.
            assert max(gaps) <= interval + 2 * daemon.JITTER_MOST, name
        if not world.skew:
            check_streams(world)

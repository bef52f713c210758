"""Real processes, really killed: at random instants, and an Elasticsearch that goes down."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.embedded import EmbeddedElasticsearch
from tests.harness.chaos_process import PATIENCE, Process, processes
from tests.harness.chaos_truth import check_streams
from tests.harness.chaos_world import Chaos, chaos_world
from tests.harness.fault_proxy import Passing, Reply

ROUNDS = 5


def settle(world: Chaos, agents: list[Process]) -> None:
    """Whole passes of every agent, an hour apart: what vanished needs the second look."""
    for agent in agents:
        agent.finished()
    for _ in range(2):
        for agent in agents:
            agent.end(signal.SIGKILL)  # a new process compares everything
        world.clock.advance(timedelta(minutes=65))
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.finished()
    check_streams(world)


def await_request(world: Chaos, agents: list[Process], nth: int) -> threading.Event:
    """Set at the n-th request to Elasticsearch from now on, at the latest when an agent has polled."""
    reached = threading.Event()

    def pass_on(request: Passing) -> Reply:
        reached.set()
        return request.forward()

    world.proxy.rules.clear()
    world.proxy.add(pass_on, nth=nth)
    for agent in agents:
        agent.news = reached
    return reached


@pytest.mark.parametrize("seed", [101])
def test_two_processes_killed_at_random_instants_leave_the_truth(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, tmp_path: Path, seed: int
) -> None:
    rng = Random(seed)
    with (
        chaos_world(es, elasticsearch_url, namespace, seed) as world,
        processes(world, tmp_path, 2) as agents,
    ):
        for _ in range(ROUNDS):
            edit = world.simulation.edits
            edit.revise_usage(
                world.clock.now() - timedelta(hours=rng.randint(1, 9)), factor=rng.choice((0.5, 2))
            )
            world.clock.advance(timedelta(minutes=rng.choice((5, 15, 60))))
            reached = await_request(world, agents, rng.randint(1, 60))
            for agent in agents:
                agent.tell()
            assert reached.wait(PATIENCE)
            victim = rng.choice(agents)
            if rng.random() < 0.7:
                assert victim.end(signal.SIGKILL) == -signal.SIGKILL
            else:
                assert victim.end(signal.SIGTERM) in (
                    0,
                    -signal.SIGTERM,
                )  # before its handler stood, or after
            victim.start()
        settle(world, agents)


def test_an_elasticsearch_that_is_killed_in_mid_poll_and_comes_back_holds_the_truth(tmp_path: Path) -> None:
    server = EmbeddedElasticsearch(data=tmp_path / "data")
    try:
        url = server.start()
        with (
            Elasticsearch(url, request_timeout=60, max_retries=5, retry_on_timeout=True) as es,
            chaos_world(es, url, "restarted", 103) as world,
        ):
            world.poll()

            def die(request: Passing) -> Reply:
                server.kill()
                return request.forward()

            world.proxy.add(die, nth=7)
            world.clock.advance(timedelta(minutes=60))
            world.poll()
            assert world.runners[0].failures
            server.start()
            for _ in range(3):
                world.clock.advance(timedelta(minutes=65))
                world.poll(everything=True)
            assert world.runners[0].failures == []
            check_streams(world)
    finally:
        server.stop()


def test_a_frozen_network_holds_nothing_up_for_longer_than_the_timeout(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    with chaos_world(es, elasticsearch_url, namespace, 104) as world:
        world.poll()
        frozen = world.config.elasticsearch.model_copy(update={"timeout": timedelta(milliseconds=200)})
        world.config = world.config.model_copy(update={"elasticsearch": frozen})
        world.runners[0].start()
        held = len(world.truth.sources("agent"))
        world.proxy.open.clear()
        world.clock.advance(timedelta(minutes=5))
        world.poll()
        assert len(world.truth.sources("agent")) == held
        assert any("no answer in time" in failure for failure in world.runners[0].failures)
        world.heal()
        frozen = world.config.elasticsearch.model_copy(update={"timeout": timedelta(seconds=30)})
        world.config = world.config.model_copy(update={"elasticsearch": frozen})
        world.runners[0].start()
        for _ in range(3):
            world.clock.advance(timedelta(minutes=65))
            world.poll(everything=True)
        assert world.runners[0].failures == []
        check_streams(world)

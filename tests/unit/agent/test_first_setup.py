"""What the agent needs to stand before the first document is set up once, and a failure is shared."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from anthropic_metrics.agent import first_setup
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config
from anthropic_metrics.errors import RetryLater

CONFIG = Config.model_validate(
    {
        "anthropic": {"admin_key": "sk-ant-admin01-setup"},
        "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
    }
)
PATIENCE = 30


class Told:
    """A lock that tells of everybody who comes to it."""

    def __init__(self) -> None:
        self.came, self._lock = threading.Semaphore(0), threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_jobs_that_waited_for_a_setup_that_failed_do_not_try_it_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs, asked, go_on, lock = 6, list[None](), threading.Event(), Told()

    def frozen(*_: object) -> None:
        asked.append(None)
        assert go_on.wait(PATIENCE)
        raise RetryLater("Elasticsearch does not answer.")

    monkeypatch.setattr(first_setup, "ensure", frozen)
    with Agent(CONFIG, tells=False) as agent, ThreadPoolExecutor(jobs) as pool:
        monkeypatch.setattr(agent._set_up, "_lock", lock)
        tallies = [pool.submit(agent.attempt, job) for job in agent.jobs[:jobs]]
        try:
            assert all(lock.came.acquire(timeout=PATIENCE) for _ in range(jobs))
        finally:
            go_on.set()
        assert [tally.result().failures for tally in tallies] == [["Elasticsearch does not answer."]] * jobs
        assert len(asked) == 1
        agent.attempt(agent.jobs[0])
    assert len(asked) == 2, "the next poll asks again"

"""What the log tells of each poller: in a pass its end, whatever it did; in the daemon only what changed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import structlog

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.places import attempt_all
from anthropic_metrics.cli import polling
from anthropic_metrics.cli.progress import Bar
from anthropic_metrics.config import Config
from anthropic_metrics.errors import RetryLater, Stopped
from anthropic_metrics.kernel.tally import Tally

CONFIG = Config.model_validate(
    {
        "anthropic": {"admin_key": "sk-ant-admin01-passes"},
        "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
    }
)


def failing(_: Tally) -> None:
    raise RetryLater("The Admin API answered 503.")


def test_a_pass_logs_the_end_of_every_poller_and_the_daemon_only_of_those_that_changed_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def created(tally: Tally) -> None:
        tally.created = 3

    with Agent(CONFIG) as agent, structlog.testing.capture_logs() as events:
        monkeypatch.setattr(agent._set_up, "is_done", True)
        derived = next(job for job in agent.jobs if job.poller == "headroom")
        idle, busy = replace(derived, run=lambda _: None), replace(derived, run=created)
        attempt_all(agent, [idle, replace(derived, run=failing)])
        for job in (idle, busy):
            agent.attempt(job)
    ends = [event for event in events if event["event"] == "poll_done"]
    told = [(event["log_level"], event.get("created"), event.get("failed")) for event in ends]
    assert told == [("info", None, None), ("info", None, True), ("debug", None, None), ("info", 3, None)]


def test_a_pass_that_is_stopped_says_what_had_failed_until_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_stopped(_: Tally) -> None:
        raise Stopped

    with Agent(CONFIG, tells=False) as agent:
        monkeypatch.setattr(agent._set_up, "is_done", True)
        first, second = agent.jobs[:2]
        jobs = [replace(first, run=failing), replace(second, run=is_stopped)]
        with pytest.raises(Stopped):
            polling._passed(agent, {"": jobs}, cast(Bar, SimpleNamespace(begin=lambda _: None)))
    assert f"{first.name}: The Admin API answered 503." in capsys.readouterr().err

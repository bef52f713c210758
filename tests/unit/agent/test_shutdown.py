"""A daemon that leaves a poll behind leaves its connections alone: the poll may be using them."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config

CONFIG = Config.model_validate(
    {
        "anthropic": {"admin_key": "sk-ant-admin01-shutdown"},
        "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        "health": {"port": 0},
    }
)


class Left(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("finished", [True, False])
def test_connections_are_closed_only_where_every_poll_has_ended(
    finished: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[None] = []

    def gone(code: int) -> Any:
        raise Left(code)

    monkeypatch.setattr(daemon, "take_turns", lambda *_: None)
    monkeypatch.setattr(daemon, "_shut_down", lambda scheduler: bool(scheduler.shutdown()) or finished)
    monkeypatch.setattr("os._exit", gone)
    agent = Agent(CONFIG)
    close = agent.close
    monkeypatch.setattr(agent, "close", lambda: closed.append(close()))
    with structlog.testing.capture_logs() as events:
        if finished:
            assert daemon.run(agent) == 0
        else:
            with pytest.raises(Left, match="0"):
                daemon.run(agent)
    assert [event["cut_off"] for event in events if event["event"] == "agent_stopped"] == [not finished]
    assert len(closed) == finished
    close()

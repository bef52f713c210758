"""`once` and `backfill`: what ends a pass before it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.cli.polling import _passed
from anthropic_metrics.cli.progress import Bar
from anthropic_metrics.errors import MetricsError, RetryLater, SinkError


@pytest.mark.parametrize("error", [SinkError("Run setup."), RetryLater("No connection.")])
def test_what_keeps_every_poller_from_writing_is_one_message_and_no_table(error: MetricsError) -> None:
    def set_up() -> None:
        raise error

    attempted: list[Any] = []
    agent = cast("Agent", SimpleNamespace(set_up=set_up, attempt=attempted.append))
    with pytest.raises(type(error), match=str(error)):
        _passed(agent, {"": [cast("Any", SimpleNamespace(name="usage"))]}, Bar())
    assert attempted == []

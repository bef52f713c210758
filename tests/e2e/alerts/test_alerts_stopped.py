"""What an agent posted before it was asked to stop is not posted again after its restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.errors import Stopped
from tests.harness.alerts_office import Office, office

__all__ = ["office"]


class Interrupted(Poster):
    """The agent is asked to stop while the first message is on its way; it hears of it at the second one."""

    def __init__(self) -> None:
        super().__init__(threading.Event())

    def post(self, webhook: Webhook, message: dict[str, Any]) -> None:
        if self.stop.is_set():
            raise Stopped
        super().post(webhook, message)
        self.stop.set()


def one_by_one(office: Office, count: int = 1) -> None:
    office.use("claude-quiet", 1)
    office.evaluate()
    for number in range(count):
        office.use(f"claude-{number}", 900_000)


def in_a_summary(office: Office) -> None:
    for model in ("claude-haiku-5-5", "claude-opus-5-5"):
        office.use(model, 900_000)


def test_what_a_stopped_agent_had_claimed_is_posted_at_the_next_evaluation(office: Office) -> None:
    one_by_one(office, 3)
    with pytest.raises(Stopped):
        office.evaluate(office.watch(poster=Interrupted()))
    assert len(office.inbox.taken) == 1
    office.evaluate()
    assert len(set(office.texts())) == 3


@pytest.mark.parametrize("prepare", [one_by_one, in_a_summary])
def test_a_stop_between_two_webhooks_repeats_nothing_after_the_restart(
    office: Office, prepare: Callable[[Office], None]
) -> None:
    prepare(office)
    with pytest.raises(Stopped):
        office.evaluate(office.watch(poster=Interrupted()))
    assert len(office.inbox.taken) == 1
    for _ in range(2):
        office.evaluate()
    assert sorted(path for path, _ in office.inbox.taken) == ["/json", "/slack"]

"""When a digest is posted: once, and not before its period has been read."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
import structlog
from pydantic import SecretStr

from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.config import AlertSettings
from anthropic_metrics.digest.send import DigestSender
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.datasets import USAGE, stream_name
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink, Store
from anthropic_metrics.kernel.questions import Row, Used
from anthropic_metrics.kernel.ranges import DAY, Range, floor
from anthropic_metrics.kernel.tally import Tally
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_spend import NOW, MemorySpend

HOUR = timedelta(hours=1)


@dataclass
class Streams(MemoryQuestions):
    """A dollar a day from `first` on, and the agent stream, where documents are created once."""

    first: datetime | None = None
    created: dict[str, Prepared] = field(default_factory=dict)

    def append(self, stream: str, documents: Iterable[Prepared], *, new: bool = False) -> Outcome:
        fresh = [each for each in documents if each.id not in self.created]
        self.created |= {each.id: each for each in fresh}
        return Outcome(created=len(fresh))

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        return ((each.id, each.source) for each in self.created.values())

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        if self.first is None:
            return {}
        begin = max(floor(self.first, DAY), floor(span.start, DAY))
        return {begin + n * DAY: {"billed": 1.0} for n in range(max(-((begin - span.end) // DAY), 0))}

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        return {}


class Inbox(Poster):
    """Takes what is posted, unless it is closed."""

    def __init__(self) -> None:
        super().__init__(threading.Event())
        self.taken, self.is_open = list[dict[str, Any]](), True

    def post_body(self, webhook: Webhook, body: dict[str, Any]) -> None:
        if not self.is_open:
            raise RetryLater("Webhook did not accept a message.")
        self.taken.append(body)


class World:
    def __init__(self) -> None:
        alerts = AlertSettings(webhooks=(SecretStr("http://localhost:1/hook"),))
        self.spend = MemorySpend(settings={"digest": "daily", "alerts": alerts})
        self.streams, self.inbox = Streams(), Inbox()
        self.sender = self.restarted()

    def restarted(self) -> DigestSender:
        agent, clock = self.spend.agent(), self.spend.clock
        return DigestSender(
            self.spend.config,
            agent.client,
            agent.organization.inventory,
            clock=clock.now,
            stop=threading.Event(),
            poster=self.inbox,
        )

    def told(self) -> list[str]:
        """What a turn logs that somebody should read."""
        with structlog.testing.capture_logs() as events:
            self.send()
        return [event["event"] for event in events if event["log_level"] in ("warning", "error")]

    def send(self) -> Tally:
        tally = Tally("digest", "agent")
        self.sender.send(Sink(cast("Store", self.streams), lambda _: None, self.streams), tally)
        return tally


@pytest.fixture
def world() -> World:
    return World()


def test_a_digest_waits_until_its_day_has_been_read(world: World) -> None:
    world.send()
    assert not world.streams.created, "nothing has been read"
    world.streams.first = NOW - HOUR
    world.send()
    assert not world.streams.created, "the stream begins today"
    world.streams.first = NOW - 2 * DAY
    world.send()
    assert [one["usd"] for one in world.inbox.taken] == [1.0]


def test_a_digest_waits_until_its_day_has_been_read_to_its_end(world: World) -> None:
    """The Admin API answered nothing from the evening on."""
    evening, midnight = floor(NOW, DAY) - 6 * HOUR, floor(NOW, DAY)
    world.streams.first, world.streams.read_until = NOW - 3 * DAY, evening
    world.send()
    assert not world.streams.created
    world.streams.read_until = midnight
    world.send()
    assert [one["usd"] for one in world.inbox.taken] == [1.0]


def test_a_digest_that_has_waited_long_enough_says_how_far_its_day_was_read(world: World) -> None:
    evening = floor(NOW, DAY) - 6 * HOUR
    world.streams.first, world.streams.read_until = NOW - 3 * DAY, evening
    world.spend.clock.advance(11 * HOUR)
    world.send()
    (one,) = world.inbox.taken
    assert "Usage is read up to 2026-11-23 18:00 UTC: later use is not counted here." in one["text"]


def test_a_digest_does_not_wait_for_polls_that_fail_in_part_and_write_the_next_day(world: World) -> None:
    world.streams.first, world.streams.read_until = NOW - 3 * DAY, NOW - 2 * DAY
    world.streams.written[stream_name(USAGE, "default")] = [(NOW - HOUR, NOW)]
    world.send()
    assert [one["usd"] for one in world.inbox.taken] == [1.0]


def test_a_digest_of_a_day_without_use_is_posted_when_the_day_has_been_read(world: World) -> None:
    world.streams.read_since = NOW - 2 * DAY
    world.send()
    assert [one["usd"] for one in world.inbox.taken] == [0.0]


def test_a_digest_waits_for_its_day_until_the_evening_only(world: World) -> None:
    world.spend.clock.advance(timedelta(hours=10, minutes=57))
    world.send()
    assert not world.inbox.taken
    world.spend.clock.advance(timedelta(minutes=2))
    world.send()
    assert len(world.inbox.taken) == 1


@pytest.fixture
def ended(world: World) -> World:
    """A day that has been read."""
    world.streams.first = NOW - 2 * DAY
    return world


def test_a_digest_that_an_agent_claimed_and_did_not_post_before_it_ended_is_told_once(ended: World) -> None:
    ended.inbox.is_open = False
    assert ended.send().failures == ["Webhook did not accept a message."]
    ended.sender, ended.inbox.is_open = ended.restarted(), True
    assert ended.told() == [], "another agent may be posting it just now"
    ended.spend.clock.advance(HOUR)
    assert ended.told() == ["digest_not_posted"]
    assert ended.told() == []
    assert ended.inbox.taken == []


def test_nobody_is_told_of_a_digest_that_every_webhook_took(ended: World) -> None:
    ended.inbox.is_open = False
    ended.send()
    ended.inbox.is_open = True
    ended.send()
    assert len(ended.inbox.taken) == 1
    ended.sender = ended.restarted()
    ended.spend.clock.advance(HOUR)
    assert ended.told() == []


def test_nobody_is_told_of_a_digest_that_this_agent_still_tries_to_post(ended: World) -> None:
    ended.inbox.is_open = False
    ended.send()
    ended.spend.clock.advance(HOUR)
    assert ended.told() == []

"""Alerts are posted under a claim that is in force, however long the webhooks take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from anthropic_metrics.alerts.claims import LEASE, Claimant
from anthropic_metrics.alerts.delivery import Delivery
from anthropic_metrics.alerts.first_evaluations import remembered
from anthropic_metrics.alerts.state import AlertState, StoredAlert
from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.versioned import Versioned
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.kernel.tally import Tally

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Slow:
    """A memory of alerts, a webhook that takes a minute for each, and the clock that tells it."""

    def __init__(self, count: int) -> None:
        self.now = NOW
        self.owed = {f"a{number}": NOW for number in range(count)}
        self.posted: list[tuple[str, timedelta]] = []

    def refresh(self) -> None:
        pass

    def claimed(self, now: datetime) -> list[StoredAlert]:
        self.owed = dict.fromkeys(self.owed, now)
        return [self._stored(name) for name in self.owed]

    def settle(self, stored: StoredAlert, pending: list[str]) -> bool:
        return self.owed.pop(stored.alert["id"], None) is not None

    def post(self, webhook: Webhook, message: dict[str, Any]) -> None:
        self.posted.append((message["alert"], self.now - self.owed[message["alert"]]))
        self.now += MINUTE

    def _stored(self, name: str) -> StoredAlert:
        alert: dict[str, Any] = {
            "id": name,
            "rule": "r",
            "status": "active",
            "fired_at": iso(NOW),
            "row": "{}",
        }
        alert |= {"message": "m", "pending": ["fired hook"]}
        return StoredAlert(Versioned(Copy(name, "index", 1, 1, None), {"anthropic": {"alert": alert}}))


def test_what_is_left_when_webhooks_are_slow_is_claimed_again_before_the_claim_is_over() -> None:
    slow = Slow(9)
    state, poster = cast(AlertState, slow), cast(Poster, slow)
    delivery = Delivery(state, [Webhook("hook", "https://hook.example", "json")], poster)
    delivery.alerts({"r": "Rule"}, lambda: slow.now, Tally("alerts", "s"))
    assert [name for name, _ in slow.posted] == [f"a{number}" for number in range(9)]
    assert max(age for _, age in slow.posted) < LEASE - MINUTE


def test_however_many_rules_an_agent_has_each_is_evaluated_for_the_first_time_once() -> None:
    own = [f"own {number}" for number in range(700)]
    others = [f"other {number}" for number in range(700)]
    known = remembered([*others, *own[:400]], own[400:], own)
    assert known == [*others[-500:], *own]
    assert remembered(known, own[:10], own) == [*others[-500:], *own[10:], *own[:10]]


def test_a_claim_of_its_own_that_is_soon_over_is_claimed_again_and_that_of_another_is_respected() -> None:
    me, other = Claimant("me"), Claimant("other")
    mine = me.claim(NOW)
    assert not me.must_claim(mine, NOW + 2 * MINUTE)
    assert me.must_claim(mine, NOW + 3 * MINUTE)
    assert not other.must_claim(mine, NOW + 3 * MINUTE)
    assert other.must_claim(mine, NOW + LEASE)
    assert me.must_claim({}, NOW)


def test_a_claim_of_a_clock_that_was_hours_ahead_is_none_and_one_of_minutes_ahead_is_respected() -> None:
    me, other = Claimant("me"), Claimant("other")
    ahead = me.claim(NOW + timedelta(hours=2))
    assert other.must_claim(ahead, NOW)
    assert other.may_take(ahead, NOW)
    assert me.must_claim(ahead, NOW)
    slightly = me.claim(NOW + 2 * MINUTE)
    assert not other.must_claim(slightly, NOW)
    assert not other.may_take(slightly, NOW)

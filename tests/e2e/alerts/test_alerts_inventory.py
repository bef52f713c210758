"""The rules over the inventory, at every other hour of six days: what they hear is what happened."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.execute import run, turn
from anthropic_metrics.alerts.keys import KEYS
from anthropic_metrics.config import AlertSettings, RateLimitSettings, UsageSettings
from anthropic_metrics.config.money import SpendSettings
from tests.harness.world import World, world

START = datetime(2026, 11, 2, 0, 10, tzinfo=UTC)
DAY, STEP = timedelta(days=1), timedelta(hours=2)
DAYS = 6
USED = START + 2 * DAY + timedelta(hours=5)
pytestmark = pytest.mark.timeout(900)


@dataclass
class Heard:
    """When each alert of a rule began and ended."""

    new: dict[str, list[datetime]] = field(default_factory=dict)
    ended: dict[str, list[datetime]] = field(default_factory=dict)


@dataclass
class Played:
    world: World
    heard: dict[str, Heard]

    def key(self, name: str) -> str:
        return self.world.simulation.organization().key(name).id


@pytest.fixture(scope="module")
def played(es: Elasticsearch, elasticsearch_url: str) -> Iterator[Played]:
    usage = UsageSettings(granularities=("1h",))
    namespace = f"t{uuid.uuid4().hex[:8]}"
    with world(es, elasticsearch_url, namespace, now=START, days=2, usage=usage, series=16) as w:
        w.config = w.config.model_copy(
            update={
                "alerts": AlertSettings(key_expires_days=2, key_unused_days=3),
                "spend": SpendSettings(enabled=False),
                "rate_limits": RateLimitSettings(interval=STEP),
            }
        )
        watched = [rule for rule in rules(w.config) if rule.key in {each.key for each in KEYS}]
        assert len(watched) == len(KEYS)
        heard = {rule.key: Heard() for rule in watched}
        active: dict[str, set[str]] = {rule.key: set() for rule in watched}
        script(w)
        with w.agent() as agent:
            agent.organization.only(["rate_limits", "usage", "inventory"])
            jobs = agent.organization.whole(agent.sink)
            while (now := w.clock.now()) < START + DAYS * DAY:
                assert all(agent.attempt(job).done for job in jobs)
                es.indices.refresh(index=f"metrics-anthropic_metrics.*-{namespace}")
                for rule in watched:
                    found = run(es, rule, now)
                    change = turn(active[rule.key], found)
                    for alert in change.new:
                        heard[rule.key].new.setdefault(alert.id, []).append(now)
                    for gone in change.recovered:
                        heard[rule.key].ended.setdefault(gone, []).append(now)
                    active[rule.key] = {alert.id for alert in found}
                w.clock.advance(STEP)
        yield Played(w, heard)


def script(w: World) -> None:
    """Edits that hold from their own moments on."""
    edits, organization = w.simulation.edits, w.simulation.organization()
    notebooks, bot = organization.key("notebooks"), organization.key("helpdesk-bot")
    born = START + DAY + timedelta(hours=9)
    newcomer = replace(notebooks, id="apikey_01Newcomer", name="newcomer", created_at=born)
    edits.add_api_key(newcomer, at=born)
    edits.change_api_key(notebooks.id, expires_at=START + 4 * DAY + timedelta(hours=12), at=START)
    edits.change_api_key(notebooks.id, expires_at=None, at=START + 3 * DAY + timedelta(hours=9))
    edits.change_api_key(bot.id, status="inactive", at=START + DAY + timedelta(hours=9))
    runner = {"api_key_id": organization.key("eval-runner").id}
    edits.vanish_usage(START.replace(minute=0) + DAY, match=runner, span=30 * DAY, at=START)
    # The Admin API should refuse it, and does not.
    use = {"model": "claude-sonnet-5-5", "workspace_id": bot.workspace_id, "api_key_id": bot.id}
    edits.add_usage(USED, use, {"output_tokens": 1000})
    group = organization.rate_limits[0].group_id
    moment = START + 2 * DAY + timedelta(hours=9)
    edits.set_workspace_rate_limit(unlimited(w)[0], group, "requests_per_minute", 50, at=moment)


def unlimited(w: World) -> list[str]:
    """Active workspaces with use and without overrides, the default one left out."""
    organization = w.simulation.organization(START)
    limited = {each.workspace_id for each in organization.overrides if each.limits}
    rows = w.simulation.usage_rows(START - 2 * DAY, START + DAYS * DAY, "1h", ("workspace_id",))
    used = {row["workspace_id"] for row in rows}
    return sorted(
        each.id
        for each in organization.workspaces
        if each.id in used and each.id not in limited and not each.default and each.archived_at is None
    )


def test_a_new_key_is_told_once_and_for_a_day(played: Played) -> None:
    heard = played.heard["new_key"]
    assert heard.new == {"apikey_01Newcomer": [START + DAY + timedelta(hours=10)]}
    assert heard.ended == {"apikey_01Newcomer": [START + 2 * DAY + timedelta(hours=10)]}


def test_a_key_is_told_from_so_many_days_before_its_expiry_until_that_is_moved(played: Played) -> None:
    heard = played.heard["key_expires"]
    # Two days before the UTC day of its expiry, seen by the first poll of that day.
    assert heard.new == {played.key("notebooks"): [START + 2 * DAY]}
    assert heard.ended == {played.key("notebooks"): [START + 3 * DAY + timedelta(hours=10)]}

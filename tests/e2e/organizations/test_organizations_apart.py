"""What one organization suffers, no other feels: an outage, a refused key, a limit."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.turns import Chain, Turns
from anthropic_metrics.checks import Status, findings
from anthropic_metrics.cli import app
from anthropic_metrics.config import (
    CostSettings,
    InventorySettings,
    RateLimitSettings,
    UsageSettings,
)
from anthropic_metrics.config.money import SpendSettings
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import effects
from tests.harness.organizations import NOW, Several, key_of, several
from tests.harness.world import GROUPED

OFF = {
    "usage": UsageSettings(granularities=("1h",)),
    "cost": CostSettings(enabled=False),
    "rate_limits": RateLimitSettings(enabled=False),
    "inventory": InventorySettings(enabled=False),
    "spend": SpendSettings(enabled=False),
}


@pytest.fixture
def usage_only(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Any:
    own = dict.fromkeys(("acme", "acme-eu"), OFF)
    with several(es, elasticsearch_url, namespace, now=NOW, days=1, series=3, own=own) as found:
        yield found


class Steps(threading.Event):
    """The daemon's stop event: it waits for the next step of the test, in which the wait has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.next = 0.0, threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.next.acquire()
        self.now += timeout or 0.0
        return self.is_set()


def test_a_server_that_never_answers_delays_no_other_organizations_live_polls(usage_only: Several) -> None:
    frozen, entered, release = usage_only.each["acme"], threading.Event(), threading.Event()
    frozen.server.faults.add(effects.slow(release, entered), times=None)
    polled, stop = threading.Semaphore(0), Steps()
    done: list[str] = []
    with usage_only.agent(stop=stop, monotonic=lambda: stop.now) as agent:
        run = agent.attempt

        def attempt(job: Job, tally: Tally | None = None) -> Tally:
            try:
                return run(job, tally)
            finally:
                done.append(job.organization)
                if job.organization == "acme-eu" and job.name.endswith(".usage"):
                    polled.release()

        agent.attempt = attempt  # type: ignore[method-assign]  # to hear of each poll's end
        scheduler = daemon._scheduler(agent)
        scheduler.start()

        def start(chain: Chain) -> None:
            name = f"{chain[0].organization}: {chain[0].name}"
            scheduler.add_job(turns.run, daemon._AT_ONCE, args=(chain,), id=name)

        turns = Turns(agent, start)
        loop = threading.Thread(target=daemon.take_turns, args=(agent, start), daemon=True)
        loop.start()
        try:
            for _ in range(3):
                while not polled.acquire(timeout=1):
                    stop.next.release()
            assert entered.wait(60)
            assert "acme" not in done
            assert {name.partition(":")[0] for name in agent.health.troubles()} == {"acme"}
        finally:
            stop.set()
            stop.next.release()
            release.set()
            loop.join()
            daemon._shut_down(scheduler)
    eu = usage_only.each["acme-eu"]
    assert eu.held_usage("usage") == eu.true_usage("usage", usage_only.config.backfill.since(NOW), at=NOW)


def test_a_refused_key_stops_only_its_own_organization(usage_only: Several) -> None:
    usage_only.each["acme"].server.admin_keys.clear()
    with usage_only.agent() as agent:
        tallies = {
            each.label: [agent.attempt(job) for job in each.whole(agent.sink)] for each in agent.organizations
        }
        assert all(tally.failures for tally in tallies["acme"])
        assert not any(tally.failures for tally in tallies["acme-eu"])
        troubles = agent.health.troubles()
    assert troubles
    assert all(name.startswith("acme: ") for name in troubles if "key" in troubles[name])
    outcomes = {
        (source["organization"]["name"], source["event"]["outcome"])
        for source in usage_only.sources("agent")
        if source["event"]["action"] == "poll"
    }
    assert outcomes == {("acme", "failure"), ("acme-eu", "success")}


def test_check_tells_how_the_last_poll_of_each_organization_went(usage_only: Several) -> None:
    usage_only.once()
    usage_only.clock.advance(timedelta(minutes=5))
    usage_only.each["acme"].server.faults.add(effects.status(400), "*usage_report*", times=None)
    with usage_only.agent() as agent:
        for organization in agent.organizations:
            for job in organization.whole(agent.sink):
                agent.attempt(job)
    usage_only.each["acme"].server.faults.clear()
    usage_only.sources("agent")  # refreshes it
    stream = usage_only.each["acme"].stream("usage")
    found = findings(usage_only.config, usage_only.clock.now())
    told = {each.organization: each for each in found if each.what == stream}
    assert {name: each.status for name, each in told.items()} == {
        "acme": Status.failed,
        "acme-eu": Status.ok,
    }
    assert "the last poll failed" in told["acme"].details
    for name, world in usage_only.each.items():
        assert f"{len(world.sources('usage')):,} documents" in told[name].details


def test_two_keys_of_one_organization_stop_the_second_and_name_both(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    with several(es, elasticsearch_url, namespace, now=NOW, days=1, series=3) as found:
        one, other = found.config.organizations
        found.each["acme"].server.admin_keys.add("sk-ant-admin01-simulated-acme-eu")
        config = found.config.model_copy(
            update={"organizations": (one, other.model_copy(update={"base_url": one.base_url}))}
        )
        with Agent(config, clock=found.clock.now) as agent:
            first, second = agent.organizations
            (job,) = (each for each in first.whole(agent.sink) if each.poller == "cost")
            assert agent.attempt(job).failures == []
            (job,) = (each for each in second.whole(agent.sink) if each.poller == "cost")
            (failure,) = agent.attempt(job).failures
    assert "The keys of acme and acme-eu both belong to organization" in failure


class Passing(threading.Event):
    """Waiting takes no time, and is counted."""

    now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


def test_each_organization_has_a_pace_and_a_patience_of_its_own(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    with several(es, elasticsearch_url, namespace, now=NOW, days=1, series=3) as found:
        slow, fast = (
            each.model_copy(update={"requests_per_minute": rate})
            for each, rate in zip(found.config.organizations, (6, 600), strict=True)
        )
        config = found.config.model_copy(update={"organizations": (slow, fast)})
        passed = Passing()
        with Agent(config, clock=found.clock.now, stop=passed, monotonic=lambda: passed.now) as agent:
            seconds = []
            for organization in agent.organizations:
                before = passed.now
                for _ in range(15):
                    organization.client.get("/v1/organizations/me")
                seconds.append(passed.now - before)
            # Six at once, then one every ten seconds; ten at once, then ten a second.
            assert seconds == [pytest.approx(90), pytest.approx(0.5)]
            limited = effects.status(429, hint="seconds", seconds=600)
            found.each["acme"].server.faults.add(limited, times=None)
            with pytest.raises(RetryLater):
                agent.organizations[0].client.get("/v1/organizations/me")
            before = passed.now
            agent.organizations[1].client.get("/v1/organizations/me")
            assert passed.now - before < 1


FAULTS = (
    effects.status(429, hint="seconds", seconds=7),
    effects.status(529),
    effects.reset("in_body"),
    effects.truncated(),
    effects.malformed(),
)


def test_twenty_organizations_end_equal_to_the_truth_of_each_whatever_some_of_them_answer(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    names = [f"organization {number}" for number in range(20)]
    own = {name: OFF | {"cost": CostSettings()} for name in names}
    begin = NOW - timedelta(days=1)
    with several(es, elasticsearch_url, namespace, now=NOW, names=names, days=1, series=2, own=own) as found:
        for world, effect in zip(list(found.each.values())[::3], cycle(FAULTS), strict=False):
            world.server.faults.add(effect, "*_report*", times=3)
        found.each[names[1]].server.admin_keys.clear()
        passed = Passing()
        with found.agent(stop=passed, monotonic=lambda: passed.now) as agent:
            for organization in agent.organizations:
                for job in organization.whole(agent.sink):
                    agent.attempt(job)
            troubled = {name.partition(":")[0] for name in agent.health.troubles()}
        assert names[1] in troubled
        assert troubled <= {names[1], *names[::3]}
        found.each[names[1]].server.admin_keys.add(key_of(names[1]))
        found.once()
        by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for dataset in ("usage", "cost"):
            for source in found.sources(dataset):
                by_id[source["organization"]["id"]].append(source["anthropic"])
        assert by_id.keys() == {world.id for world in found.each.values()}
        for world in found.each.values():
            rows = world.simulation.usage_rows(begin.replace(hour=0, minute=0), NOW, "1h", GROUPED, at=NOW)
            tokens = sum(row["output_tokens"] for row in rows)
            usage = [row["usage"] for row in by_id[world.id] if "usage" in row]
            assert (len(usage), sum(row["output_tokens"] for row in usage)) == (len(rows), tokens), world.name
            days = world.simulation.cost_rows(NOW - timedelta(days=40), NOW, ("workspace_id", "description"))
            costs = sorted(row["cost"]["amount_exact"] for row in by_id[world.id] if "cost" in row)
            assert costs == sorted(row["amount"] for row in days), world.name


def test_once_ends_with_the_others_done_and_names_the_one_that_failed(
    usage_only: Several, tmp_path: Path
) -> None:
    usage_only.each["acme"].server.admin_keys.clear()
    config = usage_only.written(tmp_path)
    result = CliRunner().invoke(app, ["once", "--only", "usage", "--config", str(config)])
    assert result.exit_code == 1
    assert "acme: metrics-anthropic_metrics.usage" in result.stderr
    assert "acme-eu: metrics" not in result.stderr

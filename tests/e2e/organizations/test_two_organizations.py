"""Two organizations under one agent, whose workspaces, keys and budgets have the same names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anthropic_metrics.streams.registry import STREAMS
from tests.harness.organizations import NOW, Several

START = datetime(2026, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize("name", ["acme", "acme-eu"])
def test_each_stream_holds_each_organizations_truth(two: Several, name: str) -> None:
    world = two.each[name]
    assert world.held_usage("usage") == world.true_usage("usage", START, at=two.clock.now())
    held = world.held_usage("usage_1m")
    assert held
    assert held == world.true_usage("usage_1m", datetime.fromisoformat(held[0][0]), at=NOW)
    assert world.held_costs() == world.true_costs(START, at=NOW)


def test_both_have_the_same_names_and_no_document_is_anothers(two: Several) -> None:
    acme, eu = two.each.values()
    for dataset in ("usage", "cost", "rate_limit", "headroom", "spend", "inventory", "agent"):
        sources = [[*world.sources(dataset)] for world in (acme, eu)]
        assert all(sources), dataset
        everything = two.es.count(index=acme.stream(dataset))["count"]
        assert sum(map(len, sources)) == everything, dataset
        for world, own in zip((acme, eu), sources, strict=True):
            assert {source["organization"]["name"] for source in own} == {world.name}, dataset
    names = [
        {source["anthropic"]["workspace"]["name"] for source in world.sources("usage")}
        for world in (acme, eu)
    ]
    assert names[0] == names[1]


def test_derived_streams_add_up_to_their_own_organizations_inputs(two: Several) -> None:
    for world in two.each.values():
        usage = sum(source["anthropic"]["usage"]["total_tokens"] for source in world.sources("usage"))
        spend = sum(source["anthropic"]["spend"].get("total_tokens", 0) for source in world.sources("spend"))
        assert usage == spend
        (budget,) = (
            source["anthropic"]["budget"]
            for source in world.sources("agent")
            if source["event"]["action"] == "budget" and not source["anthropic"]["budget"]["read_only"]
        )
        assert budget["state"] == ("incomplete" if world.name == "acme" else "exceeded")
        month = sum(source["anthropic"]["spend"].get("amount_usd", 0) for source in world.sources("spend"))
        assert budget["spent_usd"] == pytest.approx(month, abs=0.01)


def test_a_second_pass_changes_nothing(two: Several) -> None:
    before = counts(two)
    done = two.once()
    changed = [tally for tallies in done.values() for tally in tallies if tally.changed]
    assert [(tally.stream, tally.counts()) for tally in changed] == []
    assert counts(two) == before


def counts(two: Several) -> dict[str, int]:
    """Documents by stream, but for the record of polls, which grows."""
    names = {
        stream.key: stream.name(two.config.namespace)
        for stream in STREAMS
        if stream.key not in ("agent", "alert")
    }
    return {key: two.es.count(index=name, ignore_unavailable=True)["count"] for key, name in names.items()}

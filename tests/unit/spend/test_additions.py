"""An audit holds the spend of each settled day and workspace against what was billed, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.spend.additions import Addition, additions
from anthropic_metrics.spend.keeper import SpendKeeper
from tests.harness.memory_spend import BILLED, NOW, SPENT, MemorySpend, by_day_and_workspace, on

SETTLED = ("2026-11-19", "2026-11-20", "2026-11-21")


def added(w: MemorySpend) -> list[Addition]:
    agent = w.agent()
    (keeper,) = (
        poller.keeper
        for poller in agent.organization.pollers
        if isinstance(poller, DerivedPoller) and isinstance(poller.keeper, SpendKeeper)
    )
    whole, names = keeper.history(NOW), agent.organization.inventory.names(NOW)
    computation = keeper.computation(whole, w.streams, names, NOW, Tally("spend", SPENT))
    return list(additions(computation, SPENT, whole))


@pytest.fixture
def w() -> MemorySpend:
    made = MemorySpend(series=4)
    made.agent().poll(everything=True)
    return made


def test_each_settled_day_and_workspace_has_its_bill(w: MemorySpend) -> None:
    bill = {place: amount for place, amount in by_day_and_workspace(w, BILLED).items() if place[0] in SETTLED}
    found = added(w)
    assert {(f"{each.day}", each.workspace): each.billed for each in found} == bill
    assert all(each.equal and not each.report for each in found)


def test_a_cent_that_is_lost_is_seen_with_its_day_and_workspace(w: MemorySpend) -> None:
    document = next(
        each["anthropic"]["spend"]
        for each in on(w.documents().values(), "2026-11-20")
        if Decimal(each["anthropic"]["spend"].get("amount_exact", "0")) > 1
    )
    document["amount_exact"] = str(Decimal(document["amount_exact"]) - Decimal("0.01"))
    (wrong,) = (each for each in added(w) if not each.equal)
    assert (f"{wrong.day}", wrong.workspace) == ("2026-11-20", document["workspace_id"])
    assert wrong.billed - wrong.spent == Decimal("0.01")


def test_a_day_of_the_analytics_reports_is_held_against_their_total(w: MemorySpend) -> None:
    w.analytics(Terms(enrolled="on", revised=0.1))
    w.agent().poll(everything=True)
    found = added(w)
    assert [(f"{each.day}", each.workspace, each.report) for each in found] == [
        (day, None, True) for day in SETTLED
    ]
    assert all(each.equal and each.billed for each in found)


def test_without_workspaces_in_usage_a_day_is_held_against_the_whole_bill() -> None:
    w = MemorySpend(series=4, settings={"usage": {"granularities": ["1h"], "group_by": ["model"]}})
    w.agent().poll(everything=True)
    found = added(w)
    assert [(f"{each.day}", each.workspace) for each in found] == [(day, None) for day in SETTLED]
    assert all(each.equal and each.billed for each in found)

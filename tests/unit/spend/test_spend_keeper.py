"""Spend follows from usage and bill, whatever happens to them; each row has one document all the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import reports
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.simulator.costs import cost_rows
from anthropic_metrics.spend.keeper import LIVE_DAYS, SpendKeeper, whole_days
from anthropic_metrics.spend.learn import LOOK_BACK
from anthropic_metrics.spend.settle import day_start
from tests.harness.memory_spend import (
    NOW,
    OPEN,
    SETTLED,
    SPENT,
    TWENTIETH,
    USED,
    MemorySpend,
    assert_adds_up,
    assert_fresh,
    basis,
    billed_world,
    compared,
    on,
    small,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_settled_days_are_the_bill_and_later_ones_estimates_with_a_document_for_each_row() -> None:
    w = small()
    w.agent().poll(everything=True)

    assert_adds_up(w, *SETTLED)
    assert basis(on(w.documents().values(), *SETTLED)) == {"allocated"}
    assert basis(on(w.documents().values(), *OPEN)) == {"estimated"}
    assert {each["@timestamp"][:10] for each in w.checks("estimate_check")} == set(SETTLED)
    assert_fresh(w)


def test_what_has_not_changed_is_not_computed_again_but_once_a_day() -> None:
    w = small()
    agent = w.agent()
    agent.poll(everything=True)
    agent.spend()  # the first live pass looks at everything
    w.streams.asked.clear()
    agent.spend()
    assert compared(w) == 0
    w.clock.advance(DAY)
    agent.spend()
    assert compared(w) == 1


def test_what_has_left_the_history_is_no_longer_remembered() -> None:
    w = billed_world()
    agent = w.agent()
    agent.poll(everything=True)
    agent.poll()
    keeper = next(
        poller.keeper
        for poller in agent.organization.pollers
        if isinstance(poller, DerivedPoller) and isinstance(poller.keeper, SpendKeeper)
    )
    checking = keeper._checking
    checking._drifted.add((TWENTIETH.date(), None, "a price"))
    checking._errors |= {TWENTIETH.date(): 0.5, TWENTIETH.date() + DAY: 0.25}
    assert keeper._seen
    assert keeper._book._days
    assert checking._checked
    w.clock.advance(365 * DAY)
    agent.spend()
    begin = keeper.history(w.clock.now()).start
    assert not [part for part in keeper._seen if part.end <= begin]
    assert not [day for day in keeper._book._days if day_start(day) < begin - LOOK_BACK]
    assert not checking._checked
    assert not checking._drifted
    assert checking._errors == {TWENTIETH.date() + DAY: 0.25}
    assert checking.newest_error() == 0.25


def test_a_clock_that_was_set_back_computes_everything_again() -> None:
    w = small()
    agent = w.agent()
    agent.poll(everything=True)
    agent.spend()
    w.clock.advance(-HOUR)
    w.streams.asked.clear()
    agent.spend()
    assert compared(w) == 1


def test_a_day_moves_to_the_bill_when_it_settles_and_no_other_does() -> None:
    w = small()
    agent = w.agent()
    agent.poll(everything=True)
    before = w.documents()
    w.clock.advance(DAY)
    agent.poll()

    after = w.documents()
    moved = {after[id_]["@timestamp"][:10] for id_ in before if before[id_] != after[id_]}
    assert "2026-11-22" in moved
    assert not moved & set(SETTLED)
    assert basis(on(after.values(), "2026-11-22")) == {"allocated"}
    assert_adds_up(w, *SETTLED, "2026-11-22")


def test_a_bill_that_goes_away_leaves_estimates_under_the_same_ids_and_takes_its_checks_along() -> None:
    w = small()
    agent = w.agent()
    agent.poll(everything=True)
    before = set(w.documents(USED))
    w.simulation.edits.vanish_cost(TWENTIETH)
    for _ in range(3):
        w.clock.advance(2 * HOUR)
        agent.poll()

    assert basis(on(w.documents().values(), "2026-11-20")) == {"estimated"}
    assert w.documents().keys() >= before
    assert "2026-11-20" not in {each["@timestamp"][:10] for each in w.checks("estimate_check")}
    assert_adds_up(w, "2026-11-19", "2026-11-21")
    assert_fresh(w)


def test_a_pass_over_months_asks_no_more_often_than_one_over_days() -> None:
    asked = []
    for days in (5, 40):
        w = MemorySpend(days=days, series=1)
        agent = w.agent()
        agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
        w.streams.asked.clear()
        agent.spend(everything=True)
        asked.append(len(w.streams.asked))
        assert len(w.documents()) < 4000, "all of it fits into one run"

    assert asked[0] == asked[1] <= 14


def test_a_live_pass_computes_the_newest_days_and_leaves_the_others_to_the_next() -> None:
    w = MemorySpend(days=LIVE_DAYS + 4, series=1)
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    agent.spend()
    first = {each["@timestamp"][:10] for each in w.documents().values()}
    agent.spend()
    second = {each["@timestamp"][:10] for each in w.documents().values()}

    used = sorted({each["@timestamp"][:10] for each in w.documents(USED).values()})
    assert sorted(first) == used[-LIVE_DAYS:]
    assert sorted(second) == used


def test_what_the_store_did_not_take_is_due_again() -> None:
    w = small()
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    w.streams.refusing.add(SPENT)
    assert agent.spend().refused
    w.streams.refusing.clear()

    assert agent.spend().created == len(w.documents())
    assert_adds_up(w, *SETTLED)


def test_a_pass_that_begins_within_a_day_leaves_that_day_alone() -> None:
    midnight = NOW.replace(hour=0, minute=0)
    assert whole_days(Range(midnight - 2 * DAY, NOW)) == Range(midnight - 2 * DAY, midnight + DAY)
    assert whole_days(Range(midnight - 2 * DAY + HOUR, NOW)) == Range(midnight - DAY, midnight + DAY)


def test_checks_older_than_the_agent_stream_keeps_are_not_written_again_and_again() -> None:
    w = MemorySpend(days=9, series=2, settings={"retention": {"agent": "5d"}})
    w.agent().poll(everything=True)

    days = {each["@timestamp"][:10] for each in w.checks("estimate_check")}
    assert days == {"2026-11-20", "2026-11-21"}
    assert_fresh(w)


def test_the_newest_settled_day_says_how_far_estimates_were_off() -> None:
    w = small()
    line = {"model": "claude-opus-5-5", "token_type": "output_tokens"}
    w.simulation.edits.revise_cost(datetime.fromisoformat("2026-11-21T00:00:00Z"), factor=2, match=line)
    tally = w.agent().poll(everything=True)[SPEND]

    assert tally.estimate_error is not None
    assert tally.estimate_error < -0.03
    worst = {
        each["anthropic"]["estimate_check"]["cell"]
        for each in on(w.checks("estimate_check"), "2026-11-21")
        if each["anthropic"]["estimate_check"]["difference_usd"] < -1
    }
    assert worst
    assert all(cell.startswith("claude-opus-5-5") and cell.endswith(" output") for cell in worst)


def test_the_next_pass_repeats_no_warning_of_an_earlier_one() -> None:
    w = small()
    line = {"model": "claude-opus-5-5", "token_type": "output_tokens"}
    w.simulation.edits.revise_cost(datetime.fromisoformat("2026-11-21T00:00:00Z"), factor=2, match=line)
    with structlog.testing.capture_logs() as events:
        w.agent().poll(everything=True)
        first = len(events)
        w.agent().poll(everything=True)
    levels = [event["log_level"] for event in events if event["event"] == "estimates_drifted"]
    half = len(levels) // 2
    assert first < len(events)
    assert levels == ["warning"] * half + ["debug"] * half != []


def test_a_line_of_the_bill_that_a_rollover_shows_twice_counts_once() -> None:
    w = small()
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    w.streams.doubled = True
    agent.spend(everything=True)
    assert_adds_up(w, *SETTLED)


def test_spend_from_the_bill_alone_asks_the_admin_api_for_nothing() -> None:
    w = MemorySpend(series=2, settings={"spend": {"source": "allocation"}})
    w.analytics(Terms(enrolled="on"))
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    w.wire.asked.clear()
    agent.spend(everything=True)
    agent.spend()

    assert w.wire.asked == []
    assert basis(w.documents().values()) == {"allocated", "estimated"}


def test_what_a_preview_shows_is_what_would_be_written() -> None:
    w = billed_world()
    w.agent().poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    (poller,) = (each for each in w.agent().organization.pollers if isinstance(each, DerivedPoller))
    whole = poller.keeper.history(NOW)
    runs = poller.computed(whole, w.streams, Tally("spend", SPENT))
    shown = {document.id: document.hash for _, documents in runs for document in documents}
    assert not w.documents()
    w.agent().spend(everything=True)
    assert shown == w.streams.stores[SPENT].says()


def test_no_price_is_learned_from_the_day_in_which_usage_begins() -> None:
    """The first live pass reads the bill of a month and usage of a week, which begins within a day."""
    w = MemorySpend(days=9, series=8)
    agent = w.agent()

    def shares() -> list[tuple[str, float]]:
        return [
            (each["@timestamp"][:10], each["anthropic"]["estimate_check"].get("difference_share", 0.0))
            for each in w.checks("estimate_check")
        ]

    agent.poll()
    usage = sorted(each["@timestamp"] for each in w.documents(USED).values())
    assert usage[0][:13] == "2026-11-17T08"
    assert "2026-11-17" not in dict(shares())
    assert max(abs(share) for _, share in shares()) < 0.5
    agent.poll(everything=True)
    assert "2026-11-17" in dict(shares())
    assert_fresh(w)


def test_a_bill_in_another_currency_settles_nothing_and_its_days_stay_estimates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_euro(*arguments: Any) -> list[dict[str, Any]]:
        return [{**row, "currency": "EUR"} for row in cost_rows(*arguments)]

    monkeypatch.setattr(reports, "cost_rows", in_euro)
    w = small()
    w.agent().poll(everything=True)
    found = w.documents().values()
    assert basis(found) == {"estimated"}
    assert all(each["anthropic"]["spend"]["amount_usd"] > 0 for each in on(found, *SETTLED))
    assert not w.checks("estimate_check")

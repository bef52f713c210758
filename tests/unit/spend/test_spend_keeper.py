"""Spend follows from usage and bill, whatever happens to them; each row has one document all the way."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest

from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.views import usage_view
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.spend.keeper import DAYS_OF_A_READ, LIVE_DAYS, whole_days
from tests.harness.memory_spend import (
    BILLED,
    NOW,
    SPENT,
    USED,
    MemorySpend,
    basis,
    by_day_and_workspace,
    on,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# The world's days; those up to the 21st ended two days ago and more.
SETTLED = ("2026-11-19", "2026-11-20", "2026-11-21")
OPEN = ("2026-11-22", "2026-11-23", "2026-11-24")
TWENTIETH = datetime.fromisoformat("2026-11-20T00:00:00Z")


def small(**settings: object) -> MemorySpend:
    return MemorySpend(series=4, settings=dict(settings))


def assert_adds_up(w: MemorySpend, *days: str) -> None:
    """A document for each row of usage, and of these days the bill, digit for digit."""
    rows, found = w.documents(USED), w.documents()
    assert found.keys() >= rows.keys()
    for id_, row in rows.items():
        assert found[id_]["anthropic"]["spend"]["total_tokens"] == row["anthropic"]["usage"]["total_tokens"]
    bill, spent = by_day_and_workspace(w, BILLED), by_day_and_workspace(w, SPENT)
    chosen = {place: amount for place, amount in bill.items() if place[0] in days}
    assert chosen
    assert {place: spent[place] for place in chosen} == chosen


def assert_fresh(w: MemorySpend) -> None:
    """An agent that knows nothing computes the same."""
    tally = w.agent().spend(everything=True)
    assert (tally.changed, tally.failures) == (0, [])


def compared(w: MemorySpend, names: Collection[str] = (SPENT,)) -> int:
    return sum(w.streams.asked.count(f"reconcile {name}") for name in names)


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

    assert asked[0] == asked[1] <= 13


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


# --- with the analytics reports


def billed_world() -> MemorySpend:
    w = small()
    w.analytics(Terms(enrolled="on"))
    return w


def test_hours_that_the_analytics_reports_have_loaded_are_billed_and_both_bills_are_compared() -> None:
    w = billed_world()
    agent = w.agent()
    agent.poll(everything=True)

    loaded = (NOW - timedelta(hours=5)).isoformat()
    rows = w.documents(USED)
    for id_, source in w.documents().items():
        if id_ in rows:
            is_loaded = source["@timestamp"] < loaded
            assert source["anthropic"]["spend"]["basis"] == ("billed" if is_loaded else "estimated")
    assert not w.checks("bill_check")
    # Both reports are made of the same requests.
    assert_adds_up(w, *SETTLED)
    assert_fresh(w)


@pytest.mark.parametrize("reports", [True, False])
def test_tokens_that_a_commitment_pays_for_have_no_amount_and_are_not_unpriced(reports: bool) -> None:
    w = billed_world() if reports else small()
    priority = {"model": "claude-opus-5-5", "service_tier": "priority"}
    w.simulation.edits.add_usage(TWENTIETH + 5 * HOUR, priority, {"output_tokens": 1_000_000})
    w.agent().poll(everything=True)

    spends = [each["anthropic"]["spend"] for each in w.documents().values()]
    (paid,) = (each for each in spends if each.get("service_tier") == "priority" and each["output_tokens"])
    assert (paid["basis"], paid["priority_tokens"]) == ("billed" if reports else "allocated", 1_000_000)
    assert not {"amount_usd", "amount_exact", "unpriced_tokens", "price_source"} & paid.keys()


def test_an_older_range_is_kept_as_far_as_usage_by_the_hour_is() -> None:
    w = small()
    (poller,) = (each for each in w.agent().organization.pollers if isinstance(each, DerivedPoller))
    older = Range(NOW - 99 * DAY, NOW - 90 * DAY)
    assert poller.keeper.older(older, NOW) == usage_view(w.config, "1h").older(older, NOW)  # type: ignore[union-attr]  # usage by the hour is collected


def test_two_bills_that_differ_are_recorded_until_they_agree() -> None:
    w = billed_world()
    agent = w.agent()
    agent.poll(everything=True)
    edit = w.simulation.edits.revise_cost(TWENTIETH, factor=2, match={"model": "claude-opus-5-5"})
    w.clock.advance(HOUR)
    agent.poll()
    found = [each["anthropic"]["bill_check"] for each in w.checks("bill_check")]
    assert found
    assert all(each["classic_usd"] > each["analytics_usd"] for each in found)
    w.simulation.edits.take_back(edit)
    for _ in range(4):
        w.clock.advance(3 * HOUR)
        agent.poll()
    assert not w.checks("bill_check")
    assert_fresh(w)


def test_reports_that_go_away_leave_the_bill_and_estimates_and_come_back_a_day_later() -> None:
    w = billed_world()
    agent = w.agent()
    agent.poll(everything=True)
    first = w.documents().keys()
    w.analytics(Terms(enrolled="not_enrolled"))
    for _ in range(3):
        w.clock.advance(2 * HOUR)
        agent.poll()
    assert basis(w.documents().values()) == {"allocated", "estimated"}
    assert_adds_up(w, *SETTLED)
    w.analytics(Terms(enrolled="on"))
    w.clock.advance(DAY)
    for _ in range(3):
        w.clock.advance(HOUR)
        agent.poll()
    assert basis(on(w.documents().values(), *SETTLED)) == {"billed"}
    assert w.documents().keys() >= first & w.documents(USED).keys()


def test_reports_that_cannot_be_read_leave_what_was_billed_and_fail_the_poll() -> None:
    w = billed_world()
    w.agent().poll(everything=True)
    before = w.documents()
    w.wire.change = lambda body: b'{"data":5}' if b"list_amount" in body else body
    w.wire.changed = "analytics"
    tally = w.agent().spend()

    assert "could not be read" in " ".join(tally.failures)
    after = w.documents()
    assert {id_ for id_ in before if before[id_] != after.get(id_)} == set()


def test_rows_that_cannot_be_read_after_their_totals_were_leave_their_hours_due() -> None:
    w = billed_world()
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    w.wire.change = lambda body: b'{"data":5}' if b"output_tokens" in body else body
    w.wire.changed = "analytics"
    assert "could not be read" in " ".join(agent.spend(everything=True).failures)
    assert "billed" not in basis(w.documents().values())
    w.wire.change = None
    assert not agent.spend().failures
    assert "billed" in basis(w.documents().values())


def test_a_source_of_analytics_that_is_not_there_fails_every_poll_and_says_why() -> None:
    w = MemorySpend(days=2, series=1, settings={"spend": {"source": "analytics"}})
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", everything=True)
    for _ in range(2):
        (failure,) = agent.spend().failures
        assert failure.startswith("spend.source is analytics: ")
        assert "404" in failure


def test_a_live_pass_reads_half_as_many_days_of_the_reports() -> None:
    w = MemorySpend(days=LIVE_DAYS, series=1)
    w.analytics(Terms(enrolled="on"))
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    agent.spend()

    days = {each["@timestamp"][:10] for each in w.documents().values()}
    assert len(days) == LIVE_DAYS // DAYS_OF_A_READ


def test_a_store_that_fails_ends_the_pass_and_nothing_counts_as_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    w = small()
    agent = w.agent()
    agent.poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)

    def away(*_: object, **__: object) -> None:
        raise RetryLater("Elasticsearch is away.")

    with monkeypatch.context() as patch:
        patch.setattr(w.streams, "reconcile", away)
        with pytest.raises(RetryLater):
            agent.spend()
    assert agent.spend().created == len(w.documents()) + len(w.checks("estimate_check"))
    assert_adds_up(w, *SETTLED)


PEOPLE = {"granularities": ["1h"], "group_by": ["model", "workspace_id", "account_id", "service_account_id"]}


def test_spend_by_person_is_joined_with_the_actors_of_the_analytics_reports() -> None:
    w = MemorySpend(series=12, settings={"usage": PEOPLE})
    w.analytics(Terms(enrolled="on"))
    tally = w.agent().poll(everything=True)[SPEND]

    assert (tally.unmatched, tally.failures) == (0, [])
    found = [each["anthropic"]["spend"] for each in on(w.documents().values(), *SETTLED)]
    assert {each["basis"] for each in found} == {"billed"}
    assert any(each.get("account_id") for each in found)
    assert_adds_up(w, *SETTLED)


def test_reports_that_name_people_by_other_ids_fail_the_poll_with_the_cure() -> None:
    w = MemorySpend(series=12, settings={"usage": PEOPLE})
    w.analytics(Terms(enrolled="on"))
    w.wire.changed = "analytics"
    w.wire.change = lambda body: body.replace(b"user_0", b"acct_0").replace(b"svac_0", b"acct_0")
    failures = " ".join(w.agent().poll(everything=True)[SPEND].failures)

    assert "name people by other ids than usage does" in failures
    assert "set spend.source to allocation" in failures
    assert "billed" not in basis(w.documents().values())


def test_what_a_preview_shows_is_what_would_be_written() -> None:
    w = billed_world()
    w.agent().poll("anthropic_metrics.usage", "anthropic_metrics.cost", everything=True)
    (poller,) = (each for each in w.agent().organization.pollers if isinstance(each, DerivedPoller))
    whole = poller.keeper.history(NOW)
    documents = poller.computed(whole, w.streams, Tally("spend", SPENT))
    shown = {document.id: document.hash for document in documents}
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

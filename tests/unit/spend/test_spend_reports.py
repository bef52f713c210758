"""Spend where the organization has the analytics reports: billed by the hour, and back when they go away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.reports.views import usage_view
from anthropic_metrics.simulator.analytics import Terms
from anthropic_metrics.spend.keeper import DAYS_OF_A_READ, LIVE_DAYS
from tests.harness.memory_spend import (
    NOW,
    SAID,
    SETTLED,
    SPENT,
    TWENTIETH,
    USED,
    MemorySpend,
    assert_adds_up,
    assert_fresh,
    basis,
    billed_world,
    on,
    small,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


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
    written = {stream: counts.created for stream, counts in agent.spend().written.items()}
    assert written == {SPENT: len(w.documents()), SAID: len(w.checks("estimate_check"))}
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

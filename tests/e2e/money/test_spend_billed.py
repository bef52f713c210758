"""Spend from the analytics reports: estimated, billed, back and again, one document for each row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config import UsageSettings
from anthropic_metrics.simulator import effects
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from tests.harness.spend_truth import by_id, spend, true_cost_by_key
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2026, 11, 19, tzinfo=UTC)
# Four hours late.
LOADED = datetime(2026, 11, 24, 3, tzinfo=UTC)
PATHS = ("/v1/organizations/analytics/cost", "/v1/organizations/analytics/usage")


@pytest.fixture
def w(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    usage = UsageSettings(granularities=("1h",))
    with world(
        es, elasticsearch_url, namespace, now=NOW, days=5, usage=usage, series=9, revisions="none"
    ) as made:
        made.server.behaviour.analytics = Terms(enrolled="on")
        yield made


def test_spend_is_billed_by_the_hour_and_goes_back_and_forth_with_one_document_per_row(w: World) -> None:
    with w.agent() as agent:
        attempt(agent, agent.organization.whole(agent.sink))
        first = assert_billed(w, LOADED)
        for key, amount in true_cost_by_key(w, START + DAY).items():
            assert by_key(first, "2026-11-20")[key] == amount.normalize()
        assert not bill_checks(w)

        # Nothing new: nothing is read again once a live pass has seen it all, and nothing written.
        for _ in range(4):
            w.server.forget_requests()
            assert attempt(agent, agent.jobs)["spend"].changed == 0
        assert asked(w) == []

        # An hour later the reports have an hour more: the totals, and that hour's rows, and no other.
        w.clock.advance(HOUR)
        attempt(agent, agent.jobs)
        assert_billed(w, LOADED + HOUR)
        assert len(asked(w)) == 3

        # The reports go away: settled days are shared out from the bill, the others are estimates again.
        w.server.behaviour.analytics = Terms(enrolled="not_enrolled")
        for _ in range(3):
            w.clock.advance(2 * HOUR)
            attempt(agent, agent.jobs)
        away = spend(w)
        assert {basis(each) for each in away.values()} == {"allocated", "estimated"}
        w.server.forget_requests()
        w.clock.advance(HOUR)
        attempt(agent, agent.jobs)
        assert asked(w) == []

        # A day later they are asked for again.
        w.server.behaviour.analytics = Terms(enrolled="on")
        w.clock.advance(DAY)
        for _ in range(3):
            w.clock.advance(HOUR)
            attempt(agent, agent.jobs)
        again = assert_billed(w, LOADED + DAY + 11 * HOUR)
    assert first.keys() <= again.keys()

    # Another agent that knows nothing of all this computes the same.
    with w.agent() as another:
        jobs = [job for job in another.organization.whole(another.sink) if job.poller == "spend"]
        assert attempt(another, jobs)["spend"].changed == 0


def test_two_bills_that_disagree_are_recorded_and_the_record_goes_when_they_agree(w: World) -> None:
    w.once()
    with w.agent() as agent:
        # Only the classic report: its later state, four hours before the other has it.
        edit = w.simulation.edits.revise_cost(START + DAY, factor=2, match={"model": "claude-opus-5-5"})
        w.clock.advance(HOUR)
        attempt(agent, agent.organization.whole(agent.sink))
        found = bill_checks(w)
        assert {each["@timestamp"][:10] for each in found} == {"2026-11-20"}
        for each in found:
            check = each["anthropic"]["bill_check"]
            assert check["classic_usd"] > check["analytics_usd"]
            difference = check["analytics_usd"] - check["classic_usd"]
            assert check["difference_usd"] == pytest.approx(difference)
        w.simulation.edits.take_back(edit)
        # Until the other has seen both changes, too.
        for _ in range(4):
            w.clock.advance(3 * HOUR)
            attempt(agent, agent.jobs)
    assert not bill_checks(w)


def test_late_rows_and_usage_that_nobody_expects_end_in_the_report_digit_for_digit(w: World) -> None:
    w.server.behaviour.analytics = Terms(enrolled="on", revised=0.2)
    with w.agent() as agent:
        attempt(agent, agent.organization.whole(agent.sink))
        early = Counter(map(basis, spend(w).values()))
        # Rows that come late are estimates until they do.
        assert early["estimated"] > 100
        w.server.behaviour.analytics = Terms(enrolled="on")
        w.clock.advance(HOUR)
        for _ in range(2):
            attempt(agent, agent.jobs)
        assert_billed(w, LOADED + HOUR)


def test_an_agent_that_cannot_read_the_reports_leaves_what_was_billed(w: World) -> None:
    w.once()
    before = spend(w)
    w.server.faults.add(effects.body(b'{"data":5}'), "*/analytics/*", times=None)
    with w.agent() as agent:
        job = next(job for job in agent.jobs if job.poller == "spend")
        assert "could not be read" in " ".join(agent.attempt(job).failures)
    after = spend(w)
    billed = {id_ for id_ in before if basis(before[id_]) == "billed"}
    assert {id_: after[id_] for id_ in billed} == {id_: before[id_] for id_ in billed}


def assert_billed(w: World, loaded: datetime) -> dict[str, dict[str, Any]]:
    """The promises: every hour that is loaded is the report's, digit for digit; one document per row."""
    usage, found = by_id(w, "usage"), spend(w)
    assert found.keys() >= usage.keys()
    for id_, row in usage.items():
        shown = found[id_]["anthropic"]
        assert shown["spend"]["total_tokens"] == row["anthropic"]["usage"]["total_tokens"]
        is_loaded = datetime.fromisoformat(row["@timestamp"]) < loaded
        assert shown["spend"]["basis"] == ("billed" if is_loaded else "estimated")
        assert ("requests" in shown["spend"]) == is_loaded
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for source in found.values():
        each = source["anthropic"]["spend"]
        if each["basis"] == "billed" and "missing_since" not in source["anthropic"]:
            spent[each["bucket_start_time"]] += Decimal(each.get("amount_exact", "0"))
    truth: dict[str, Decimal] = defaultdict(Decimal)
    for row in analytics_rows(w.simulation, "cost", START, loaded):
        truth[row["starting_at"]] += Decimal(row["cost"]["amount"]) / 100
    assert {_instant(start): amount for start, amount in spent.items()} == {
        _instant(start): amount for start, amount in truth.items()
    }
    requests = sum(each["anthropic"]["spend"].get("requests", 0) for each in found.values())
    rows = analytics_rows(w.simulation, "usage", START, loaded, "1h", ("model",))
    assert requests == sum(row["usage"]["requests"] for row in rows if row["group"]["model"])
    return found


def by_key(found: dict[str, dict[str, Any]], day: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for source in found.values():
        if source["@timestamp"][:10] == day:
            each = source["anthropic"]["spend"]
            sums[each["api_key_id"]] += Decimal(each.get("amount_exact", "0"))
    return {key: amount.normalize() for key, amount in sums.items()}


def bill_checks(w: World) -> list[dict[str, Any]]:
    found = (each for each in w.sources("agent") if each["event"]["action"] == "bill_check")
    return [each for each in found if "missing_since" not in each["anthropic"]]


def asked(w: World) -> list[str]:
    return [request.path for request in w.server.requests if request.path in PATHS]


def basis(source: dict[str, Any]) -> str:
    found: str = source["anthropic"]["spend"]["basis"]
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)

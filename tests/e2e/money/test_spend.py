"""Spend in the stream: estimated, allocated and back, one document for each row of usage all the way."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.audit import Bounds, audit_all
from anthropic_metrics.cli import app
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.finance.ledger import read_ledger
from anthropic_metrics.finance.period import Period
from anthropic_metrics.kernel.jobs import Kind
from tests.harness.spend_truth import (
    bill_by_day_and_workspace,
    by_id,
    figures,
    spend,
    spend_by_day_and_workspace,
    true_cost_by_key,
)
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
DAY = timedelta(days=1)
# The days from the 19th to the 21st ended two days ago and more.
FIRST, LAST_SETTLED, FIRST_OPEN = "2026-11-19", "2026-11-21", "2026-11-22"
CENT = Decimal("0.01")
# What one pass asks of Elasticsearch, whatever it holds: refreshes, states, backing indices, one run of days.
FEW_REQUESTS = 27


@pytest.fixture
def w(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[World]:
    usage = UsageSettings(granularities=("1h",))
    with world(
        es, elasticsearch_url, namespace, now=NOW, days=5, usage=usage, series=16, revisions="usual"
    ) as made:
        yield made


def test_spend_goes_from_estimate_to_bill_and_back_with_one_document_per_row(w: World) -> None:
    with w.agent() as agent:
        jobs = agent.organization.whole(agent.sink)
        place = [job.name for job in jobs].index("anthropic_metrics.spend")
        attempt(agent, jobs[:place])
        with requests_of(agent) as requests:
            attempt(agent, [jobs[place]])
        attempt(agent, jobs[place + 1 :])
        first = assert_adds_up(w, LAST_SETTLED)
        assert len(requests) <= FEW_REQUESTS + len(first) / 500
        assert_audit_adds_up(w)
        assert_keys_cost_what_they_did(w, NOW.replace(day=20, hour=0, minute=0))
        assert_costs_has_the_same_shares(w, agent)
        assert attempt(agent, agent.jobs)["spend"].changed == 0

        w.clock.advance(DAY)
        attempt(agent, agent.jobs)
        second = assert_adds_up(w, FIRST_OPEN)
        moved = {id_ for id_ in first if basis(first[id_]) != basis(second[id_])}
        assert {first[id_]["@timestamp"][:10] for id_ in moved} == {FIRST_OPEN}
        assert_checks(w, FIRST, FIRST_OPEN)

        # A revised line moves the shares of its cell, and estimates that learn from it.
        line = {"model": "claude-opus-5-5", "token_type": "output_tokens", "service_tier": "standard"}
        w.simulation.edits.revise_cost(NOW.replace(day=20), factor=2, match=line)
        w.clock.advance(timedelta(hours=1))
        attempt(agent, agent.jobs)
        third = assert_adds_up(w, FIRST_OPEN)
        moved = {id_ for id_ in second if figures(second[id_]) != figures(third[id_])}
        changed = {id_ for id_ in moved if basis(third[id_]) == "allocated"}
        assert changed
        assert {third[id_]["@timestamp"][:10] for id_ in changed} == {"2026-11-20"}
        assert {third[id_]["anthropic"]["spend"].get("model") for id_ in changed} == {"claude-opus-5-5"}

        # A bill that goes away leaves estimates behind, under the same ids.
        w.simulation.edits.vanish_cost(NOW.replace(day=20))
        for _ in range(3):
            w.clock.advance(timedelta(hours=2))
            attempt(agent, agent.jobs)
        fourth = assert_adds_up(w, FIRST_OPEN, except_for="2026-11-20")
        bases = {basis(each) for each in fourth.values() if each["@timestamp"][:10] == "2026-11-20"}
        assert bases == {"estimated"}

    assert_another_agent_computes_the_same(w, fourth)
    assert not corrections_of_spend(w)


def assert_another_agent_computes_the_same(w: World, held: dict[str, Any]) -> None:
    """It knows nothing of what happened before."""
    with w.agent() as another:
        again = attempt(
            another, [job for job in another.organization.whole(another.sink) if job.poller == "spend"]
        )
    checks = [each for each in w.sources("agent") if each["event"]["action"] == "estimate_check"]
    found = again["spend"]
    assert (found.changed, found.kept) == (0, len(held))
    assert [beside.kept for beside in found.beside.values()] == [len(checks)]


def test_late_usage_moves_into_the_stream_and_the_command_adds_it_up(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with w.agent() as agent:
        attempt(agent, agent.organization.whole(agent.sink))
        before = spend(w)
        late = {"model": "claude-opus-5-5", "workspace_id": None}
        w.simulation.edits.add_usage(NOW - timedelta(hours=5), late, {"output_tokens": 1_000_000})
        unknown = {"model": "claude-of-tomorrow", "workspace_id": None}
        w.simulation.edits.add_usage(NOW - timedelta(hours=5), unknown, {"output_tokens": 7})
        w.clock.advance(timedelta(minutes=5))
        attempt(agent, [job for job in agent.jobs if job.kind is Kind.live])

        after = assert_adds_up(w, LAST_SETTLED)
    new = [after[id_]["anthropic"]["spend"] for id_ in after.keys() - before.keys()]
    (dear,) = [each for each in new if each["model"] == "claude-opus-5-5"]
    assert Decimal(dear["amount_exact"]) == 20
    assert (dear["basis"], dear["price_source"]) == ("estimated", "learned")
    (unpriced,) = [each for each in new if each["model"] == "claude-of-tomorrow"]
    assert (unpriced["price_source"], unpriced["unpriced_tokens"]) == ("none", 7)
    assert "amount_usd" not in unpriced
    assert_command_adds_up(w, monkeypatch)


@contextmanager
def requests_of(agent: Agent) -> Iterator[list[str]]:
    """The requests that the agent sends to Elasticsearch meanwhile."""
    transport, sent = agent.runtime.elasticsearch.transport, list[str]()
    send = transport.perform_request

    def counting(method: str, target: str, **options: Any) -> Any:
        sent.append(f"{method} {target}")
        return send(method, target, **options)

    transport.perform_request = counting  # type: ignore[method-assign]  # counted on the way
    try:
        yield sent
    finally:
        transport.perform_request = send  # type: ignore[method-assign]  # as it was


def assert_audit_adds_up(w: World) -> None:
    """Every document is what a fresh computation says, and settled days are their bill."""
    with w.agent() as agent:
        agent.organization.only(["spend"])
        report = audit_all(w.es, agent.organization, Bounds(None, None), w.clock.now())
    documents, sums = report.compared
    assert report.equal
    assert documents.documents_here == documents.documents_there > 0
    assert (sums.total_here, sums.total_there) == (
        sum(bill_of(w, LAST_SETTLED)),
        sum(bill_of(w, LAST_SETTLED)),
    )
    assert sums.documents_there == len(bill_of(w, LAST_SETTLED))


def bill_of(w: World, last: str) -> list[Decimal]:
    return [amount for (day, _), amount in bill_by_day_and_workspace(w).items() if day <= last]


def assert_costs_has_the_same_shares(w: World, agent: Agent) -> None:
    """The command that asks the Admin API says of every key what the stream says, digit for digit."""
    days = Period(date(2026, 11, 19), date(2026, 11, 22))
    ledger = read_ledger(agent.organization.client, agent.config, days, w.clock.now(), with_usage=True)
    found: dict[str, Decimal] = defaultdict(Decimal)
    for charge in ledger.charges(by_key=True):
        found[charge.api_key_id or ""] += charge.amount
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for source in spend(w).values():
        if basis(source) == "allocated":
            expected[source["anthropic"]["api_key"]["id"]] += Decimal(
                source["anthropic"]["spend"].get("amount_exact", "0")
            )
    assert found == expected


def assert_adds_up(w: World, last_settled: str, *, except_for: str = "") -> dict[str, dict[str, Any]]:
    """The stream's promises: a document per row, equal tokens, and the bill digit for digit."""
    usage, found = by_id(w, "usage"), spend(w)
    rest = {id_: each for id_, each in found.items() if id_ not in usage}
    assert found.keys() >= usage.keys()
    assert {each["anthropic"]["api_key"]["id"] for each in rest.values()} <= {"Unattributed"}
    for id_, row in usage.items():
        shown = found[id_]["anthropic"]
        assert shown["spend"]["total_tokens"] == row["anthropic"]["usage"]["total_tokens"]
        assert shown["workspace"] == row["anthropic"]["workspace"]
        assert shown["api_key"] == row["anthropic"]["api_key"]
        day = row["@timestamp"][:10]
        is_settled = day <= last_settled and day != except_for
        assert shown["spend"]["basis"] == ("allocated" if is_settled else "estimated")
    for source in found.values():
        assert_parts_add_up(source["anthropic"]["spend"])
    bill, spent = bill_by_day_and_workspace(w), spend_by_day_and_workspace(w)
    settled = {key: amount for key, amount in bill.items() if key[0] <= last_settled and key[0] != except_for}
    assert settled
    assert {key: spent[key] for key in settled} == settled
    return found


def assert_parts_add_up(each: dict[str, Any]) -> None:
    parts = (
        "uncached_input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
        "web_search",
        "other",
    )
    if "amount_usd" in each:
        assert each["amount_usd"] == pytest.approx(float(each["amount_exact"]), rel=1e-12)
        assert sum(each[f"{part}_usd"] for part in parts) == pytest.approx(each["amount_usd"], rel=1e-9)
    else:
        assert each.get("priority_tokens") or each.get("unpriced_tokens")


def assert_keys_cost_what_they_did(w: World, day: datetime) -> None:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for source in spend(w).values():
        if source["@timestamp"][:10] == f"{day:%Y-%m-%d}":
            each = source["anthropic"]["spend"]
            found[each["api_key_id"]] += Decimal(each.get("amount_exact", "0"))
    true = true_cost_by_key(w, day)
    assert len(true) > 3
    for key, amount in true.items():
        assert abs(found[key] - amount) < CENT, key


def assert_checks(w: World, first: str, last: str) -> None:
    checks = [each for each in w.sources("agent") if each["event"]["action"] == "estimate_check"]
    assert {each["@timestamp"][:10] for each in checks} == {
        day for day in (FIRST, "2026-11-20", "2026-11-21", "2026-11-22") if first <= day <= last
    }
    bill = bill_by_day_and_workspace(w)
    for each in checks:
        check = each["anthropic"]["estimate_check"]
        billed = check["billed_usd"] + check["unattributed_usd"]
        assert billed == pytest.approx(float(bill[each["@timestamp"][:10], check["workspace_id"]]), rel=1e-9)


def basis(source: dict[str, Any]) -> str:
    found: str = source["anthropic"]["spend"]["basis"]
    return found


def corrections_of_spend(w: World) -> list[dict[str, Any]]:
    found = (each for each in w.sources("agent") if each["event"]["action"] == "correction")
    return [each for each in found if each["anthropic"]["correction"]["stream"] == w.stream("spend")]


def assert_command_adds_up(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`spend` by anything has the same total as the stream, and marks what is estimated."""
    monkeypatch.setattr("anthropic_metrics.cli.spend.utc_now", w.clock.now)
    environ = {
        "ELASTICSEARCH_URL": w.config.elasticsearch.hosts[0],
        "ANTHROPIC_METRICS_NAMESPACE": w.config.namespace,
    }
    stream = sum(spend_by_day_and_workspace(w).values(), Decimal(0))
    for by in ("key", "workspace", "model", "team", "hour"):
        arguments = ["spend", "--since", "2026-11-19", "--by", by, "--format", "json"]
        result = CliRunner().invoke(app, arguments, env=environ)
        assert result.exit_code == 0, result.output
        rows = json.loads(result.stdout)["spend"]
        assert sum(Decimal(row["usd"]) for row in rows) == stream, by
    shown = CliRunner().invoke(app, ["spend", "--since", "2026-11-19"], env=environ)
    assert shown.stdout.splitlines()[0].endswith(f"00:00 to {w.clock.now():%Y-%m-%d %H:%M} UTC")
    assert "~" in shown.stdout
    assert "Unattributed" in shown.stdout

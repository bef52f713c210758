"""An audit says `equal` only of what it compared, and names everybody else who writes to the streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.audit import Bounds, Report, audit_all
from anthropic_metrics.cli.audited import LISTED, audit_answer
from anthropic_metrics.config import UsageSettings
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.simulator import ADMIN_KEY
from anthropic_metrics.streams.registry import BY_DATASET
from tests.harness.command_line import run
from tests.harness.world import World, world

NOW = datetime(2026, 11, 20, 9, 42, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHIPPER = {"name": "web-17", "type": "filebeat", "version": "9.4.0"}


@pytest.fixture(scope="module")
def filled(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    usage = UsageSettings(minute_backfill=timedelta(hours=3))
    with world(es, elasticsearch_url, f"a{uuid4().hex[:8]}", now=NOW, days=2, series=3, usage=usage) as w:
        w.once()
        yield w


def audited(
    w: World,
    *only: str,
    since: datetime | None = None,
    until: datetime | None = None,
    shared_with: tuple[str, ...] = (),
) -> tuple[Report, str]:
    """The report, and all that the command would say of it."""
    with AdminClient(w.config.anthropic, clock=w.clock.now) as client:
        inventory = Inventory(AdminDirectory(client))
        organization = Organization(w.config, client, inventory, clock=w.clock.now, only=only)
        bounds = Bounds(since, until)
        report = audit_all(w.es, organization, bounds, w.clock.now(), shared_with)
    answer = audit_answer(report)
    assert (answer.code == 0) == report.equal
    cells = [cell for table in answer.tables for row in table.cells() for cell in row]
    return report, " ".join([*cells, *answer.notes, *answer.problems])


def put(w: World, stream: str, **source: Any) -> str:
    document = {"@timestamp": w.clock.now().isoformat(), **source}
    made = w.es.index(index=stream, op_type="create", document=document, refresh=True)
    return f"{made['_index']} {made['_id']}"


def drop(w: World, document: str) -> None:
    index, _, id_ = document.partition(" ")
    w.es.delete(index=index, id=id_, refresh=True)


def one(w: World, dataset: str, query: dict[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
    """Where a document lies, and its source."""
    hit = w.es.search(index=w.stream(dataset), size=1, query=query)["hits"]["hits"][0]
    return (hit["_index"], hit["_id"]), hit["_source"]


def replace(w: World, where: tuple[str, str], source: dict[str, Any]) -> None:
    index, id_ = where
    now = w.es.get(index=index, id=id_)
    version = {"if_seq_no": now["_seq_no"], "if_primary_term": now["_primary_term"]}
    w.es.index(index=index, id=id_, document=source, refresh=True, **version)


def test_what_was_just_read_is_equal_in_every_stream_that_can_be_compared(filled: World) -> None:
    report, said = audited(filled)
    assert report.equal, said
    compared = {result.stream.rpartition("-")[0].rpartition(".")[2] for result in report.compared}
    assert compared == {"usage", "usage_1m", "cost", "rate_limit", "headroom", "spend", "inventory"}
    assert all(result.documents_here for result in report.compared)


def test_a_living_organization_is_green_up_to_what_is_settled(filled: World) -> None:
    """Half an hour after the last poll the API knows more; the audit ends where that poll did."""
    filled.clock.advance(timedelta(minutes=30))
    try:
        report, said = audited(filled, since=filled.clock.now() - HOUR)
        assert report.equal, said
        (minutes,) = (result for result in report.compared if "usage_1m" in result.stream)
        assert minutes.window.end == NOW.replace(minute=37, second=0)
        assert "cost-" in said
        assert "no bucket of 1d is settled in this range" in said
        assert not audited(filled, "usage", since=NOW - HOUR, until=filled.clock.now())[0].equal
    finally:
        filled.clock.advance(timedelta(minutes=-30))


def test_a_stream_that_no_poll_reads_any_more_is_not_called_equal(filled: World) -> None:
    filled.clock.advance(timedelta(days=2))
    try:
        report, said = audited(filled, "cost")
        assert not report.equal
        assert "no longer read (last read at 2026-11-20 09:42Z)" in said
    finally:
        filled.clock.advance(timedelta(days=-2))


@pytest.mark.parametrize("dataset", BY_DATASET)
def test_a_foreign_document_in_each_stream_is_counted_with_its_owners_name(
    filled: World, dataset: str
) -> None:
    stream = stream_name(dataset, filled.config.namespace)
    written = put(filled, stream, agent=SHIPPER), put(filled, stream)
    try:
        report, said = audited(filled, since=NOW - HOUR)
        assert not report.equal
        assert f"{stream} holds 2 documents of" in said
        assert "web-17 9.4.0 (filebeat)" in said
        assert "unknown" in said
    finally:
        for document in written:
            drop(filled, document)


def test_documents_of_an_organization_that_no_key_polls_are_no_success(filled: World) -> None:
    """`/me` may once have answered with the id of somebody else; a shared namespace is no fault."""
    own = {"type": "anthropic-metrics", "name": "anthropic-metrics"}
    stray = put(filled, filled.stream("usage"), agent=own, organization={"id": "org-of-another"})
    try:
        report, said = audited(filled, "usage")
        assert not report.equal
        assert "1 documents of organization org-of-another, which no key polls here" in said
        assert audited(filled, "usage", shared_with=("org-of-another",))[0].equal
    finally:
        drop(filled, stray)


def test_limits_are_compared_with_those_in_force(filled: World) -> None:
    assert audited(filled, "rate_limits")[0].equal
    where, source = one(filled, "rate_limit", {"term": {"anthropic.rate_limit.scope": "organization"}})
    changed = {**source, "anthropic": dict(source["anthropic"])}
    limit = {**source["anthropic"]["rate_limit"]["limits"][0], "value": 7}
    changed["anthropic"]["rate_limit"] = {**source["anthropic"]["rate_limit"], "limits": [limit]}
    replace(filled, where, changed)
    try:
        report, said = audited(filled, "rate_limits")
        assert not report.equal
        assert f"{limit['type']} 7 (API:" in said
    finally:
        replace(filled, where, source)


def test_headroom_is_computed_afresh_and_compared(filled: World) -> None:
    report, said = audited(filled, "headroom")
    assert report.equal, said
    where, source = one(filled, "headroom", {"match_all": {}})
    replace(filled, where, {**source, "event": {**source["event"], "hash": "another"}})
    try:
        report, said = audited(filled, "headroom")
        assert not report.equal
        assert "differs" in said
    finally:
        replace(filled, where, source)


def test_an_empty_namespace_is_not_called_equal(filled: World) -> None:
    empty = World(
        filled.simulation,
        filled.server,
        filled.clock,
        filled.config.model_copy(update={"namespace": f"{filled.config.namespace}empty"}),
        filled.es,
    )
    for only in ("rate_limits", "headroom", "cost"):
        report, said = audited(empty, only)
        assert not report.equal, only
    assert "is not in the stream" in said


def test_costs_are_totalled_in_dollars_by_month_and_long_lists_of_differences_are_cut(filled: World) -> None:
    filled.simulation.edits.revise_usage(NOW.replace(minute=0, second=10) - 3 * HOUR, factor=2)
    report, _ = audited(filled, "cost", "usage", until=NOW)
    (cost,) = (result for result in report.compared if result.unit == "cents")
    ((month, (here, there)),) = cost.months.items()
    assert month == "2026-11"
    assert here * 100 == cost.total_here
    assert there * 100 == cost.total_there
    (months,) = (table for table in audit_answer(report).tables if table.title == "Costs by month")
    assert [row["complete"] for row in months.objects()] == [False]
    cost.window = Range(NOW.replace(day=1, hour=0, minute=0, second=0), datetime(2026, 12, 1, tzinfo=UTC))
    (months, *_) = (table for table in audit_answer(report).tables if table.title == "Costs by month")
    assert [row["complete"] for row in months.objects()] == [True]
    found = [each for result in report.compared for each in result.differences]
    for result in report.compared:
        result.differences.clear()
    cost.differences = (found * (LISTED + 3))[: LISTED + 3]
    answer = audit_answer(report)
    (listed,) = (table for table in answer.tables if table.title == "Differences")
    assert len(listed.cells()) == LISTED
    assert len(listed.objects()) == LISTED + 3


def test_preview_shows_headroom_computed_from_the_streams_and_writes_nothing(
    filled: World, tmp_path: Path, elasticsearch_url: str
) -> None:
    before = filled.es.count(index=filled.stream("headroom"))["count"]
    done = run(
        tmp_path,
        "preview",
        "--only",
        "headroom",
        ANTHROPIC_ADMIN_API_KEY=ADMIN_KEY,
        ELASTICSEARCH_URL=elasticsearch_url,
        ANTHROPIC_METRICS_ANTHROPIC__BASE_URL=filled.server.url,
        ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE="6000",
        ANTHROPIC_METRICS_NAMESPACE=filled.config.namespace,
    )
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["event"]["dataset"] for each in shown} == {"anthropic_metrics.headroom"}
    assert filled.es.count(index=filled.stream("headroom"))["count"] == before

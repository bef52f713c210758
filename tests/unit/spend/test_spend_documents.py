"""What a spend document holds in each stage: all of its fields, of a row of usage whose prices are round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.allocate import allocate
from anthropic_metrics.spend.billed import BilledHour, BilledShare, Unmatched
from anthropic_metrics.spend.build import allocated_documents, billed_documents, estimated_documents
from anthropic_metrics.spend.estimate import Prices, estimate
from anthropic_metrics.spend.inputs import Row
from anthropic_metrics.spend.money import ZERO, usd
from anthropic_metrics.spend.rows import PART_NAMES, TOKEN_TYPES, Billed, Counts, Used
from anthropic_metrics.spend.table import PriceTable, list_prices

DAY = date(2026, 11, 20)
MIDNIGHT, START = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
GROUP_BY = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
MILLION = 1_000_000
ALL = Counts(MILLION, MILLION, MILLION, MILLION, MILLION, 100)
# The same by the list, of Opus 5.5: uncached, cache read, writes of 5 minutes and an hour, output, searches.
LISTED = (4.0, 0.2, 5.0, 8.0, 20.0, 1.0, 0.0)
BUCKET = {
    "bucket_start_time": "2026-11-20T09:00:00Z",
    "bucket_end_time": "2026-11-20T10:00:00Z",
    "bucket_width": "1h",
    "bucket_complete": True,
}
SHARED = {
    "model": "claude-opus-5-5",
    "workspace": {"id": "w1", "name": "Prod", "tags": {"team": "a"}},
    "api_key": {"id": "k1", "name": "assistant"},
    "team": {"name": "platform", "cost_centre": "4711"},
}
NAMES = Names("org-1", "Acme", {"w1": NamedWorkspace("Prod")}, {"k1": "assistant"})
FRAME = Frame(SPEND, "default", Range(MIDNIGHT, MIDNIGHT + 24 * HOUR), NAMES, MIDNIGHT + 72 * HOUR)
PRICES = Prices(DAY, GROUP_BY, {}, PriceTable(()), list_prices())


def row(counts: Counts = ALL, **changed: str) -> Row:
    dimensions: dict[str, str | None] = {
        "model": "claude-opus-5-5",
        "workspace_id": "w1",
        "service_tier": "standard",
        "inference_geo": "global",
        "api_key_id": "k1",
    }
    return Row(Used(START, dimensions | changed, counts, "id-of-the-row"), BUCKET, SHARED)


def parts(*dollars: float) -> dict[str, float]:
    return {f"{name}_usd": amount for name, amount in zip(PART_NAMES, dollars, strict=True)}


def only(documents: Iterable[Prepared]) -> tuple[str, dict[str, Any]]:
    """The `_id` and the source of the one document."""
    (document,) = documents
    source: dict[str, Any] = document.source
    return document.id, source


def spend(documents: Iterable[Prepared], id_: str = "id-of-the-row") -> Mapping[str, Any]:
    found, source = only(documents)
    assert (found, source["@timestamp"]) == (id_, "2026-11-20T09:00:00Z")
    assert {name: source["anthropic"][name] for name in SHARED} == SHARED
    assert source["gen_ai"]["request"]["model"] == "claude-opus-5-5"
    own: dict[str, Any] = source["anthropic"]["spend"]
    assert own.items() >= (BUCKET | dict(row().used.dimensions)).items()
    return {name: value for name, value in own.items() if name not in {*BUCKET, *row().used.dimensions}}


TOKENS = {"total_tokens": 5 * MILLION, "output_tokens": MILLION}


def test_an_estimate_has_its_amount_its_parts_the_list_and_what_the_cache_saved() -> None:
    one = row()
    assert spend(estimated_documents([(one, estimate(one.used, PRICES))], PRICES, FRAME)) == {
        **TOKENS,
        **parts(*LISTED),
        "basis": "estimated",
        "price_source": "list",
        "amount_usd": 38.2,
        "amount_exact": "38.2",
        "list_usd": 38.2,
        "cache_saved_usd": -1.2,
    }


def test_a_row_without_any_price_has_tokens_and_no_dollars() -> None:
    one = row(ALL._replace(web_search=0), model="claude-unknown")
    (document,) = estimated_documents([(one, estimate(one.used, PRICES))], PRICES, FRAME)
    found = document.source["anthropic"]["spend"]
    assert {name for name in found if name.endswith("_usd") or name == "amount_exact"} == set()
    assert (found["price_source"], found["unpriced_tokens"]) == ("none", 5 * MILLION)
    assert found["total_tokens"] == 5 * MILLION


def test_a_share_of_the_bill_has_its_parts_of_it_and_the_list_beside_it() -> None:
    """The bill is half of the list, so that a price learned from it is not what the cache is held against."""
    kinds = zip(TOKEN_TYPES, LISTED, strict=False)
    lines = [
        Billed(DAY, "w1", usd(str(price / 2)), "tokens", "claude-opus-5-5", kind, "standard", None, "global")
        for kind, price in kinds
    ]
    one = row()
    allocation = allocate(lines, [one.used], DAY)
    found = spend(allocated_documents(allocation, {one.used.id: one}, {}, PRICES, FRAME))
    assert found == {
        **TOKENS,
        **parts(2.0, 0.1, 2.5, 4.0, 10.0, 0.0, 0.0),
        "basis": "allocated",
        "amount_usd": 18.6,
        "amount_exact": "18.6",
        "list_usd": 38.2,
        "cache_saved_usd": 5.4,
    }


def test_tokens_of_a_commitment_have_no_amount_in_any_stage() -> None:
    one = row(Counts(output=7), service_tier="priority")
    allocation = allocate([], [one.used], DAY)
    documents = [
        *estimated_documents([(one, estimate(one.used, PRICES))], PRICES, FRAME),
        *allocated_documents(allocation, {one.used.id: one}, {}, PRICES, FRAME),
        *billed_documents(START, BilledHour({}, ()), [one], PRICES, FRAME),
    ]
    found = [document.source["anthropic"]["spend"] for document in documents]
    assert [each["basis"] for each in found] == ["estimated", "allocated", "billed"]
    for each in found:
        assert (each["priority_tokens"], each["total_tokens"]) == (7, 7)
        assert each.keys().isdisjoint({"amount_usd", "amount_exact", "unpriced_tokens", "price_source"})


def test_a_row_of_the_report_has_its_figures_and_requests_and_the_tokens_of_usage() -> None:
    share = BilledShare([usd(text) for text in ("1", "0.1", "1", "2", "5", "0.5", "0")])
    share.listed, share.requests, share.has_cost = usd("19.2"), 12, True
    assert spend(
        billed_documents(START, BilledHour({"id-of-the-row": share}, ()), [row()], PRICES, FRAME)
    ) == {
        **TOKENS,
        **parts(1.0, 0.1, 1.0, 2.0, 5.0, 0.5, 0.0),
        "basis": "billed",
        "requests": 12,
        "amount_usd": 9.6,
        "amount_exact": "9.6",
        "list_usd": 19.2,
        "cache_saved_usd": 8.9,
    }


def test_a_row_that_the_report_does_not_have_yet_is_an_estimate_with_its_requests() -> None:
    counted = BilledShare()
    counted.requests = 3
    for shares, requests in (({}, None), ({"id-of-the-row": counted}, 3)):
        found = spend(billed_documents(START, BilledHour(shares, ()), [row()], PRICES, FRAME))
        assert (found["basis"], found["amount_exact"], found.get("requests")) == (
            "estimated",
            "38.2",
            requests,
        )


def test_a_price_that_depends_on_the_prompt_is_marked_and_another_is_not() -> None:
    for model, blended in (("claude-haiku-5-5", True), ("claude-opus-5-5", None)):
        one = row(Counts(output=MILLION), model=model)
        allocation = allocate([], [one.used], DAY)
        for documents in (
            estimated_documents([(one, estimate(one.used, PRICES))], PRICES, FRAME),
            allocated_documents(allocation, {one.used.id: one}, {}, PRICES, FRAME),
        ):
            _, source = only(documents)
            assert source["anthropic"]["spend"].get("blended") is blended


def test_a_cost_without_usage_is_a_document_of_the_day_without_a_key() -> None:
    allocation = allocate([Billed(DAY, "w1", usd("0.35"), "code_execution")], [], DAY)
    workspaces = {"w1": {"workspace": SHARED["workspace"], "team": SHARED["team"]}}
    _, source = only(allocated_documents(allocation, {}, workspaces, PRICES, FRAME))
    nobody = {"id": "Unattributed", "name": "Unattributed"}
    assert source["anthropic"]["api_key"] == nobody
    assert source["anthropic"]["workspace"] == SHARED["workspace"]
    assert source["anthropic"]["team"] == SHARED["team"]
    assert source["anthropic"]["spend"] == {
        **parts(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.35),
        "bucket_start_time": "2026-11-20T00:00:00Z",
        "bucket_end_time": "2026-11-21T00:00:00Z",
        "bucket_width": "1d",
        "bucket_complete": True,
        "basis": "allocated",
        "api_key_id": "Unattributed",
        "workspace_id": "w1",
        "cost_type": "code_execution",
        "amount_usd": 0.35,
        "amount_exact": "0.35",
        "total_tokens": 0,
        "output_tokens": 0,
    }


def test_a_line_of_the_report_without_usage_stands_in_its_hour_with_its_key_if_it_has_one() -> None:
    amounts = (ZERO,) * 6 + (usd("2"),)
    for key, named in (("k1", "assistant"), (None, "Unattributed")):
        line = Unmatched({"workspace_id": "w1", "api_key_id": key}, "tokens", usd("2"), amounts, usd("3"))
        _, source = only(billed_documents(START, BilledHour({}, (line,)), [], PRICES, FRAME))
        own = source["anthropic"]["spend"]
        assert source["anthropic"]["api_key"] == {"id": key or "Unattributed", "name": named}
        assert source["anthropic"]["workspace"]["name"] == "Prod"
        assert source["@timestamp"] == own["bucket_start_time"] == "2026-11-20T09:00:00Z"
        assert (own["bucket_end_time"], own["bucket_width"]) == ("2026-11-20T10:00:00Z", "1h")
        assert (own["basis"], own["amount_exact"], own["list_usd"]) == ("billed", "2", 3.0)
        assert (own["cost_type"], own["total_tokens"], own["output_tokens"]) == ("tokens", 0, 0)
        assert own["bucket_complete"] is True


def test_lines_without_usage_that_differ_by_their_cost_type_are_documents_of_their_own() -> None:
    amounts = (ZERO,) * 6 + (usd("2"),)
    place = {"workspace_id": "w1", "api_key_id": None}
    lines = [Unmatched(place, kind, usd("2"), amounts, usd("2")) for kind in ("tokens", "code_execution")]
    documents = list(billed_documents(START, BilledHour({}, tuple(lines)), [], PRICES, FRAME))
    assert len({document.id for document in documents}) == 2

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.reports.build import cost_documents, usage_documents
from tests.harness.report_samples import (
    BUCKET,
    COST_DAY,
    HOUR,
    LATER,
    NAMES,
    cost_row,
    frame,
    limits_frame,
    usage_row,
)


def test_tokens_of_a_cache_lifetime_nobody_knows_are_in_the_sums() -> None:
    known = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    odd = {
        "ephemeral_24h_input_tokens": 77,
        "a_input_tokens": "x",
        "b_input_tokens": -1,
        "c_input_tokens": 2**63,
    }
    [document] = usage_documents(frame(), [usage_row(cache_creation=known | odd)])
    usage = document.source["anthropic"]["usage"]
    assert usage["cache_creation"] == known
    assert usage["cache_creation_input_tokens"] == 84
    assert (usage["input_tokens"], usage["total_tokens"]) == (204, 254)


def test_a_usage_row_becomes_the_fields_that_elastics_package_has_and_more() -> None:
    [document] = usage_documents(frame(), [usage_row()])
    source = document.source
    assert source["@timestamp"] == "2026-11-20T09:00:00Z"
    assert source["data_stream"] == {
        "type": "metrics",
        "dataset": "anthropic_metrics.usage",
        "namespace": "default",
    }
    assert source["anthropic"]["usage"] == {
        "bucket_start_time": "2026-11-20T09:00:00Z",
        "bucket_end_time": "2026-11-20T10:00:00Z",
        "bucket_width": "1h",
        "bucket_complete": True,
        "model": "claude-opus-5-5",
        "workspace_id": "wrkspc_1",
        "api_key_id": "apikey_1",
        "service_tier": "standard",
        "inference_geo": "global",
        "uncached_input_tokens": 100,
        "cached_input_tokens": 20,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 50,
        "server_tool_use": {"web_search_requests": 2},
        "input_tokens": 127,
        "total_tokens": 177,
    }
    assert source["anthropic"]["model"] == "claude-opus-5-5"
    assert source["anthropic"]["workspace"] == {"id": "wrkspc_1", "name": "Research", "tags": {"team": "r"}}
    assert source["anthropic"]["api_key"] == {"id": "apikey_1", "name": "nightly"}
    assert source["gen_ai"] == {
        "provider": {"name": "anthropic"},
        "request": {"model": "claude-opus-5-5"},
        "usage": {"input_tokens": 127, "output_tokens": 50},
    }
    assert source["organization"] == {"id": "org-1", "name": "Acme"}
    assert source["event"]["hash"] == document.hash


def test_a_null_that_was_grouped_means_the_default_workspace_and_the_console() -> None:
    [document] = usage_documents(frame(), [usage_row(workspace_id=None, api_key_id=None)])
    assert document.source["anthropic"]["usage"]["workspace_id"] == "Default"
    assert document.source["anthropic"]["workspace"] == {"id": "Default", "name": "Default"}
    assert document.source["anthropic"]["usage"]["api_key_id"] == "Console"
    assert document.source["anthropic"]["api_key"] == {"id": "Console", "name": "Console"}


def test_a_dimension_that_was_not_grouped_stays_out_of_the_document() -> None:
    row = usage_row(workspace_id=None, api_key_id=None, service_tier=None, inference_geo=None)
    [document] = usage_documents(frame(group_by=("model",)), [row])
    usage = document.source["anthropic"]["usage"]
    assert usage.keys().isdisjoint({"workspace_id", "api_key_id", "service_tier", "inference_geo"})
    assert document.source["anthropic"].keys() == {"model", "usage"}


def test_an_id_without_a_name_keeps_its_id() -> None:
    [document] = usage_documents(frame(), [usage_row(workspace_id="wrkspc_x", api_key_id="apikey_x")])
    assert document.source["anthropic"]["workspace"] == {"id": "wrkspc_x"}
    assert document.source["anthropic"]["api_key"] == {"id": "apikey_x"}


@pytest.mark.parametrize(
    ("after_end", "complete"),
    [
        (timedelta(minutes=-30), False),
        (timedelta(minutes=4, seconds=59), False),
        (timedelta(minutes=5), True),
    ],
)
def test_a_bucket_is_complete_once_the_documented_lag_has_passed(
    after_end: timedelta, complete: bool
) -> None:
    [document] = usage_documents(frame(now=BUCKET.end + after_end), [usage_row()])
    assert document.source["anthropic"]["usage"]["bucket_complete"] is complete


@given(tokens=st.integers(0, 2**40), searches=st.integers(0, 1000))
def test_numbers_are_no_part_of_an_identity_but_of_what_is_said(tokens: int, searches: int) -> None:
    before, after = (
        usage_documents(frame(), [row])[0]
        for row in (
            usage_row(),
            usage_row(output_tokens=tokens, server_tool_use={"web_search_requests": searches}),
        )
    )
    assert before.id == after.id
    assert (before.hash == after.hash) == (tokens == 50 and searches == 2)


@pytest.mark.parametrize("name", ["model", "workspace_id", "api_key_id", "service_tier", "inference_geo"])
def test_each_grouped_dimension_is_part_of_an_identity(name: str) -> None:
    rows = [usage_row(), usage_row(**{name: "other"}), usage_row(**{name: None})]
    documents = usage_documents(frame(), rows)
    assert len({document.id for document in documents}) == 3


def test_the_same_bucket_in_another_grain_or_organization_is_another_document() -> None:
    other = Names.of("org-2", "Other", [], [])
    ids = {
        usage_documents(frame(dataset, names=names), [usage_row()])[0].id
        for dataset in ("usage", "usage_1m", "usage_1d")
        for names in (NAMES, other)
    }
    assert len(ids) == 6


def test_reading_again_later_says_the_same() -> None:
    first, second = (
        usage_documents(frame(now=now), [usage_row()])[0] for now in (LATER, LATER + timedelta(days=3))
    )
    assert (first.id, first.hash) == (second.id, second.hash)
    assert first.source["event"]["created"] != second.source["event"]["created"]


@given(st.permutations([1, 1, 2, 3, 3, 3]))
def test_rows_that_repeat_their_dimensions_are_all_kept_in_any_order(tokens: list[int]) -> None:
    def built(order: list[int]) -> dict[str, int]:
        rows = [usage_row(output_tokens=count) for count in order]
        documents = usage_documents(frame(), rows)
        return {doc.id: doc.source["anthropic"]["usage"]["output_tokens"] for doc in documents}

    assert sorted(built(tokens).values()) == [1, 1, 2, 3, 3, 3]
    assert built(tokens) == built(sorted(tokens))


def test_money_keeps_its_text_and_its_cents() -> None:
    [document] = cost_documents(frame("cost", COST_DAY), [cost_row()])
    cost = document.source["anthropic"]["cost"]
    assert (cost["amount_exact"], cost["amount"], cost["amount_usd"]) == ("123.78912", 123.78912, 1.2378912)


def test_another_currency_is_never_shown_as_dollars() -> None:
    [document] = cost_documents(frame("cost", COST_DAY), [cost_row(currency="EUR")])
    assert "amount_usd" not in document.source["anthropic"]["cost"]


@pytest.mark.parametrize("currency", ["USD", "usd", "Usd "])
def test_us_dollars_count_in_any_case(currency: str) -> None:
    [document] = cost_documents(frame("cost", COST_DAY), [cost_row(currency=currency)])
    assert document.source["anthropic"]["cost"]["amount_usd"] is not None


def test_line_items_of_one_day_differ_by_what_the_api_parsed_from_them() -> None:
    rows = [
        cost_row(),
        cost_row(token_type="output_tokens"),
        cost_row(workspace_id=None),
        cost_row(
            cost_type="web_search", description="Web Search", model=None, token_type=None, service_tier=None
        ),
    ]
    documents = cost_documents(frame("cost", COST_DAY), rows)
    assert len({document.id for document in documents}) == len(rows)
    assert documents[2].source["anthropic"]["workspace"]["id"] == "Default"
    assert "model" not in documents[3].source["anthropic"]


LIMIT_OLD = {
    "type": "rate_limit",
    "group_type": "model_group",
    "models": ["claude-opus-5-5", "claude-opus-5-5-latest"],
    "limits": [{"type": "requests_per_minute", "value": 50}, {"type": "moon_phases", "value": 3}],
}
LIMIT_NEW = {
    "id": "rl_1",
    "type": "rate_limit",
    "group": {"id": "rlg_1", "type": "model_group", "display_name": "Opus"},
    "models": ["claude-opus-5-5"],
    "limits": [{"type": "output_tokens_per_minute", "value": 8000}],
}


def test_both_shapes_of_a_rate_limit_become_a_document_with_each_known_limit_as_a_number() -> None:
    groups = [RateLimitGroup.model_validate(shape) for shape in (LIMIT_OLD, LIMIT_NEW)]
    old, new = (
        document.source["anthropic"]["rate_limit"]
        for document in rate_limit_documents(limits_frame(), groups)
    )
    assert (old["scope"], old["group_type"], old["requests_per_minute"]) == (
        "organization",
        "model_group",
        50,
    )
    assert old["limits"][1] == {"type": "moon_phases", "value": 3, "source": "organization"}
    assert (new["group_id"], new["group_name"], new["output_tokens_per_minute"]) == ("rlg_1", "Opus", 8000)


def test_a_rate_limit_without_a_type_of_its_own_is_kept() -> None:
    group = RateLimitGroup.model_validate(
        {name: value for name, value in LIMIT_NEW.items() if name != "type"}
    )
    [document] = rate_limit_documents(limits_frame(), [group])
    assert "type" not in document.source["anthropic"]["rate_limit"]


def test_two_polls_in_one_slot_make_one_rate_limit_document() -> None:
    group = RateLimitGroup.model_validate(LIMIT_NEW)
    first, second = (
        rate_limit_documents(limits_frame(now=now), [group])[0] for now in (HOUR, HOUR + timedelta(minutes=7))
    )
    assert (first.id, first.hash) == (second.id, second.hash)

"""What the reference shows parses whole, without an unknown field, and a bad row costs only itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.admin_api.replies import (
    ApiKey,
    CostRow,
    Organization,
    RateLimitGroup,
    SpendLimit,
    UsageRow,
    Workspace,
)
from anthropic_metrics.admin_api.reply import Reply
from tests.harness import reply_examples as examples
from tests.harness.reply_parsing import one, parsed

DOCUMENTED: dict[str, tuple[type[Reply], dict[str, Any]]] = {
    "usage, older": (UsageRow, examples.USAGE_OLDER),
    "usage, newer": (UsageRow, examples.USAGE_NEWER),
    "usage, not grouped": (UsageRow, examples.USAGE_UNGROUPED),
    "cost by description": (CostRow, examples.COST_BY_DESCRIPTION),
    "cost, newer": (CostRow, examples.COST_NEWER),
    "cost, not grouped": (CostRow, examples.COST_UNGROUPED),
    "cost of a session, a credit": (CostRow, examples.COST_OF_A_SESSION),
    "organization limits, older": (RateLimitGroup, examples.LIMITS_OLDER),
    "organization limits, older, batch": (RateLimitGroup, examples.LIMITS_OLDER_BATCH),
    "organization limits, newer": (RateLimitGroup, examples.LIMITS_NEWER),
    "organization limits, newer, files": (RateLimitGroup, examples.LIMITS_NEWER_FILES),
    "workspace limits, older": (RateLimitGroup, examples.WORKSPACE_LIMITS_OLDER),
    "workspace limits, newer": (RateLimitGroup, examples.WORKSPACE_LIMITS_NEWER),
    "workspace, older": (Workspace, examples.WORKSPACE_OLDER),
    "workspace, newer": (Workspace, examples.WORKSPACE_NEWER),
    "API key, older": (ApiKey, examples.API_KEY_OLDER),
    "API key, newer": (ApiKey, examples.API_KEY_NEWER),
    "organization": (Organization, examples.ORGANIZATION),
    "spend limit": (SpendLimit, examples.SPEND_LIMIT),
    "spend limit without a cap": (SpendLimit, examples.SPEND_LIMIT | {"amount": None}),
}
MODELS = {model for model, _ in DOCUMENTED.values()}
documented = pytest.mark.parametrize(
    ("model", "row"), [pytest.param(model, row, id=name) for name, (model, row) in DOCUMENTED.items()]
)


@documented
def test_a_documented_row_parses_without_an_unknown_field(model: type[Reply], row: dict[str, Any]) -> None:
    one(model, pydantic_core.from_json(json.dumps(row)))


@documented
def test_an_unknown_field_is_kept_and_counted_by_its_name(model: type[Reply], row: dict[str, Any]) -> None:
    replies, problems = parsed(model, row | {"invented": [1]}, row | {"invented": None}, row)
    assert [reply.model_extra.get("invented", "absent") for reply in replies] == [[1], None, "absent"]
    assert (problems.unknown_fields, problems.total) == ({"invented": 2}, 0)


@documented
def test_a_bad_row_is_counted_and_named_and_its_neighbours_live(
    model: type[Reply], row: dict[str, Any]
) -> None:
    replies, problems = parsed(model, row, "no object", row, None)
    assert len(replies) == 2
    assert problems.total == 2
    assert [where for where, _ in problems.bad_rows] == ["here row 1", "here row 3"]


NESTED = {
    "a new cache lifetime": (
        UsageRow,
        examples.USAGE_OLDER
        | {"cache_creation": examples.USAGE_OLDER["cache_creation"] | {"ephemeral_24h_input_tokens": 5}},
        "cache_creation.ephemeral_24h_input_tokens",
    ),
    "a new server tool": (
        UsageRow,
        examples.USAGE_OLDER | {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2}},
        "server_tool_use.web_fetch_requests",
    ),
    "a new property of a group": (
        RateLimitGroup,
        examples.LIMITS_NEWER | {"group": examples.LIMITS_NEWER["group"] | {"region": "eu"}},
        "group.region",
    ),
    "a new property of a limit": (
        RateLimitGroup,
        examples.LIMITS_OLDER | {"limits": [{"type": "x", "value": 1, "unit": "token"}]},
        "limits.unit",
    ),
}


@pytest.mark.parametrize(
    ("model", "row", "name"), [pytest.param(*case, id=name) for name, case in NESTED.items()]
)
def test_an_unknown_field_inside_a_field_is_loud_too(
    model: type[Reply], row: dict[str, Any], name: str
) -> None:
    replies, problems = parsed(model, row)
    assert len(replies) == 1
    assert problems.unknown_fields == {name: 1}


OPEN_SETS = {
    "service tier": (UsageRow, examples.USAGE_NEWER, "service_tier"),
    "context window": (UsageRow, examples.USAGE_NEWER, "context_window"),
    "inference geography": (UsageRow, examples.USAGE_NEWER, "inference_geo"),
    "speed": (UsageRow, examples.USAGE_NEWER, "speed"),
    "cost type": (CostRow, examples.COST_NEWER, "cost_type"),
    "token type": (CostRow, examples.COST_NEWER, "token_type"),
    "currency": (CostRow, examples.COST_NEWER, "currency"),
    "key status": (ApiKey, examples.API_KEY_NEWER, "status"),
    "spend period": (SpendLimit, examples.SPEND_LIMIT, "period"),
}


@pytest.mark.parametrize(
    ("model", "row", "name"), [pytest.param(*case, id=name) for name, case in OPEN_SETS.items()]
)
def test_a_new_value_of_an_enumeration_is_kept(model: type[Reply], row: dict[str, Any], name: str) -> None:
    assert getattr(one(model, row | {name: "brand-new"}), name) == "brand-new"


def test_new_group_and_limit_types_are_kept() -> None:
    row = {"group_type": "video", "models": None, "limits": [{"type": "frames_per_second", "value": 3}]}
    group = one(RateLimitGroup, row)
    assert (group.group_type, group.limits[0].type, group.limits[0].value) == (
        "video",
        "frames_per_second",
        3,
    )


# Two shapes, one meaning


def test_both_shapes_of_a_limit_group_read_alike() -> None:
    newer = {
        "id": "rl_01A",
        "type": "rate_limit",
        "group": {"id": "rlg_01A", "type": "model_group", "display_name": "Claude Opus 4.x"},
        "models": examples.LIMITS_OLDER["models"],
        "limits": examples.LIMITS_OLDER["limits"],
    }
    old, new = one(RateLimitGroup, examples.LIMITS_OLDER), one(RateLimitGroup, newer)
    assert (old.group_type, old.models, old.limits) == (new.group_type, new.models, new.limits)
    assert (old.group_id, old.group_name, old.rate_limit_id) == (None, None, None)
    assert (new.group_id, new.group_name, new.rate_limit_id) == ("rlg_01A", "Claude Opus 4.x", "rl_01A")


def test_a_row_with_both_the_old_and_the_new_group_reads_as_the_new() -> None:
    group = one(RateLimitGroup, examples.LIMITS_NEWER | {"group_type": "model_group"})
    assert group.group_id == "rlg_01A"


def test_limits_without_models_have_none() -> None:
    assert one(RateLimitGroup, examples.LIMITS_OLDER_BATCH).models == ()


def test_an_organizations_limits_are_its_own() -> None:
    group = one(RateLimitGroup, examples.LIMITS_NEWER)
    assert group.workspace_id is None
    assert [(limit.source, limit.organization_value) for limit in group.limits] == [
        ("organization", None)
    ] * 2


def test_a_workspaces_limits_say_whose_they_are_and_what_the_organization_has() -> None:
    newer = one(RateLimitGroup, examples.WORKSPACE_LIMITS_NEWER)
    assert newer.rate_limit_id == "rl_01A"
    assert [(limit.value, limit.source, limit.organization_value) for limit in newer.limits] == [
        (50, "workspace", 4000),
        (70, "workspace", None),
        (9, "organization", 9),
    ]
    older = one(RateLimitGroup, examples.WORKSPACE_LIMITS_OLDER)
    assert (older.limits[0].source, older.limits[0].organization_value) == ("workspace", 4000)


def test_both_shapes_of_an_api_key_name_its_workspace() -> None:
    assert one(ApiKey, examples.API_KEY_OLDER).workspace_id == "wrkspc_01A"
    assert one(ApiKey, examples.API_KEY_NEWER).workspace_id == "wrkspc_01A"
    assert one(ApiKey, examples.API_KEY_OLDER | {"workspace_id": None}).workspace_id is None
    assert one(ApiKey, examples.API_KEY_NEWER | {"scope": {"type": "organization"}}).workspace_id is None


def test_a_workspaces_tags_and_times_are_read() -> None:
    assert one(Workspace, examples.WORKSPACE_NEWER).tags == {"team": "research", "cost-center": "4711"}
    older = one(Workspace, examples.WORKSPACE_OLDER)
    assert older.tags == {}
    assert older.archived_at == datetime(2024, 11, 1, 23, 59, 27, 427722, tzinfo=UTC)
    assert one(Workspace, examples.WORKSPACE_OLDER | {"tags": None}).tags == {}


SCOPES = {
    "organization": ({"type": "organization"}, None),
    "workspace": ({"type": "workspace", "workspace_id": "w"}, "w"),
    "user": ({"type": "user", "user_id": "u"}, "u"),
    "seat tier": ({"type": "seat_tier", "seat_tier": "premium"}, "premium"),
    "group": ({"type": "rbac_group", "rbac_group_id": "g"}, "g"),
    "something new": ({"type": "planet", "planet_id": "mars"}, "mars"),
}


@pytest.mark.parametrize(
    ("scope", "scope_id"), [pytest.param(*case, id=name) for name, case in SCOPES.items()]
)
def test_a_spend_limit_names_what_it_applies_to(scope: dict[str, str], scope_id: str | None) -> None:
    limit = one(SpendLimit, examples.SPEND_LIMIT | {"scope": scope})
    assert (limit.scope_type, limit.scope_id, limit.amount) == (scope["type"], scope_id, Decimal(50000))


def test_no_cap_is_no_amount() -> None:
    assert one(SpendLimit, examples.SPEND_LIMIT | {"amount": None}).amount is None


# Bounds


def test_of_many_bad_rows_the_first_are_named_and_all_counted() -> None:
    _, problems = parsed(UsageRow, *[{"output_tokens": "x" * 10_000}] * 500)
    assert problems.total == 500
    assert len(problems.bad_rows) == 20
    assert all(len(reason) <= 200 for _, reason in problems.bad_rows)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[type[Reply], Any]:
    model, row = draw(st.sampled_from(list(DOCUMENTED.values())))
    changes = draw(st.dictionaries(st.sampled_from(sorted(row)) | st.text(), anything, max_size=3))
    return model, draw(st.just(row | changes) | anything)


@given(disturbed())
def test_an_arbitrary_row_is_either_good_or_counted(case: tuple[type[Reply], Any]) -> None:
    model, row = case
    replies, problems = parsed(model, row)
    assert len(replies) + problems.total == 1

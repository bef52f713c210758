from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import BadRequest, BrokenContract, MetricsError
from anthropic_metrics.kernel.problems import Problems
from tests.harness.admin_script import KEY, Make


def listed(*entries: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": list(entries), "has_more": False})


def test_the_organization_is_read_from_me(scripted: Make) -> None:
    it = scripted(httpx.Response(200, json={"id": "org_1", "type": "organization", "name": "ACME"}))
    assert endpoints.organization(it.client).name == "ACME"
    assert it.script.requests[0].url.path == "/v1/organizations/me"


@pytest.mark.parametrize("me", [{"name": "Acme"}, {"id": None}, {"id": ""}, {"id": 7}])
def test_an_organization_without_an_id_breaks_the_contract(scripted: Make, me: dict[str, object]) -> None:
    with pytest.raises(BrokenContract, match="id"):
        endpoints.organization(scripted(httpx.Response(200, json=me)).client)


def test_archived_workspaces_are_asked_for_too(scripted: Make) -> None:
    it = scripted(listed({"id": "w1", "name": "Old", "archived_at": "2026-01-02T03:04:05Z"}))
    assert [found.name for found in endpoints.workspaces(it.client, problems=Problems())] == ["Old"]
    assert it.script.requests[0].url.params["include_archived"] == "true"


def test_keys_of_any_state_are_listed(scripted: Make) -> None:
    it = scripted(listed({"id": "k1", "name": "CI", "status": "inactive", "workspace_id": None}))
    assert [found.status for found in endpoints.api_keys(it.client, problems=Problems())] == ["inactive"]
    assert "status" not in it.script.requests[0].url.params


def test_a_workspaces_limits_come_with_the_inherited_ones_and_its_id(scripted: Make) -> None:
    limits = [{"type": "requests_per_minute", "value": 5}]
    it = scripted(listed({"type": "workspace_rate_limit", "group_type": "batch", "limits": limits}))
    (group,) = endpoints.workspace_rate_limits(it.client, "wrkspc/1", problems=Problems())
    assert (group.workspace_id, group.limits[0].source) == ("wrkspc/1", "workspace")
    asked = it.script.requests[0].url
    assert asked.raw_path == b"/v1/organizations/workspaces/wrkspc%2F1/rate_limits?include_inherited=true"


def test_an_archived_workspace_that_answers_404_has_no_limits(scripted: Make) -> None:
    assert (
        endpoints.workspace_rate_limits(scripted(httpx.Response(404)).client, "w1", problems=Problems()) == []
    )


def test_other_refusals_of_a_workspaces_limits_are_told(scripted: Make) -> None:
    with pytest.raises(BadRequest):
        endpoints.workspace_rate_limits(scripted(httpx.Response(400)).client, "w1", problems=Problems())


def test_a_bad_entry_is_counted_and_its_neighbours_live(scripted: Make) -> None:
    it = scripted(listed({"id": "w1", "name": "Good"}, {"id": 7, "name": "Bad"}))
    problems = Problems()
    assert [found.id for found in endpoints.workspaces(it.client, problems=problems)] == ["w1"]
    assert problems.total == 1


def test_shapes_of_fields_that_nobody_needs_are_passed_over(scripted: Make) -> None:
    odd = {"display_color": 5, "created_at": "yesterday", "tags": [], "data_residency": "us", "type": {}}
    it = scripted(listed({"id": "w1", "name": "Good", **odd}))
    problems = Problems()
    (workspace,) = endpoints.workspaces(it.client, problems=problems)
    assert (workspace.name, workspace.tags, problems.total) == ("Good", {}, 0)
    it = scripted(listed({"id": "k1", "name": "nightly", "created_by": "user_1", "scope": 1, "status": 2}))
    (key,) = endpoints.api_keys(it.client, problems=problems)
    assert (key.name, key.created_by, problems.total) == ("nightly", None, 0)


@pytest.mark.parametrize(
    "bad", [{"type": "output_tokens_per_minute", "value": None}, {"value": 5}, "none", None]
)
def test_a_limit_that_cannot_be_read_costs_itself_not_its_group(scripted: Make, bad: object) -> None:
    good = {"type": "requests_per_minute", "value": 50}
    group = {"type": "rate_limit", "group_type": "model_group", "models": ["m"], "limits": [bad, good]}
    problems = Problems()
    (read,) = endpoints.organization_rate_limits(scripted(listed(group)).client, problems=problems)
    assert [(limit.type, limit.value) for limit in read.limits] == [("requests_per_minute", 50)]
    assert problems.bad_rows[0][0] == "rate_limits row 0 limit 0"
    assert problems.total == 1


@pytest.mark.parametrize("path", ["..", "."])
def test_a_workspace_id_never_leads_to_another_path(scripted: Make, path: str) -> None:
    it = scripted(listed())
    with pytest.raises(BrokenContract, match="cannot be used in a request"):
        endpoints.workspace_rate_limits(it.client, path, problems=Problems())
    assert it.script.requests == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("id", "name", "type", "workspace_id", "scope", "tags", "created_at")
FIELDS = (*NAMES, "group", "group_type", "models", "limits")
entries = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything))
bodies = anything | st.fixed_dictionaries({"data": st.lists(entries | anything, max_size=3)}) | entries


@settings(deadline=None)  # a client is opened each time
@given(bodies)
def test_arbitrary_json_never_crashes_an_endpoint(body: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    settings = AnthropicSettings.model_validate({"admin_key": KEY})
    calls: list[Callable[[AdminClient], object]] = [
        endpoints.organization,
        lambda client: endpoints.workspaces(client, problems=Problems()),
        lambda client: endpoints.api_keys(client, problems=Problems()),
        lambda client: endpoints.organization_rate_limits(client, problems=Problems()),
        lambda client: endpoints.workspace_rate_limits(client, "w", problems=Problems()),
    ]
    with AdminClient(
        settings, transport=transport, sleep=lambda _: None, retry=RetryPolicy(attempts=1)
    ) as client:
        for call in calls:
            try:
                call(client)
            except MetricsError:
                continue

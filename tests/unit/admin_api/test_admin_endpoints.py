from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog
from admin_script import KEY, Make
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import Problems
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import BadRequest, BrokenContract, MetricsError


def listed(*entries: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": list(entries), "has_more": False})


def test_the_organization_is_read_from_me(scripted: Make) -> None:
    it = scripted(httpx.Response(200, json={"id": "org_1", "type": "organization", "name": "ACME"}))
    assert endpoints.organization(it.client).name == "ACME"
    assert it.script.requests[0].url.path == "/v1/organizations/me"


def test_a_nameless_organization_breaks_the_contract(scripted: Make) -> None:
    with pytest.raises(BrokenContract, match="name"):
        endpoints.organization(scripted(httpx.Response(200, json={"id": "org_1"})).client)


def test_archived_workspaces_are_asked_for_too(scripted: Make) -> None:
    it = scripted(listed({"id": "w1", "name": "Old", "archived_at": "2026-01-02T03:04:05Z"}))
    assert [found.name for found in endpoints.workspaces(it.client)] == ["Old"]
    assert it.script.requests[0].url.params["include_archived"] == "true"


def test_keys_of_any_state_are_listed(scripted: Make) -> None:
    it = scripted(listed({"id": "k1", "name": "CI", "status": "inactive", "workspace_id": None}))
    assert [found.status for found in endpoints.api_keys(it.client)] == ["inactive"]
    assert "status" not in it.script.requests[0].url.params


def test_a_workspaces_limits_come_with_the_inherited_ones_and_its_id(scripted: Make) -> None:
    limits = [{"type": "requests_per_minute", "value": 5}]
    it = scripted(listed({"type": "workspace_rate_limit", "group_type": "batch", "limits": limits}))
    (group,) = endpoints.workspace_rate_limits(it.client, "wrkspc/1")
    assert (group.workspace_id, group.limits[0].source) == ("wrkspc/1", "workspace")
    asked = it.script.requests[0].url
    assert asked.raw_path == b"/v1/organizations/workspaces/wrkspc%2F1/rate_limits?include_inherited=true"


def test_an_archived_workspace_that_answers_404_has_no_limits(scripted: Make) -> None:
    assert endpoints.workspace_rate_limits(scripted(httpx.Response(404)).client, "w1") == []


def test_other_refusals_of_a_workspaces_limits_are_told(scripted: Make) -> None:
    with pytest.raises(BadRequest):
        endpoints.workspace_rate_limits(scripted(httpx.Response(400)).client, "w1")


def test_a_bad_entry_is_counted_for_the_caller_or_else_logged(scripted: Make) -> None:
    it = scripted(listed({"id": "w1", "name": "Good"}, {"id": 7, "name": "Bad"}))
    problems = Problems()
    assert len(endpoints.workspaces(it.client, problems=problems)) == 1
    assert problems.total == 1
    with structlog.testing.capture_logs() as events:
        endpoints.workspaces(it.client)
    assert [event["event"] for event in events if event["log_level"] == "warning"] == ["rows_refused"]


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
        endpoints.workspaces,
        endpoints.api_keys,
        endpoints.organization_rate_limits,
        lambda client: endpoints.workspace_rate_limits(client, "w"),
    ]
    with AdminClient(
        settings, transport=transport, sleep=lambda _: None, retry=RetryPolicy(attempts=1)
    ) as client:
        for call in calls:
            try:
                call(client)
            except MetricsError:
                continue

"""The vendor's own SDK as a client of the simulated API: no field of its types is missing or unexpected."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.types import OrganizationInfo
from anthropic.types.organization import (
    APIKey,
    APIKeyServiceAccountActor,
    OrganizationRateLimit,
    OrganizationUser,
    ServiceAccount,
    SpendLimit,
    Workspace,
)
from anthropic.types.organization.workspaces import WorkspaceRateLimit

from anthropic_metrics.simulator import SimulatorServer, effects
from tests.harness.sdk_types import checked, complaints


def test_the_check_itself_sees_missing_unexpected_and_ill_typed_fields(
    server: SimulatorServer, sdk: anthropic.Anthropic
) -> None:
    server.faults.add(effects.extra_field("colour", "red"), "*/workspaces")
    assert complaints(next(iter(sdk.organization.workspaces.list()))) == [": unexpected colour"]
    server.faults.add(effects.missing_field("tags"), "*/workspaces")
    assert complaints(next(iter(sdk.organization.workspaces.list()))) == [": no tags"]
    server.faults.add(effects.bad_row("tags", 5), "*/workspaces")
    with pytest.raises(ValueError, match="tags"):
        checked([next(iter(sdk.organization.workspaces.list()))], Workspace)


def test_the_organization(sdk: anthropic.Anthropic) -> None:
    (me,) = checked([sdk.organization.retrieve()], OrganizationInfo)
    assert me.name == "Lumenfield Labs"


def test_workspaces_over_several_pages(sdk: anthropic.Anthropic) -> None:
    pages = sdk.organization.workspaces.list(include_archived=True, include_default=True, limit=2)
    found = checked(list(pages), Workspace)
    assert len({each.id for each in found}) == 6
    assert [each.name for each in found if each.archived_at] == ["Legacy Chatbot"]
    assert {"environment", "team", "owner", "project"} in [set(each.tags) for each in found]
    checked([sdk.organization.workspaces.retrieve(found[1].id)], Workspace)


def test_api_keys_of_every_status_and_scope(sdk: anthropic.Anthropic) -> None:
    found = checked(list(sdk.organization.api_keys.list(limit=4)), APIKey)
    assert {each.status for each in found} == {"active", "inactive", "archived", "expired"}
    assert {each.scope.type for each in found} == {"workspace", "organization"}
    checked([sdk.organization.api_keys.retrieve(found[0].id)], APIKey)


def test_users_and_their_roles(sdk: anthropic.Anthropic) -> None:
    found = checked(list(sdk.organization.users.list(limit=3)), OrganizationUser)
    assert {each.role for each in found} == {"admin", "developer", "billing"}
    (one,) = list(sdk.organization.users.list(email=found[0].email))
    assert one.id == found[0].id


def test_service_accounts_only_with_the_scope_for_them(
    server: SimulatorServer, sdk: anthropic.Anthropic
) -> None:
    with pytest.raises(anthropic.PermissionDeniedError):
        list(sdk.organization.service_accounts.list())
    server.behaviour.org_admin = True
    (found,) = checked(list(sdk.organization.service_accounts.list()), ServiceAccount)
    principals = [each.principal for each in sdk.organization.api_keys.list()]
    accounts = [each for each in principals if isinstance(each, APIKeyServiceAccountActor)]
    assert [each.service_account_id for each in accounts] == [found.id]


def test_rate_limits_of_every_group_over_several_pages(sdk: anthropic.Anthropic) -> None:
    found = checked(list(sdk.organization.rate_limits.list(limit=3)), OrganizationRateLimit)
    kinds = {"model_group", "batch", "token_count", "files", "skills", "web_search"}
    assert {each.group.type for each in found} == kinds
    (one,) = checked(list(sdk.organization.rate_limits.list(model="claude-opus-5-5")), OrganizationRateLimit)
    assert one.group.display_name.startswith("Claude Opus")


def test_rate_limits_of_a_workspace_own_and_inherited(
    server: SimulatorServer, sdk: anthropic.Anthropic
) -> None:
    staging = server.simulation.organization().named("Staging").id
    limits = sdk.organization.workspaces.rate_limits
    own = checked(list(limits.list(staging)), WorkspaceRateLimit)
    every = checked(list(limits.list(staging, include_inherited=True)), WorkspaceRateLimit)
    assert len(own) < len(every)
    assert {v.source.type for each in every for v in each.limits} == {"workspace", "organization"}


def test_spend_limits_parse_as_the_sdks_type(sdk: anthropic.Anthropic) -> None:
    answer: Any = sdk.get("/v1/organizations/spend_limits", cast_to=object)
    found = [SpendLimit.model_validate(each) for each in answer["data"]]
    assert checked(found, SpendLimit)


def test_refusals_become_the_sdks_own_errors(server: SimulatorServer, sdk: anthropic.Anthropic) -> None:
    archived = server.simulation.organization().named("Legacy Chatbot").id
    with pytest.raises(anthropic.NotFoundError) as missing:
        list(sdk.organization.workspaces.rate_limits.list(archived))
    assert missing.value.request_id
    with pytest.raises(anthropic.AuthenticationError):
        sdk.with_options(api_key="sk-ant-admin01-wrong").organization.retrieve()
    with pytest.raises(anthropic.PermissionDeniedError):
        sdk.with_options(api_key="sk-ant-api03-ordinary").organization.retrieve()
    server.faults.add(effects.status(429, hint="seconds"))
    with pytest.raises(anthropic.RateLimitError):
        sdk.organization.retrieve()


# The SDK has no class of the Claude Code report: its own words are the documentation's example.
CLAUDE_CODE = {
    "date": str,
    "actor": {"type": str, "email_address": str},
    "organization_id": str,
    "customer_type": str,
    "terminal_type": str,
    "core_metrics": {
        "num_sessions": int,
        "lines_of_code": {"added": int, "removed": int},
        "commits_by_claude_code": int,
        "pull_requests_by_claude_code": int,
    },
    "tool_actions": {
        tool: {"accepted": int, "rejected": int}
        for tool in ("edit_tool", "multi_edit_tool", "write_tool", "notebook_edit_tool")
    },
    "model_breakdown": [
        {
            "model": str,
            "tokens": {"input": int, "output": int, "cache_read": int, "cache_creation": int},
            "estimated_cost": {"currency": str, "amount": float},
        }
    ],
}


def shape(value: Any) -> Any:
    """The types of a JSON value; all entries of a list have one shape."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        shapes = [shape(each) for each in value]
        assert all(each == shapes[0] for each in shapes)
        return shapes[:1]
    return type(value)


def test_the_claude_code_report_has_the_documented_fields_and_pages(sdk: anthropic.Anthropic) -> None:
    path = "/v1/organizations/usage_report/claude_code"
    found: list[Any] = []
    options: dict[str, Any] = {"starting_at": "2026-11-19", "limit": 1}
    while True:
        page: Any = sdk.get(path, cast_to=object, options={"params": options})
        found += page["data"]
        assert set(page) == {"data", "has_more", "next_page"}
        if not page["has_more"]:
            break
        options["page"] = page["next_page"]
    assert len(found) == len({each["actor"]["email_address"] for each in found}) == 2
    assert all(shape(each) == CLAUDE_CODE for each in found)
    emails = {user.email for user in sdk.organization.users.list()}
    assert {each["actor"]["email_address"] for each in found} <= emails


@pytest.mark.parametrize("params", [{}, {"starting_at": "yesterday"}, {"starting_at": "2026-11-19", "x": 1}])
def test_a_claude_code_question_that_is_no_day_is_refused(
    sdk: anthropic.Anthropic, params: dict[str, Any]
) -> None:
    with pytest.raises(anthropic.BadRequestError):
        sdk.get("/v1/organizations/usage_report/claude_code", cast_to=object, options={"params": params})

"""The vendor's own SDK as a client of the simulated API: no field of its types is missing or unexpected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import anthropic
import pytest
from anthropic.types import OrganizationInfo
from anthropic.types.organization import APIKey, OrganizationRateLimit, SpendLimit, Workspace
from anthropic.types.organization.workspaces import WorkspaceRateLimit
from pydantic import BaseModel

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    simulation = Simulation(SettableClock(datetime(2026, 11, 20, 15, 30, tzinfo=UTC)))
    with SimulatorServer(simulation) as running:
        yield running


@pytest.fixture
def sdk(server: SimulatorServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=ADMIN_KEY, base_url=server.url, max_retries=0) as client:
        yield client


def complaints(value: Any, where: str = "") -> list[str]:
    """What differs from the SDK's types, at any depth: missing, unexpected and ill-typed fields."""
    if isinstance(value, list):
        return [each for n, item in enumerate(value) for each in complaints(item, f"{where}[{n}]")]
    if not isinstance(value, BaseModel):
        return []
    fields = set(type(value).model_fields)
    found = [f"{where}: no {name}" for name in fields - value.model_fields_set]
    found += [f"{where}: unexpected {name}" for name in value.model_extra or ()]
    for name in fields & value.model_fields_set:
        found += complaints(getattr(value, name), f"{where}.{name}")
    return found


def checked(values: list[Any], wanted: type[BaseModel]) -> list[Any]:
    """The values, after each was found to be what the SDK says it is."""
    assert values
    for value in values:
        assert isinstance(value, wanted)
        wanted.model_validate(value.model_dump(by_alias=True, warnings=False))
        assert complaints(value, wanted.__name__) == []
    return values


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

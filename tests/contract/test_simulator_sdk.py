"""The vendor's own SDK as a client of the simulated API: no field of its types is missing or unexpected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import anthropic
import pytest
from anthropic.types import OrganizationInfo
from anthropic.types.beta.organization.analytics import BetaAnalyticsCostItem, BetaAnalyticsUsageItem
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
from pydantic import BaseModel

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects
from anthropic_metrics.simulator.analytics import Terms, analytics_rows


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


ANALYTICS = Terms(enrolled="on")
CHARGEBACK = ("workspace_id", "api_key_id", "model", "service_tier", "inference_geo")
HOUR = timedelta(hours=1)
# Six hours of the morning, all loaded.
FROM, UNTIL = datetime(2026, 11, 20, 4, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def analytics(server: SimulatorServer, sdk: anthropic.Anthropic) -> Any:
    server.behaviour.analytics = ANALYTICS
    return sdk.beta.organization.analytics


def test_analytics_usage_over_several_pages_of_rows(server: SimulatorServer, analytics: Any) -> None:
    asked: dict[str, Any] = {"starting_at": FROM, "ending_at": UNTIL, "time_bucket_width": "1h"}
    asked |= {"order_by": "time", "order": "asc", "limit": 7}
    pages = list(analytics.usage.list(**asked, group_by=list(CHARGEBACK)).iter_pages())
    assert len(pages) > 10
    assert {page.data_refreshed_at for page in pages} == {datetime(2026, 11, 20, 11, 30, tzinfo=UTC)}
    # A bucket is split over pages.
    assert any(a.data[-1].starting_at == b.data[0].starting_at for a, b in pairwise(pages))
    found = checked([row for page in pages for row in page.data], BetaAnalyticsUsageItem)
    classic = server.simulation.usage_rows(FROM, UNTIL, "1h")
    for bucket in classic:
        rows = [
            row.usage for row in found if row.starting_at == datetime.fromisoformat(bucket["starting_at"])
        ]
        assert sum(row.output_tokens for row in rows) == bucket["output_tokens"]
        assert sum(row.cache_read_input_tokens for row in rows) == bucket["cache_read_input_tokens"]
    groups = [row.group for row in found]
    default = next(each.id for each in server.simulation.organization().workspaces if each.default)
    assert default in {group.workspace_id for group in groups}
    assert "claude-sonnet-4-5" in {group.model for group in groups}
    # An unknown place, and code execution, which has no place.
    assert {group.inference_geo for group in groups} == {None, "us", "global"}


def test_analytics_actors_that_cannot_be_shown_are_rows_of_their_own(analytics: Any) -> None:
    rows = checked(
        list(
            analytics.usage.list(
                starting_at=datetime(2026, 10, 28, tzinfo=UTC),
                ending_at=datetime(2026, 11, 2, tzinfo=UTC),
                time_bucket_width="1d",
                group_by=["actor"],
                limit=1000,
            )
        ),
        BetaAnalyticsUsageItem,
    )
    kinds = {None if row.group.actor is None else row.group.actor.type for row in rows}
    assert kinds == {None, "user_actor", "service_account_actor", "api_actor"}
    hidden = Counter(row.starting_at for row in rows if row.group.actor is None)
    assert max(hidden.values()) > 1


def test_analytics_cost_fans_out_by_component_and_adds_up_to_the_bill(
    server: SimulatorServer, analytics: Any
) -> None:
    day = datetime(2026, 11, 18, tzinfo=UTC)
    asked: dict[str, Any] = {"starting_at": day, "ending_at": day + 24 * HOUR, "time_bucket_width": "1h"}
    sums: dict[tuple[str, ...], Decimal] = {}
    components: dict[tuple[str, ...], set[tuple[Any, Any]]] = {}
    for extra in ((), ("cost_type",), ("token_type",), ("cost_type", "token_type")):
        listed = analytics.cost.list(**asked, group_by=[*CHARGEBACK, *extra], order_by="time", limit=100)
        pages = list(listed.iter_pages())
        if len(extra) == 2:
            assert max(len(page.data) for page in pages) > 100  # the limit counts groups
        rows = checked([row for page in pages for row in page.data], BetaAnalyticsCostItem)
        sums[extra] = sum((Decimal(row.cost.amount) for row in rows), Decimal(0))
        components[extra] = {(row.group.cost_type, row.group.token_type) for row in rows}
        assert all((row.cost.requests is None) == bool(extra) for row in rows)
    bill = sum(
        (Decimal(row["amount"]) for row in server.simulation.cost_rows(day, day + 24 * HOUR)), Decimal()
    )
    assert sums[()] == sums["cost_type",] == sums["cost_type", "token_type"] == bill
    assert sums["token_type",] < bill
    assert components["cost_type",] == {("tokens", None), ("web_search", None), ("code_execution", None)}
    assert ("tokens", "output_tokens") in components["cost_type", "token_type"]
    truth = analytics_rows(server.simulation, "cost", day, day + 24 * HOUR, "1h", ("api_key_id",))
    assert sum(Decimal(row["cost"]["amount"]) for row in truth) == bill


def test_analytics_are_late_and_revised_for_thirty_days(server: SimulatorServer, analytics: Any) -> None:
    server.behaviour.analytics = Terms(enrolled="on", revised=0.2)
    asked: dict[str, Any] = {"starting_at": FROM, "ending_at": UNTIL + 4 * HOUR, "time_bucket_width": "1h"}

    def amounts() -> dict[datetime, Decimal]:
        return {row.starting_at: Decimal(row.cost.amount) for row in analytics.cost.list(**asked, limit=100)}

    first = amounts()
    assert max(first) == datetime(2026, 11, 20, 11, tzinfo=UTC)  # the hour that is half loaded
    clock = server.simulation.clock
    assert isinstance(clock, SettableClock)
    clock.advance(timedelta(days=10))
    second = amounts()
    clock.advance(timedelta(days=21))
    third = amounts()
    assert all(first[hour] <= second[hour] <= third[hour] for hour in first)
    assert sum(first.values()) < sum(second.values()) < sum(third.values())
    truth = analytics_rows(server.simulation, "cost", FROM, UNTIL + 4 * HOUR)
    assert sum(third.values()) == sum(Decimal(row["cost"]["amount"]) for row in truth)


def test_analytics_refusals_become_the_sdks_own_errors(server: SimulatorServer, analytics: Any) -> None:
    asked: dict[str, Any] = {"starting_at": FROM, "ending_at": UNTIL, "time_bucket_width": "1h"}
    for wrong in (
        {"ending_at": FROM + timedelta(days=32)},
        {"starting_at": datetime(2025, 12, 31, tzinfo=UTC)},
        {"group_by": [*CHARGEBACK, "product"]},
        {"exclude_deleted_users": True},
    ):
        with pytest.raises(anthropic.BadRequestError):
            analytics.usage.list(**asked | wrong)
    server.behaviour.analytics = Terms(enrolled="not_enrolled")
    with pytest.raises(anthropic.BadRequestError) as refused:
        analytics.cost.list(**asked)
    body: Any = refused.value.body
    assert body["error"]["details"]["error_code"] == "organization_not_enrolled_in_beta"
    server.behaviour.analytics = Terms(enrolled="forbidden")
    with pytest.raises(anthropic.PermissionDeniedError):
        analytics.cost.list(**asked)
    server.behaviour.analytics = Terms()
    with pytest.raises(anthropic.NotFoundError):
        analytics.cost.list(**asked)


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

"""The Console's spend limits as read-only budgets, and what happens where they cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import SpendLimit
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.budgets.limits import SpendLimits, budgets_of
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import AuthError
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = Names("org", "Org", {"wrkspc_01A": NamedWorkspace("Production")}, {})


def limit(scope: dict[str, str], **given: Any) -> SpendLimit:
    row = {"type": "spend_limit", "id": "spl_1", "amount": "250050", "currency": "USD", "period": "monthly"}
    return SpendLimit.model_validate({**row, "scope": scope, "is_enabled": True, **given})


def test_limits_of_organization_tier_and_workspace_are_budgets_in_dollars() -> None:
    found = list(
        budgets_of(
            [
                limit({"type": "organization"}),
                limit({"type": "usage_tier"}, amount="20000000"),
                limit({"type": "workspace", "workspace_id": "wrkspc_01A"}, period="weekly"),
                limit({"type": "workspace", "workspace_id": "wrkspc_unknown"}),
            ],
            NAMES,
        )
    )
    assert [(budget.name, budget.usd, budget.period, budget.workspace) for budget in found] == [
        ("limit: organization", Decimal("2500.50"), "monthly", None),
        ("limit: usage tier", Decimal("200000"), "monthly", None),
        ("limit: workspace Production", Decimal("2500.50"), "weekly", "wrkspc_01A"),
        ("limit: workspace wrkspc_unknown", Decimal("2500.50"), "monthly", "wrkspc_unknown"),
    ]


def test_limits_of_workspaces_that_share_a_name_and_of_several_periods_are_all_budgets() -> None:
    names = replace(NAMES, workspaces={id_: NamedWorkspace("Lab") for id_ in ("wrkspc_1", "wrkspc_2")})
    found = budgets_of(
        [
            limit({"type": "workspace", "workspace_id": "wrkspc_1"}),
            limit({"type": "workspace", "workspace_id": "wrkspc_2"}, amount="900"),
            limit({"type": "organization"}),
            limit({"type": "organization"}, amount="70000", period="weekly"),
        ],
        names,
    )
    assert [(budget.name, budget.workspace, str(budget.usd)) for budget in found] == [
        ("limit: workspace Lab (wrkspc_1)", "wrkspc_1", "2500.50"),
        ("limit: workspace Lab (wrkspc_2)", "wrkspc_2", "9.00"),
        ("limit: organization", None, "2500.50"),
        ("limit: organization, weekly", None, "700.00"),
    ]


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        ({"type": "organization"}, {"amount": None}),
        ({"type": "organization"}, {"is_enabled": False}),
        ({"type": "organization"}, {"currency": "EUR"}),
        ({"type": "organization"}, {"period": "yearly"}),
        ({"type": "organization"}, {"amount": "0"}),
        ({"type": "user", "user_id": "user_1"}, {}),
        ({"type": "seat_tier", "seat_tier": "enterprise_standard"}, {}),
        ({"type": "what_comes_next"}, {}),
    ],
)
def test_a_limit_that_is_off_has_no_number_or_is_no_pool_is_no_budget(
    scope: dict[str, str], given: dict[str, Any]
) -> None:
    assert list(budgets_of([limit(scope, **given)], NAMES)) == []


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(Simulation(SettableClock(NOW), days=1)) as running:
        yield running


@pytest.fixture
def limits(server: SimulatorServer) -> Iterator[SpendLimits]:
    settings = AnthropicSettings(
        base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    )
    with AdminClient(settings, retry=RetryPolicy(attempts=1)) as client:
        yield SpendLimits(client)


def test_limits_are_read_once_an_hour_with_the_header_of_their_preview(
    server: SimulatorServer, limits: SpendLimits
) -> None:
    first = limits.read(NOW, Problems())
    assert len(first) == 4
    assert limits.read(NOW + timedelta(minutes=59), Problems()) is first
    assert len(server.requests) == 1
    assert server.requests[0].headers["anthropic-beta"] == "spend-limit-reads-2026-09-26"
    limits.read(NOW + timedelta(hours=1), Problems())
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_key_that_may_not_read_them_is_asked_again_once_a_day_and_the_reason_is_known(
    server: SimulatorServer, limits: SpendLimits, code: int
) -> None:
    server.faults.add(effects.status(code), "*/spend_limits", times=1)
    assert limits.read(NOW, Problems()) == []
    assert str(code) in limits.refusal
    assert limits.read(NOW + timedelta(hours=23), Problems()) == []
    assert len(server.requests) == 1
    assert len(limits.read(NOW + timedelta(days=1), Problems())) == 4
    assert limits.refusal == ""


def test_limits_read_before_stay_while_the_api_fails(server: SimulatorServer, limits: SpendLimits) -> None:
    first = limits.read(NOW, Problems())
    server.faults.add(effects.status(503), "*/spend_limits", times=None)
    assert limits.read(NOW + timedelta(hours=1), Problems()) == first
    assert limits.trouble.startswith("Spend limits of the Console cannot be read: ")
    server.faults.clear()
    later = NOW + timedelta(hours=1, minutes=5)
    assert limits.read(later, Problems()) == first
    assert (limits.trouble, len(server.requests)) == ("", 3), "a failure is not believed for an hour"


def test_a_failure_that_lasts_is_one_warning(server: SimulatorServer, limits: SpendLimits) -> None:
    server.faults.add(effects.status(503), "*/spend_limits", times=None)
    with structlog.testing.capture_logs() as events:
        for polls in range(3):
            limits.read(NOW + polls * timedelta(minutes=5), Problems())
    levels = [event["log_level"] for event in events if event["event"] == "spend_limits_kept"]
    assert levels == ["warning", "debug", "debug"]


def test_a_limit_that_cannot_be_read_is_missing_and_not_removed(
    server: SimulatorServer, limits: SpendLimits
) -> None:
    unreadable = {"data": [{"id": "spl_1", "amount": "many"}], "has_more": False}
    server.faults.add(effects.body(json.dumps(unreadable).encode()), "*/spend_limits", times=1)
    problems = Problems()
    assert limits.read(NOW, problems) == []
    assert (limits.failure, limits.trouble) == ("", str(problems))
    assert "could not be read" in limits.trouble


def test_a_key_that_is_refused_altogether_leaves_nothing_to_believe(
    server: SimulatorServer, limits: SpendLimits
) -> None:
    server.faults.add(effects.status(401), "*/spend_limits", times=1)
    with pytest.raises(AuthError):
        limits.read(NOW, Problems())
    assert len(limits.read(NOW + timedelta(minutes=5), Problems())) == 4

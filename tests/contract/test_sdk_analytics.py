"""The analytics reports of the simulated API, read by Anthropic's own SDK."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import anthropic
import pytest
from anthropic.types.beta.organization.analytics import BetaAnalyticsCostItem, BetaAnalyticsUsageItem

from anthropic_metrics.simulator import SettableClock, SimulatorServer
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from tests.harness.sdk_types import checked

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

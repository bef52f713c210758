"""A bill by person adds up to the bill, whatever the analytics report has less or more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.charges import amount_of
from anthropic_metrics.finance.ledger import Ledger, read_ledger
from anthropic_metrics.finance.people import NOBODY, People
from anthropic_metrics.finance.period import Period
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.analytics import Terms

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PERIOD = Period(date(2026, 11, 17), date(2026, 12, 1))


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(Simulation(SettableClock(NOW), days=4, series=9)) as running:
        running.behaviour.analytics = Terms("on")
        yield running


def ledger(server: SimulatorServer) -> Ledger:
    settings = AnthropicSettings(
        base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    )
    people = People(Persons("id", "a salt for tests only, long enough", {}), Names("org", "Org", {}, {}))
    with AdminClient(settings, retry=RetryPolicy(attempts=1)) as client:
        return read_ledger(client, Config(), PERIOD, NOW, with_usage=False, people=people)


def by_person(found: Ledger) -> dict[str | None, Decimal]:
    sums: dict[str | None, Decimal] = {}
    for charge in found.charges(by_key=False, by_person=True):
        person = charge.dimensions["person"]
        sums[person] = sums.get(person, Decimal(0)) + charge.amount
    return sums


def test_people_and_what_is_nobodys_are_the_bill_digit_for_digit_and_the_running_day_is_not_asked_for(
    server: SimulatorServer,
) -> None:
    found = ledger(server)

    assert amount_of(found.charges(by_key=False, by_person=True)) == found.amount > 0
    asked = [request for request in server.requests if "/analytics/" in request.path]
    assert {request.get("ending_at") for request in asked} == {"2026-11-20T00:00:00Z"}
    assert sum(charge.tokens for charge in found.charges(by_key=False, by_person=True)) > 0


def test_a_report_that_lacks_rows_leaves_them_to_nobody(server: SimulatorServer) -> None:
    whole = by_person(ledger(server))
    server.behaviour.analytics = Terms("on", lag=timedelta(hours=40))

    late = ledger(server)

    assert amount_of(late.charges(by_key=False, by_person=True)) == late.amount
    assert by_person(late)[NOBODY] > whole.get(NOBODY, Decimal(0))


@pytest.mark.parametrize("enrolled", ["off", "forbidden", "not_enrolled"])
def test_an_organization_without_the_report_is_told_so_in_one_sentence(
    server: SimulatorServer, enrolled: Any
) -> None:
    server.behaviour.analytics = Terms(enrolled)

    with pytest.raises(ConfigError, match="--by person: the cost analytics report does not answer"):
        ledger(server)

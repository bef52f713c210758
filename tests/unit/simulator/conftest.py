from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.api import AdminApi
from anthropic_metrics.simulator.requests import Request

NOW = datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC)
HEADERS = {"anthropic-version": "2023-06-01"}


@dataclass
class Asked:
    """An answer, as far as tests look at it."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def simulation(clock: SettableClock) -> Simulation:
    return Simulation(clock, days=14)


@pytest.fixture
def api(simulation: Simulation) -> AdminApi:
    return AdminApi(simulation)


@pytest.fixture
def ask(api: AdminApi) -> Callable[..., Asked]:
    """`ask(path, ("name", "value"), ..., key=..., headers=...)` without the network."""

    def asked(
        path: str,
        *params: tuple[str, str],
        key: str | None = ADMIN_KEY,
        headers: Mapping[str, str] = HEADERS,
        method: str = "GET",
    ) -> Asked:
        now = api.simulation.clock.now()
        answer = api.answer(Request(method, "/v1/organizations" + path, params, headers, now), key)
        return Asked(answer.status, answer.json(), answer.headers)

    return asked


@pytest.fixture
def server(simulation: Simulation) -> Iterator[SimulatorServer]:
    with SimulatorServer(simulation) as running:
        yield running


@pytest.fixture
def http(server: SimulatorServer) -> Iterator[httpx.Client]:
    headers = {**HEADERS, "x-api-key": ADMIN_KEY}
    with httpx.Client(base_url=server.url + "/v1/organizations", headers=headers, timeout=20) as client:
        yield client

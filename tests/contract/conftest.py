"""The simulated Admin API, and Anthropic's own SDK as its client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import anthropic
import pytest

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    simulation = Simulation(SettableClock(datetime(2026, 11, 20, 15, 30, tzinfo=UTC)))
    with SimulatorServer(simulation) as running:
        yield running


@pytest.fixture
def sdk(server: SimulatorServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=ADMIN_KEY, base_url=server.url, max_retries=0) as client:
        yield client

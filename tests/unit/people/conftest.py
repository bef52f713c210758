"""A simulator with reports about people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from anthropic_metrics.simulator import SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.analytics import Terms
from tests.harness.people_world import NOW, World


@pytest.fixture
def w() -> Iterator[World]:
    clock = SettableClock(NOW)
    with SimulatorServer(Simulation(clock, days=5)) as server:
        server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))
        yield World(server, clock)

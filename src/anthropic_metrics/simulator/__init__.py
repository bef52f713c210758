"""An Admin API that behaves, misbehaves on demand, and knows the ground truth.

clock = SettableClock(datetime(2026, 11, 20, 15, 30, tzinfo=UTC))
simulation = Simulation(clock, days=30, arrivals="usual")
with SimulatorServer(simulation) as server:
    ...  # ask server.url with ADMIN_KEY
simulation.usage_rows(start, end, "1h", ("model", "workspace_id"), at=clock.now())
"""

from __future__ import annotations

from . import effects
from .api import ADMIN_KEY, Behaviour
from .clock import Clock, RealClock, SettableClock
from .requests import Request
from .serve import serve
from .server import SimulatorServer
from .simulation import Simulation

__all__ = [
    "ADMIN_KEY",
    "Behaviour",
    "Clock",
    "RealClock",
    "Request",
    "SettableClock",
    "Simulation",
    "SimulatorServer",
    "effects",
    "serve",
]

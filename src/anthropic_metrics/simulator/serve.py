"""The simulated Admin API as a program of its own, on the machine's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from .api import Behaviour
from .clock import RealClock
from .server import SimulatorServer
from .simulation import Simulation


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 7,
    days: int = 30,
    arrivals: str = "usual",
    revisions: str = "usual",
    keys: Collection[str] = (),
    behaviour: Behaviour | None = None,
    ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until `stop` is set or the process is interrupted. `ready` is called with the URL.

    `keys` are taken besides ADMIN_KEY.
    """
    simulation = Simulation(RealClock(), seed=seed, days=days, arrivals=arrivals, revisions=revisions)
    with SimulatorServer(simulation, port, host=host, behaviour=behaviour) as server:
        server.admin_keys.update(keys)
        if ready is not None:
            ready(server.url)
        (stop or threading.Event()).wait()

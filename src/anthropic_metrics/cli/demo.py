"""`demo`, `simulate` and `run --embedded`: the whole product with nothing to install and no key."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.cli.cluster import embedded_cluster
from anthropic_metrics.cli.common import err, progress
from anthropic_metrics.cli.overview import print_overview
from anthropic_metrics.cli.polling import attempt_all
from anthropic_metrics.config import Backfill, Config
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer, serve

DaysOption = Annotated[int, typer.Option(min=1, max=365, help="Days of history to begin with.")]
SeedOption = Annotated[int, typer.Option(help="Another seed is another organization.")]


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(simulate)


def simulate(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8787,
    days: DaysOption = 30,
    seed: SeedOption = 7,
) -> None:
    """An Admin API that invents a believable organization, until Ctrl-C."""
    with _until_asked() as stop:
        serve(port=port, days=days, seed=seed, stop=stop, ready=_say_where)


def _say_where(url: str) -> None:
    err.print(f"Admin API at {url} for key {ADMIN_KEY}; Ctrl-C ends it.", highlight=False)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="With --once: leave the cluster up until Ctrl-C, and print its URL."),
    ] = False,
    days: DaysOption = 30,
    seed: SeedOption = 7,
) -> None:
    """Simulated organization, real Elasticsearch, backfill, then live polling: all on this machine."""
    logs.configure("warning")
    simulation = Simulation(RealClock(), seed=seed, days=days, arrivals="usual", revisions="usual")
    with ExitStack() as stack:
        server = stack.enter_context(SimulatorServer(simulation))
        config = stack.enter_context(embedded_cluster(_demo_config(server.url, days), data=None))
        agent = stack.enter_context(Agent(config))
        err.print(
            f"Elasticsearch at {config.elasticsearch.hosts[0]}, Admin API at {server.url}", highlight=False
        )
        with progress([agent.pollers.history(poller) for poller in agent.pollers.views]) as advance:
            tallies = attempt_all(agent, agent.pollers.single(agent.sink, advance))
        print_overview(agent.elasticsearch, config.namespace)
        if not all(tally.done for tally in tallies):
            raise typer.Exit(1)
        if not once:
            err.print("Polling live; Ctrl-C ends the demo.")
            logs.configure("info")
            raise typer.Exit(daemon.run(agent))
        if keep:
            err.print(
                f"Elasticsearch stays at {config.elasticsearch.hosts[0]} until Ctrl-C.", highlight=False
            )
            with _until_asked() as stop:
                stop.wait()


def _demo_config(url: str, days: int) -> Config:
    """The defaults, against the simulator: unpaced, since nobody shares its limit, and polled often enough
    to watch."""
    defaults = Config()
    anthropic = defaults.anthropic.model_copy(
        update={"base_url": url, "admin_key": SecretStr(ADMIN_KEY), "requests_per_minute": 6000}
    )
    usage = defaults.usage.model_copy(update={"interval": timedelta(minutes=1)})
    backfill = Backfill(timedelta(days=days))
    return defaults.model_copy(update={"anthropic": anthropic, "usage": usage, "backfill": backfill})


@contextmanager
def _until_asked() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

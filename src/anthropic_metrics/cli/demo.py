"""`demo`, `simulate` and `run --embedded`: the whole product with nothing to install and no key."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from secrets import token_hex
from typing import Annotated

import typer
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.agent.places import attempt_all
from anthropic_metrics.cli.cluster import embedded_cluster
from anthropic_metrics.cli.dashboards import draw, save
from anthropic_metrics.cli.demo_world import (
    Delivery,
    DemoClock,
    export_traces,
    make_a_key,
    use_committed_capacity,
)
from anthropic_metrics.cli.overview import overview
from anthropic_metrics.cli.progress import progress
from anthropic_metrics.cli.render import say, show
from anthropic_metrics.config import Backfill, BudgetSettings, Config, HealthSettings
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.embedded import cache_dir
from anthropic_metrics.errors import RetryLater, of_system
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.signals import until_asked
from anthropic_metrics.simulator import ADMIN_KEY, Simulation, SimulatorServer, serve

BUDGETS = (
    BudgetSettings(name="everything", usd=Decimal(90_000)),
    BudgetSettings(name="production", workspace="Production", usd=Decimal(50_000)),
    BudgetSettings(
        name="data science, weekly", workspace="Data Science", usd=Decimal(6_000), period="weekly"
    ),
)

# Too short to be a real key, so that it is not redacted where the user has to read it.
SHOWN_KEY = "sk-ant-admin"

DaysOption = Annotated[int, typer.Option(min=1, max=365, help="Days of history to begin with.")]
SeedOption = Annotated[int, typer.Option(help="Another seed makes another organization.")]


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(simulate)


def simulate(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8787,
    days: DaysOption = 30,
    seed: SeedOption = 7,
) -> None:
    """Serve an Admin API with a simulated organization, until Ctrl-C."""
    with until_asked() as stop:
        try:
            serve(port=port, days=days, seed=seed, stop=stop, ready=_say_where, keys=[SHOWN_KEY])
        except OSError as error:
            raise of_system(
                error,
                RetryLater(
                    f"--port: cannot listen on {port}: {error.strerror}.",
                    cure="Name another port; 0 takes a free one.",
                ),
            ) from None


def _say_where(url: str) -> None:
    say(f"Admin API at {url} for the Admin key {SHOWN_KEY}; Ctrl-C ends it.")


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="With --once: leave the cluster up until Ctrl-C, and print its URL."),
    ] = False,
    days: DaysOption = 30,
    seed: SeedOption = 7,
) -> None:
    """Run a simulated organization and a real Elasticsearch here: backfill, then live polling."""
    logs.configure("warning")
    clock = DemoClock()
    simulation = Simulation(clock, seed=seed, days=days, arrivals="usual", revisions="usual")
    use_committed_capacity(simulation)
    export_traces(simulation)
    with ExitStack() as stack:
        server = stack.enter_context(SimulatorServer(simulation))
        config = stack.enter_context(embedded_cluster(_demo_config(server.url, days), data=None))
        stop = stack.enter_context(until_asked())  # from here on: a download may be broken off hard
        agent = stack.enter_context(Agent(config, clock=clock.now, stop=stop))
        say(f"Elasticsearch at {config.elasticsearch.hosts[0]}, Admin API at {server.url}")
        tallies = _read_as_it_was(agent)
        clock.catch_up()
        make_a_key(simulation)
        with progress(agent.organization.ranges()) as bar:
            tallies += attempt_all(agent, agent.organization.whole(agent.sink, bar.advance), bar.begin)
        delivery = Delivery(agent.runtime.elasticsearch, simulation)
        delivery.catch_up()
        whose = simulation.organization().id
        show(overview(agent.runtime.elasticsearch, config.namespace, whose))
        save(draw(agent.runtime.elasticsearch, config.namespace, clock.now()), cache_dir() / "demo.html")
        if not all(tally.done for tally in tallies):
            raise typer.Exit(1)
        if not once:
            say("Polling live; Ctrl-C ends the demo.")
            logs.configure("info")
            stack.enter_context(delivery.going_on())
            raise typer.Exit(daemon.run(agent))
        if keep:
            say(f"Elasticsearch stays at {config.elasticsearch.hosts[0]} until Ctrl-C.")
            stop.wait()


def _read_as_it_was(agent: Agent) -> list[Tally]:
    """Costs and inventory as they stood two days ago: what changed since then makes records to show."""
    jobs = agent.organization.whole(agent.sink)
    return attempt_all(agent, [job for job in jobs if job.poller in ("cost", "inventory")])


def _demo_config(url: str, days: int) -> Config:
    """The defaults, against the simulator: unpaced, since nobody shares its limit, polled often enough to
    watch, two days of minutes instead of fifteen for a quick start, budgets to hold the costs against, and
    people under pseudonyms that nobody can trace back.

    Health has any free port: an agent may be running on this machine.
    """
    defaults = Config()
    anthropic = defaults.anthropic.model_copy(
        update={"base_url": url, "admin_key": SecretStr(ADMIN_KEY), "requests_per_minute": 6000}
    )
    minutes = min(timedelta(days=2), timedelta(days=days))
    usage = defaults.usage.model_copy(update={"interval": timedelta(minutes=1), "minute_backfill": minutes})
    backfill, health = Backfill(timedelta(days=days)), HealthSettings(port=0)
    people = PeopleSettings(enabled=True, salt=SecretStr(token_hex()))
    return defaults.model_copy(
        update={
            "anthropic": anthropic,
            "usage": usage,
            "backfill": backfill,
            "budgets": BUDGETS,
            "health": health,
            "people": people,
        }
    )

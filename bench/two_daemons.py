"""Two `run` daemons side by side for a simulated week: nothing twice, no error, twice the requests at most.

`python -m bench.two_daemons [--days 7] [--speed 360]`

Three real daemons at the default intervals, each in a process of its own and `--speed` times as fast as the
wall clock: two write the same streams, one has streams of its own and tells what a week alone costs. The
simulated Admin API has late data, revised costs, and a change of its past every second hour; all streams roll
over once a day. After the week SIGTERM ends them; two hours later, by `once`, what vanished last is gone, and
all streams must equal the truth.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.config import Config
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.prices import MODELS
from anthropic_metrics.simulator.requests import Answer, Request
from bench.fast_daemon import FastClock
from bench.soak import measure
from bench.two_daemons_findings import judge
from tests.harness.chaos_world import Chaos
from tests.harness.fault_proxy import FaultProxy
from tests.harness.world import World

DAEMON = (sys.executable, "-m", "bench.fast_daemon")
START = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
SERIES = 8
SIDES = {"alone": 1, "beside": 2}  # namespaces, and how many daemons write to each
ERRORS = ("error", "critical")
EDIT_EVERY = timedelta(hours=2)
ROLLOVER_EVERY = timedelta(days=1)
# Hours of the past that change, and how soon what vanished may come back: while its minutes are still read,
# which is for a day.
EDITED = 12
BACK_WITHIN = timedelta(hours=9)


class Clock(SettableClock):
    """The daemons' clock until they have ended; then one that is set."""

    def __init__(self, fast: FastClock) -> None:
        super().__init__(fast.start)
        self.fast: FastClock | None = fast

    def now(self) -> datetime:
        return self.fast.now() if self.fast else super().now()

    def stop(self) -> None:
        self.set(self.now())
        self.fast = None


class Counted(SimulatorServer):
    """Counts requests by the side whose key they carry."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self.admin_keys.update(map(key, SIDES))
        self.by_key: Counter[str | None] = Counter()
        self._counting = threading.Lock()

    def respond(self, request: Request, given: str | None) -> Answer:
        with self._counting:
            self.by_key[given] += 1
        return super().respond(request, given)


def key(side: str) -> str:
    return f"{ADMIN_KEY}-{side}"


@dataclass
class Daemon:
    """One process; its log lines are in `log`."""

    side: str
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, side: str, number: int, fast: FastClock, config: dict[str, Any]) -> Daemon:
        told, log = folder / f"{side}{number}.json", folder / f"{side}{number}.log"
        clock = {"start": fast.start.isoformat(), "began": fast.began, "speed": fast.speed}
        told.write_text(json.dumps({"config": config, **clock}), "utf-8")
        with log.open("w") as errors:
            command = [*DAEMON, str(told)]
            return cls(side, log, subprocess.Popen(command, stderr=errors))

    def ended(self, deadline: float) -> str:
        """What is wrong with how it ended after the signal; empty if it did so in time, with exit code 0."""
        try:
            code = self.process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return f"{self.log.name}: still there after ten seconds"
        return f"{self.log.name}: exit code {code}" if code else ""

    def errors(self) -> list[str]:
        """Its lines at level error, or that are no log lines at all."""
        lines = self.log.read_text("utf-8").splitlines()
        return [line for line in lines if not line.startswith("{") or json.loads(line)["log.level"] in ERRORS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--speed", type=float, default=360, help="simulated seconds in one of the wall clock")
    wanted = parser.parse_args()
    logs.configure("error", "json", io.StringIO())
    week = Range(START, START + timedelta(days=wanted.days))
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data, "es"), heap="2g") as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        fast = FastClock(START, time.monotonic(), wanted.speed)
        clock = Clock(fast)
        simulation = Simulation(clock, days=1, series=SERIES, arrivals="late", revisions="heavy")
        with Counted(simulation) as api:
            api.behaviour.open_bucket = "partial"
            worlds = {side: world(side, es, server.url, api, clock) for side in SIDES}
            daemons = [
                Daemon.start(Path(data), side, number, fast, settings(side, server.url, api.url))
                for side, count in SIDES.items()
                for number in range(count)
            ]
            try:
                live(daemons, simulation, es, clock, week)
                wrong = end(daemons)
            finally:
                for daemon in daemons:
                    daemon.process.kill()
            clock.stop()
            asked = {side: api.by_key[key(side)] for side in SIDES}
            return judge(worlds, asked, wrong, week)


def settings(side: str, es: str, api: str) -> dict[str, Any]:
    """The defaults, but for what makes up this installation: waits at a limit would be of the wall clock."""
    return {
        "anthropic": {"base_url": api, "admin_key": key(side), "requests_per_minute": 60_000},
        "elasticsearch": {"hosts": [es]},
        "namespace": side,
        "health": {"port": 0},
    }


def world(side: str, es: Elasticsearch, url: str, api: SimulatorServer, clock: Clock) -> Chaos:
    """What the checks of the chaos suite want to know; nothing stands between agent and Elasticsearch."""
    config = Config.model_validate(settings(side, url, api.url))
    no_proxy = cast(FaultProxy, None)  # none of the checks asks for it
    return Chaos(0, World(api.simulation, api, clock, config, es), no_proxy, config, clock)


def live(daemons: list[Daemon], simulation: Simulation, es: Elasticsearch, clock: Clock, week: Range) -> None:
    """The week. What it did to the processes is printed."""
    rng, edited, rolled, began = Random("two daemons"), week.start, week.start, time.monotonic()
    taken: list[Any] = []
    first = None
    while (now := clock.now()) < week.end:
        assert all(daemon.process.poll() is None for daemon in daemons), "a daemon has ended"
        if now - edited >= EDIT_EVERY:
            change_the_past(simulation, rng, now, taken)
            edited = now
        if now - rolled >= ROLLOVER_EVERY:  # else one backing index would keep ids apart by itself
            for stream in es.indices.resolve_index(name="metrics-anthropic_metrics.*")["data_streams"]:
                es.indices.rollover(alias=stream["name"])
            rolled = now
        if first is None and now - week.start >= (week.end - week.start) / 10:
            first = [measure(daemon.process.pid) for daemon in daemons]
        time.sleep(0.5)
    days, minutes = (week.end - week.start) / timedelta(days=1), (time.monotonic() - began) / 60
    print(f"{days:g} days in {minutes:.0f} minutes")
    for daemon, before in zip(daemons, first or (), strict=False):
        memory, files, threads = measure(daemon.process.pid)
        print(f"{daemon.side}: {before[0]:.0f} to {memory:.0f} MiB, {files} open files, {threads} threads")


def end(daemons: list[Daemon]) -> list[str]:
    """SIGTERM to all of them; what is wrong with how they ended, and every error that they logged."""
    for daemon in daemons:
        daemon.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    ends = [daemon.ended(deadline) for daemon in daemons]
    return [wrong for wrong in ends if wrong] + [line for daemon in daemons for line in daemon.errors()]


def change_the_past(
    simulation: Simulation, rng: Random, now: datetime, taken: list[tuple[datetime, Any]]
) -> None:
    """Usage and costs are revised, vanish and come back, usage is added late, a limit changes."""
    edits, hour = simulation.edits, now.replace(minute=0, second=0) - timedelta(hours=rng.randint(1, EDITED))
    match rng.randrange(6):
        case 0:
            edits.revise_usage(hour, factor=rng.choice((0.5, 0.9, 1.3, 3)))
        case 1:
            names = ("api_key_id", "workspace_id", "model")
            series = dict(zip(names, rng.choice(simulation.series).dimensions, strict=False))
            taken.append((now, edits.vanish_usage(hour, match=series)))
        case 2:
            model = rng.choice(simulation.series).dimensions[2]
            taken.append((now, edits.vanish_cost(now - timedelta(days=1), match={"model": model})))
        case 3:
            for since, edit in taken:
                if now - since < BACK_WITHIN:
                    edits.take_back(edit)
            taken.clear()
        case 4:
            added = {"output_tokens": rng.randrange(1, 5000)}
            edits.add_usage(hour, {"model": rng.choice(sorted(MODELS))}, added, at=now)
        case 5:
            group = rng.choice(simulation.rate_limits(now))
            edits.set_rate_limit(
                group["group"]["id"], rng.choice(group["limits"])["type"], rng.randrange(1, 10**6)
            )


if __name__ == "__main__":
    sys.exit(main())

"""Memory of one agent that polls several organizations: `python -m bench.organizations [--count 20]`.

`anthropic-metrics run` in a process of its own against so many simulated organizations and an embedded
Elasticsearch. It runs through the first backfill, the live polls and the first sweeps, and is measured
twice a second: prints the most and the last resident memory, threads and CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.simulator import ADMIN_KEY, Simulation, SimulatorServer
from anthropic_metrics.simulator.clock import RealClock
from bench.soak import measure

SERIES = 12  # lines of traffic of a small organization


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--days", type=int, default=14, help="of history that the first pass reads")
    parser.add_argument("--seconds", type=int, default=480, help="how long the agent runs")
    parser.add_argument("--pace", type=int, default=600, help="requests a minute of each organization")
    wanted = parser.parse_args()
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(EmbeddedElasticsearch(data=data / "elasticsearch"))
        simulators = [
            stack.enter_context(
                SimulatorServer(Simulation(RealClock(), seed=seed, days=wanted.days, series=SERIES))
            )
            for seed in range(wanted.count)
        ]
        for number, simulator in enumerate(simulators):
            simulator.admin_keys.add(f"{ADMIN_KEY}-{number}")
        config = {
            "organizations": [
                {
                    "name": f"organization {number}",
                    "admin_key": f"{ADMIN_KEY}-{number}",
                    "base_url": simulator.url,
                    "requests_per_minute": wanted.pace,
                }
                for number, simulator in enumerate(simulators)
            ],
            "elasticsearch": {"hosts": [server.url]},
            "backfill": f"{wanted.days}d",
            "usage": {"minute_backfill": "1d"},
            "health": {"port": 0},
            "log": {"level": "warning", "format": "json"},
        }
        (data / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
        agent = subprocess.Popen(
            [sys.executable, "-m", "anthropic_metrics", "run", "--config", str(data / "config.yaml")]
        )
        try:
            watch(agent, wanted.count, wanted.seconds)
        finally:
            agent.terminate()
            agent.wait(15)
    return 0


def watch(agent: subprocess.Popen[bytes], count: int, seconds: int) -> None:
    began, most, threads, memory = time.monotonic(), 0.0, 0, 0.0
    while time.monotonic() - began < seconds and agent.poll() is None:
        memory, _, running = measure(agent.pid)
        most, threads = max(most, memory), max(threads, running)
        time.sleep(0.5)
    ticks = Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    print(
        f"{count} organizations, {seconds} s: at most {most:.0f} MiB, in the end {memory:.0f} MiB, "
        f"{threads} threads, {cpu:.0f} s of CPU"
    )


if __name__ == "__main__":
    sys.exit(main())

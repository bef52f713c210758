"""Sixty simulated days under faults in one run: do memory, open files and threads stay flat?

`python -m bench.soak [--days 60] [--minutes 180]`

One agent in a process of its own, a real Elasticsearch behind the fault proxy of the chaos suite, the
simulated API with late and revised data. At every sixth turn something breaks. Prints a line for each tenth
of the run and, in the end, whether the streams equal the truth; exit code 1 if they do not, or if the agent's
memory grew by more than a tenth from the second tenth to the last. (In the first one caches fill.)
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.embedded import EmbeddedElasticsearch
from tests.harness.chaos_events import Event
from tests.harness.chaos_process import Process, processes
from tests.harness.chaos_rows import Wrong
from tests.harness.chaos_truth import check_streams
from tests.harness.chaos_world import Chaos, chaos_world

FAULTS = (
    "api_limited",
    "api_failing",
    "api_cut_off",
    "api_emptied",
    "api_contradicting",
    "es_connection_lost",
    "es_request_delayed",
    "es_overloaded",
    "es_items_refused",
    "usage_revised",
    "inventory_changes",
)
HEAD = "| tenth | simulated day | memory (MiB) | open files | threads | faults |\n|---|---|---|---|---|---|"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=180, help="simulated minutes from poll to poll")
    wanted = parser.parse_args()
    logs.configure("error", "json", io.StringIO())
    turns = wanted.days * 1440 // wanted.minutes
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data)) as server,
        Elasticsearch(server.url, request_timeout=60) as es,
        chaos_world(es, server.url, "soak", 1) as world,
        processes(world, Path(data), 1) as agents,
    ):
        return soak(world, agents[0], turns, timedelta(minutes=wanted.minutes))


def soak(world: Chaos, agent: Process, turns: int, step: timedelta) -> int:
    rng, began, lines, faults = Random("soak"), time.monotonic(), [], 0
    print(HEAD)
    for turn in range(1, turns + 1):
        if turn % 6 == 0:
            Event(turn, rng.choice(FAULTS), turn).act(world)
            faults += 1
        turn_on(world, agent, step)
        world.heal()
        world.server.forget_requests()
        if turn % (turns // 10) == 0:
            lines.append(measure(agent.process.pid))
            day = turn * step // timedelta(days=1)
            memory, files, threads = lines[-1]
            print(f"| {len(lines)} | {day} | {memory:.1f} | {files} | {threads} | {faults} |", flush=True)
    for _ in range(3):
        turn_on(world, agent, timedelta(minutes=65))
    turn_on(world, agent, timedelta(days=1))  # the daily sweep
    turn_on(world, agent, timedelta(minutes=65))
    try:
        check_streams(world)
    except Wrong as error:
        print(f"not equal to the truth: {error}")
        return 1
    growth = lines[-1][0] / lines[1][0] - 1
    print(f"\n{turns} turns in {time.monotonic() - began:.0f} s; equal to the truth; memory {growth:+.1%}")
    return 0 if growth < 0.1 else 1


def turn_on(world: Chaos, agent: Process, step: timedelta) -> None:
    world.clock.advance(step)
    agent.tell()
    agent.finished()


def measure(pid: int) -> tuple[float, int, int]:
    """Resident memory in MiB, open files and threads of the agent's process."""
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


if __name__ == "__main__":
    sys.exit(main())

"""Sixty simulated days under faults in one run: do memory, file descriptors and threads stay flat?

`PYTHONPATH=src:tests/e2e:tests/chaos .venv/bin/python bench/soak.py [--days 60] [--minutes 60]`

A real agent, a real Elasticsearch behind the fault proxy of the chaos suite, the simulated API with late and
revised data. Every sixth turn something breaks. Prints a line for every tenth of the run and, in the end,
whether the streams equal the truth; exit code 1 if they do not, or if memory grew by more than a tenth from the
second tenth to the last.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from chaos_events import Event
from chaos_truth import Wrong, check_streams
from chaos_world import Chaos, chaos_world
from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.embedded import EmbeddedElasticsearch

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=60, help="simulated minutes from poll to poll")
    wanted = parser.parse_args()
    logs.configure("error", "json", io.StringIO())
    turns = wanted.days * 1440 // wanted.minutes
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data)) as server,
        Elasticsearch(server.url, request_timeout=60) as es,
        chaos_world(es, server.url, "soak", 1) as world,
    ):
        return soak(world, turns, timedelta(minutes=wanted.minutes))


def soak(world: Chaos, turns: int, step: timedelta) -> int:
    rng, began, lines = Random("soak"), time.monotonic(), []
    print(
        "| tenth | simulated day | memory (MiB) | open files | threads | failed polls |\n|---|---|---|---|---|---|"
    )
    failed = 0
    for turn in range(turns):
        if turn % 6 == 5:
            Event(turn, rng.choice(FAULTS), turn).act(world)
        world.poll()
        failed += sum(map(bool, (runner.failures for runner in world.runners)))
        world.heal()
        world.clock.advance(step)
        world.polls.clear()
        world.server.forget_requests()
        if (turn + 1) % (turns // 10) == 0:
            lines.append(measure())
            tenth, day = (turn + 1) // (turns // 10), (turn + 1) * step // timedelta(days=1)
            print(
                f"| {tenth} | {day} | {lines[-1][0]:.1f} | {lines[-1][1]} | {lines[-1][2]} | {failed} |",
                flush=True,
            )
            failed = 0
    for _ in range(3):
        world.poll(everything=True)
        last = world.clock.now()
        world.clock.advance(timedelta(minutes=65))
    world.clock.set(last)
    try:
        check_streams(world)
    except Wrong as error:
        print(f"not equal to the truth: {error}")
        return 1
    growth = lines[-1][0] / lines[1][0] - 1
    print(f"\n{turns} turns in {time.monotonic() - began:.0f} s; equal to the truth; memory {growth:+.1%}")
    return 0 if growth < 0.1 else 1


def measure() -> tuple[float, int, int]:
    """Resident memory in MiB, open files and threads of this process: agent, proxy and simulated API."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


if __name__ == "__main__":
    sys.exit(main())

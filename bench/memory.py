"""Peak memory of a backfill and its CPU for a row, in a fresh process for each size."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from pathlib import Path

from anthropic_metrics.agent.memory import share_heaps
from anthropic_metrics.cli import COLLECT_AFTER
from bench.setting import BUCKETS, Figure, agent_at, backfill, canned

SIZES = (10_000, 100_000, 1_000_000)
AIM = 200  # MB
FLAT = 1.5  # of the smallest
LINEAR = 1.25  # of the CPU that a row costs in the smallest
STATUS = Path("/proc/self/status")


def measure() -> list[Figure]:
    measured = [(size, *run(-(-size // BUCKETS))) for size in SIZES]
    (_, smallest, cheapest), *_ = measured
    return [
        Figure(
            f"backfill of {size:,} rows",
            f"{most:,.0f} MB at most",
            f"CPU for a row {cpu:.1f} us",
            f"{most / smallest:.2f} and {cpu / cheapest:.2f} of the smallest "
            f"(aim: under {AIM} MB, {FLAT} and {LINEAR})",
            most < AIM and most < FLAT * smallest and cpu < LINEAR * cheapest,
        )
        for size, most, cpu in measured
    ]


def peak(rows: int) -> float:
    """MB at most of a process that fills thirty days with so many rows an hour."""
    return run(rows)[0]


def run(rows: int) -> tuple[float, float]:
    """The same, and microseconds of CPU for a row."""
    with canned("api", rows) as api, canned("sink") as sink:
        command = [sys.executable, "-m", "bench.memory", api, sink, str(rows)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        return float(said[0]), float(said[1])


def main(api: str, sink: str, rows: str) -> None:
    gc.set_threshold(COLLECT_AFTER)  # as every command does
    share_heaps()  # as every command does that polls
    with agent_at(api, sink) as agent:
        began = time.process_time()
        tally = agent.attempt(backfill(agent))
        spent = time.process_time() - began
    assert (tally.created, tally.done) == (int(rows) * BUCKETS, True), tally
    print(peak_so_far(), spent / tally.created * 1e6)


def peak_so_far() -> float:
    """MB. Linux hands a parent's peak on as the child's ru_maxrss, so its own count is read where it is."""
    if STATUS.exists():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main(*sys.argv[1:])

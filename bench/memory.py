"""Peak memory of a backfill, in a fresh process for each size."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
from pathlib import Path

from anthropic_metrics.cli import COLLECT_AFTER
from bench.setting import BUCKETS, Figure, agent_at, backfill, canned

SIZES = (10_000, 100_000, 1_000_000)
AIM = 200  # MB
FLAT = 1.5  # of the smallest
STATUS = Path("/proc/self/status")


def measure() -> list[Figure]:
    peaks = [(size, peak(-(-size // BUCKETS))) for size in SIZES]
    smallest = peaks[0][1]
    return [
        Figure(
            f"backfill of {size:,} rows",
            f"{most:,.0f} MB at most",
            "",
            f"{most / smallest:.2f} of the smallest (aim: flat, under {AIM} MB)",
            most < AIM and most < FLAT * smallest,
        )
        for size, most in peaks
    ]


def peak(rows: int) -> float:
    """MB at most of a process that fills thirty days with so many rows an hour."""
    with canned("api", rows) as api, canned("sink") as sink:
        command = [sys.executable, "-m", "bench.memory", api, sink, str(rows)]
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(api: str, sink: str, rows: str) -> None:
    gc.set_threshold(COLLECT_AFTER)  # as every command does
    with agent_at(api, sink) as agent:
        tally = agent.attempt(backfill(agent))
    assert (tally.created, tally.done) == (int(rows) * BUCKETS, True), tally
    print(peak_so_far())


def peak_so_far() -> float:
    """MB. Linux hands a parent's peak on as the child's ru_maxrss, so its own count is read where it is."""
    if STATUS.exists():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main(*sys.argv[1:])

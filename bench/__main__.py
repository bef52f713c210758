"""Print the measurements as a table: `scripts/bench [unchanged] [changed] [lookup] [requests] [memory] ...`.

`scripts/bench rivals [--write]` measures the agent beside others: `bench.rivals`.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
from collections.abc import Callable

from anthropic_metrics.cli import COLLECT_AFTER
from bench import changed, lookup, memory, requests, rivals, throughput, unchanged
from bench.setting import Figure

MEASUREMENTS: dict[str, Callable[[], list[Figure]]] = {
    "unchanged": unchanged.measure,
    "changed": changed.measure,
    "lookup": lookup.measure,
    "requests": requests.measure,
    "memory": memory.measure,
    "throughput": throughput.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Agent and yardstick, side by side.")
    choices = [[], *MEASUREMENTS, "rivals"]
    parser.add_argument("only", nargs="*", choices=choices, help="Only these; none is all but rivals.")
    parser.add_argument(
        "--write", action="store_true", help="rivals: put the table into docs/performance.md."
    )
    wanted = parser.parse_args()
    only = wanted.only or list(MEASUREMENTS)
    gc.set_threshold(COLLECT_AFTER)  # as every command does
    if "rivals" in only:
        rivals.show(write=wanted.write)
        return
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.machine()}.", flush=True)
    print("+ reaches its aim, - does not; ratios hold beyond this machine, absolute figures do not.")
    for name, measure in MEASUREMENTS.items():
        if name in only:
            show(name, measure())


def show(name: str, figures: list[Figure]) -> None:
    """One block of the table."""
    print(f"\n{name}")
    for figure in figures:
        sign = {None: " ", True: "+", False: "-"}[figure.holds]
        print(f"{sign} {figure.what:40} {figure.agent:18} {figure.beside:48} {figure.verdict}".rstrip())
    print(end="", flush=True)


if __name__ == "__main__":
    main()

"""`scripts/chaos`: any number of seeds, or one of them again."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.embedded import EmbeddedElasticsearch
from tests.harness.chaos_events import Event
from tests.harness.chaos_organizations import run_several
from tests.harness.chaos_rows import Wrong
from tests.harness.chaos_run import failure_of, report

SEEDS_PER_SERVER = 20  # an embedded server cannot delete data streams: a fresh one stays quick and has room


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--events", help="only these events of it, as a failure prints them")
    parser.add_argument("--organizations", type=int, help="this many small ones under one agent")
    parser.add_argument("--log", action="store_true", help="show what the agents log")
    wanted = parser.parse_args()
    logs.configure("info" if wanted.log else "error", "console", sys.stderr if wanted.log else io.StringIO())
    seeds = [wanted.seed] if wanted.seed is not None else range(wanted.first, wanted.first + wanted.seeds)
    failed, began = [], time.monotonic()
    for first in range(0, len(seeds), SEEDS_PER_SERVER):
        failed += _on_one_server(seeds[first : first + SEEDS_PER_SERVER], wanted.events, wanted.organizations)
    seconds, used = time.monotonic() - began, time.process_time()
    print(f"{len(seeds)} seeds in {seconds:.0f} s ({used:.0f} s of CPU here), failed: {failed or 'none'}")
    return 1 if failed else 0


def _several(es: Elasticsearch, url: str, seed: int, organizations: int) -> str:
    """What went wrong with several small organizations, each with faults of its own."""
    try:
        run_several(es, url, seed, organizations=organizations, series=2, steps=5)
    except Wrong as wrong:
        return str(wrong)
    return ""


def _on_one_server(seeds: range | list[int], events: str | None, organizations: int | None) -> list[int]:
    failed = []
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data)) as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        for seed in seeds:
            began = time.monotonic()
            why: object
            if organizations is not None:
                why = _several(es, server.url, seed, organizations)
            elif events is None:
                why = report(es, server.url, seed)
            else:
                why = failure_of(es, server.url, seed, [Event.parse(text) for text in events.split()])
            print(f"seed {seed}: {time.monotonic() - began:.1f} s {why or 'equal to the truth'}", flush=True)
            if why:
                failed.append(seed)
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""Two agents side by side for a simulated week: nothing twice, no error logged, twice the requests at most.

`PYTHONPATH=src:tests/e2e:tests/chaos .venv/bin/python bench/two_daemons.py [--days 7] [--minutes 15]`

Both poll at the same instant, in threads of their own, against a real Elasticsearch; the same week with one
agent tells what it costs in requests to the Admin API.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from chaos_truth import check_streams
from chaos_world import Chaos, Runner, chaos_world
from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.embedded import EmbeddedElasticsearch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--minutes", type=int, default=15, help="simulated minutes from poll to poll")
    wanted = parser.parse_args()
    errors = io.StringIO()
    logs.configure("error", "json", errors)
    asked, began = [], time.monotonic()
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data)) as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        for agents in (1, 2):
            with chaos_world(es, server.url, f"side{agents}", 5) as world:
                world.runners += [Runner(world, number) for number in range(1, agents)]
                world.side_by_side = True
                live(world, timedelta(days=wanted.days), timedelta(minutes=wanted.minutes))
                asked.append(sum(runner.agent.client.stats.requests for runner in world.runners))
    share, logged = asked[1] / asked[0], len(errors.getvalue().splitlines())
    print(
        f"{wanted.days} days, a poll every {wanted.minutes} minutes, {time.monotonic() - began:.0f} s: "
        f"one agent asked the Admin API {asked[0]:,} times, two asked {asked[1]:,} times ({share:.2f}); "
        f"no document twice, both weeks equal to the truth, {logged} lines at level error."
    )
    print(errors.getvalue()[:2000], file=sys.stderr)
    return 0 if share <= 2.0 and not logged else 1


def live(world: Chaos, span: timedelta, step: timedelta) -> None:
    """The week, and two more passes for what vanished last; raises Wrong unless all is as it must be."""
    for _ in range(span // step):
        world.poll()
        world.clock.advance(step)
    for last in (False, False, True):
        world.poll(everything=True)
        if not last:
            world.clock.advance(timedelta(minutes=65))
    check_streams(world)


if __name__ == "__main__":
    sys.exit(main())

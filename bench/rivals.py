"""This agent beside other ways to do the same work, as the table of docs/performance.md.

`scripts/bench rivals` prints it, `scripts/bench rivals --write` puts it between the marks of that page. Takes
about five minutes with Elastic's runtime, which Go builds from the public module.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import httpx

from anthropic_metrics import __version__
from anthropic_metrics.elastic.operations import chunks, create
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.versions import ELASTICSEARCH_VERSION
from bench import cel_program, memory
from bench.cel_program import NotBuilt, Ran
from bench.setting import BUCKETS, agent_at, canned, hourly
from bench.writers import Spent, Stopwatch, by_agent, by_helper, by_socket, documents

PAGE = Path(__file__).parents[1] / "docs/performance.md"
BEGIN, END = "<!-- rivals: begin -->", "<!-- rivals: end -->"
HEAD = "| work | this agent | others |\n|---|---|---|"
RATIO = 0.85  # of parallel_bulk, at least
MOST = 30.0  # microseconds of CPU for a row, at most
# Rows in an hour and days: 25,600 and 54,360 documents.
BACKFILLS = ((100, 10), (1_359, 1))
DENSITIES = ((10, BUCKETS), (100, 240), (1_359, 24))
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    """The rows of the table, each as soon as it is measured."""
    yield from backfills()
    try:
        with cel_program.built() as program:
            yield from densities(lambda api, buckets: cel_program.run(program, api, buckets))
            yield from peaks(lambda api, buckets: cel_program.run(program, api, buckets))
    except NotBuilt as reason:
        yield "Elastic's CEL runtime", "", f"not run: {reason}"
        yield from densities(None)
        yield from peaks(None)
    yield "rawdash, its connector for this API", "", "not run: in no public package registry"


def backfills() -> Iterator[Row]:
    """Into a real Elasticsearch: rounds of the three in turn after one that warms the server up."""
    numbers = count()
    with EmbeddedElasticsearch(heap="1g") as server:
        for an_hour, days in BACKFILLS:
            with canned("api", an_hour) as api:
                ready = documents(api, server.url, days)
                ways: list[Callable[[str], Spent]] = [
                    partial(by_agent, api, server.url, expected=len(ready), days=days),
                    partial(by_helper, server.url, ready=ready),
                    partial(by_socket, server.url, ready=ready),
                ]
                rounds = [[way(f"n{next(numbers)}") for way in ways] for _ in range(1 + ROUNDS)][1:]
            ours, helper, least = zip(*rounds, strict=True)
            ratio = median(theirs.wall / own.wall for own, theirs in zip(ours, helper, strict=True))
            yield (
                f"{len(ready):,} documents of {an_hour:,} rows an hour into Elasticsearch",
                f"{_pace(ours, len(ready))}: {ratio:.2f} of parallel_bulk ({_aim(ratio >= RATIO)} {RATIO})",
                f"parallel_bulk of ready documents {_pace(helper, len(ready))}; ready bodies over four "
                f"connections {_pace(least, len(ready))}",
            )


def densities(rival: Callable[[str, int], Ran] | None) -> Iterator[Row]:
    """CPU for a row, from the request to the Admin API to the body of one to Elasticsearch."""
    for an_hour, buckets in DENSITIES:
        with canned("api", an_hour) as api, canned("sink") as sink:
            days = buckets // 24
            own = median(_of_agent(api, sink, days) for _ in range(ROUNDS))
            bare = median(_of_client(api, an_hour) for _ in range(ROUNDS))
            theirs = f"CEL program {rival(api, buckets).cpu:.1f} us; " if rival else ""
        yield (
            f"CPU for a row, answers to bulk bodies, {an_hour:,} rows an hour",
            f"{own:.1f} us ({_aim(own <= MOST)} {MOST:.0f})",
            f"{theirs}httpx and json.loads alone {bare:.1f} us",
        )


def peaks(rival: Callable[[str, int], Ran] | None) -> Iterator[Row]:
    """Peak memory of a fresh process."""
    for size in SIZES:
        an_hour = -(-size // BUCKETS)
        theirs = ""
        if rival:
            with canned("api", an_hour) as api:
                theirs = f"CEL program {rival(api, BUCKETS).peak:,.0f} MB"
        yield f"memory at {size:,} rows", f"{memory.peak(an_hour):,.0f} MB", theirs


def _of_agent(api: str, sink: str, days: int) -> float:
    """Bulk bodies of a range, made and thrown away."""
    with agent_at(api, sink, days=days) as agent:
        poller, watch, made = hourly(agent), Stopwatch(), 0
        windows = poller.documents(poller.view.whole(agent.clock()), Tally("", ""))
        prepared = (document for _, documents in windows for document in documents)
        for chunk in chunks(create(document.id, document.body) for document in prepared):
            made += len(chunk)
            b"".join(operation.lines for operation in chunk)
        return watch.spent().cpu / made * 1e6


def _of_client(api: str, an_hour: int) -> float:
    asked = {"starting_at": "2026-11-10T00:00:00Z", "ending_at": "2026-11-11T00:00:00Z", "bucket_width": "1h"}
    with httpx.Client(base_url=api) as bare:
        bare.get(f"{cel_program.PATH}?{urlencode(asked)}")
        watch = Stopwatch()
        json.loads(bare.get(f"{cel_program.PATH}?{urlencode(asked)}").content)
        return watch.spent().cpu / (24 * an_hour) * 1e6


def _pace(spent: tuple[Spent, ...], documents: int) -> str:
    wall, cpu = median(each.wall for each in spent), median(each.cpu for each in spent)
    return f"{documents / wall:,.0f}/s, {cpu:.1f} s CPU"


def _aim(reached: bool) -> str:
    return "aim reached:" if reached else "aim missed:"


def versions() -> str:
    """What was measured, and on what."""
    parts = [
        f"anthropic-metrics {__version__}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("elasticsearch", "httpx", "pydantic_core")),
        f"Elasticsearch {ELASTICSEARCH_VERSION}",
        f"mito {cel_program.version()}",
        _go(),
        f"{os.cpu_count()} CPUs ({platform.machine()})",
    ]
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}: {', '.join(filter(None, parts))}."


def _go() -> str:
    try:
        said = subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return f"Go {said.stdout.strip().removeprefix('go')}"


def show(*, write: bool) -> None:
    """Print the table as it comes; `write` puts it into the page as well."""
    lines = [versions(), "", *HEAD.splitlines()]
    print("\n".join(lines), flush=True)
    for cells in rows():
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        text = "\n".join(lines)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")

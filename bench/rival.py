"""The workloads on which Elastic's own package was measured, put through this agent: writes the table.

`python -m bench.rival [--write]`

`--write` puts the table into docs/guarantees.md, between its markers. Everything is computed; only the
figures of Elastic's package are constants, measured in November 2026 with its programs at version 0.3.1.

Lateness (a), revisions (b) and open buckets (h) need tens of thousands of polls: the agent's own jobs,
planning, documents and comparison run, without the daily sweep, against streams in memory that have
Elasticsearch's rules (create fails if it is there, a write under an old version fails). Crashes (c) and
errors (d) go through a real Elasticsearch and real HTTP on both sides, and a rollover. What is compared is
each document with each row: bucket, dimensions, names, every number.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics import logs
from anthropic_metrics.config import Backfill
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.simulator.arrivals import Profile
from anthropic_metrics.simulator.reports import OpenBucket
from bench.in_memory import Bench
from bench.rival_scenarios import SCENARIOS
from tests.harness.chaos_rows import NUMBERS, Wrong, documents
from tests.harness.chaos_truth import check_streams
from tests.harness.chaos_world import Chaos, chaos_world

PAGE = Path(__file__).parents[1] / "docs/guarantees.md"
BEGIN, END = "<!-- rival: begin -->", "<!-- rival: end -->"
FIRST = datetime(2026, 11, 17, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHASES = (5, 133, 295)  # seconds of the poll after the bucket's end
LATE = {
    "at once": Profile(((1.0, 0, 0),)),
    "uniformly 0 to 5 min late": Profile(((1.0, 0, 300),)),
    "5% comes 10 min late": Profile(((0.95, 0, 0), (0.05, 600, 600))),
    "1% comes 3 h late": Profile(((0.99, 0, 0), (0.01, 10800, 10800))),
    "94% 0 to 5 min, 5% 10 min, 1% 3 h": Profile(((0.94, 0, 300), (0.05, 600, 600), (0.01, 10800, 10800))),
}
# Share of the tokens lost for good, by Elastic's package: 1h and 1m buckets at the three phases, 1d.
THEIRS_LATE = {
    "at once": ("0 / 0 / 0%", "0 / 0 / 0%", "0%"),
    "uniformly 0 to 5 min late": ("4.06 / 1.28 / 0.00%", "48.2 / 45.8 / 33.2%", "0.03%"),
    "5% comes 10 min late": ("0.83 / 0.65 / 0.43%", "5.0 / 5.0 / 5.0%", "0.01%"),
    "1% comes 3 h late": ("1.00 / 1.00 / 1.00%", "1.0 / 1.0 / 1.0%", "0.08%"),
    "94% 0 to 5 min, 5% 10 min, 1% 3 h": ("5.64 / 2.86 / 1.43%", "51.3 / 49.1 / 37.2%", "0.12%"),
}
SPAN = timedelta(days=3)
# Polling goes on for four hours, so that what is late by three has come.
AFTER = timedelta(hours=4)
MOST_TURNS = 30
# Parts of a day's cost that the report shows until so many hours after the day's end.
REVISED = {
    "-5% until +24h": ((0.95, 24),),
    "-5% until +24h, -2% until +48h": ((0.95, 24), (0.98, 48)),
    "60% at day end, 90% at +6h, 97% at +24h, final +48h": ((0.6, 6), (0.9, 24), (0.97, 48)),
}
THEIRS_REVISED = ("5.0% / 5.0%", "5.0% / 5.0%", "40% / 10%")


@dataclass(frozen=True)
class Cell:
    """One measurement: what was asked, what Elastic's package did, what the agent did."""

    group: str
    workload: str
    theirs: str
    ours: str
    wrong: bool


def late() -> Iterator[Cell]:
    """(a) What is lost of three days."""
    places = [(name, width) for name in LATE for width in ("1h", "1m", "1d")]
    with ProcessPoolExecutor(2) as pool:
        for (name, width), found in zip(places, pool.map(_late, *zip(*places, strict=True)), strict=True):
            theirs = THEIRS_LATE[name][("1h", "1m", "1d").index(width)]
            ours = " / ".join(wrong or "0" for wrong in found)
            yield Cell("a: tokens lost", f"{width} buckets, {name}", theirs, ours, any(found))


def _late(name: str, width: str) -> list[str]:
    found = []
    for phase in PHASES if width != "1d" else PHASES[1:2]:
        bench = Bench(LATE[name], width, FIRST + timedelta(seconds=phase))
        bench.poll_until(FIRST + SPAN + AFTER, timedelta(minutes=5))
        found.append(bench.wrong(FIRST, FIRST + SPAN))
    return found


def revised() -> Iterator[Cell]:
    """(b) Each line of seven days' costs; the agent is started at 00:30 and at 09:30."""
    for (name, steps), theirs in zip(REVISED.items(), THEIRS_REVISED, strict=True):
        wrong = []
        for hour in (0, 9):
            bench = Bench(LATE["at once"], "cost", FIRST + timedelta(hours=hour, minutes=30))
            days = [FIRST + n * DAY for n in range(7)]
            for day in days:
                begin = FIRST - DAY
                for factor, until in steps:
                    edit = bench.simulation.edits.revise_cost(day, factor=factor, at=begin)
                    begin = day + DAY + timedelta(hours=until)
                    bench.simulation.edits.take_back(edit, at=begin)
            bench.poll_until(days[-1] + timedelta(days=3, hours=2), HOUR)
            wrong.append(bench.wrong(FIRST, days[-1] + DAY))
        ours = " / ".join(each or "0" for each in wrong)
        yield Cell("b: a day's dollars wrong (started 00h / 06h and later)", name, theirs, ours, any(wrong))


def open_buckets() -> Iterator[Cell]:
    """(h) What the API does with a bucket that has not ended; a day of it."""
    theirs: dict[OpenBucket, tuple[str, str]] = {
        "omit": ("returns closed buckets only", "as in (a)"),
        "partial": ("also returns the open bucket", "+593% tokens"),
        "error": ("answers 400 to a range without a whole bucket", "exact, 264 error documents a day"),
    }
    for mode, (name, figure) in theirs.items():
        profile = LATE["uniformly 0 to 5 min late"]
        bench = Bench(profile, "1h", FIRST + timedelta(seconds=133), open_bucket=mode)
        bench.poll_until(FIRST + DAY + AFTER, timedelta(minutes=5))
        yield _open_bucket(bench, name, figure)
    bench = Bench(LATE["at once"], "1h", FIRST)
    bench.poll_until(FIRST + DAY + AFTER, HOUR)
    yield _open_bucket(bench, "polled on the full hour exactly", "100% lost")


def _open_bucket(bench: Bench, name: str, theirs: str) -> Cell:
    wrong, failed = bench.wrong(FIRST, FIRST + DAY), len(bench.failures)
    ours = f"{wrong or 'exact'}, {failed or 'no'} failed poll{'s' * (failed > 1)}"
    return Cell("h: open buckets", name, theirs, ours, bool(wrong or failed))


def crashes(es: Elasticsearch, url: str) -> Iterator[Cell]:
    """(c) and (d), through a real Elasticsearch: how soon is every document as it must be?"""
    for number, (group, name, theirs, scenario) in enumerate(SCENARIOS):
        with chaos_world(es, url, f"rival{number}", number) as world:
            # Everything is compared, however long the outage was.
            world.config = world.config.model_copy(update={"backfill": Backfill(timedelta(days=3))})
            world.runners[0].start()
            faults = scenario(world)
            for dataset in NUMBERS:  # one backing index would keep ids apart by itself
                with contextlib.suppress(NotFoundError):
                    es.indices.rollover(alias=world.truth.stream(dataset))
            wrong, ours = _until_right(world)
            assert all(rule.struck == rule.times for rule in faults), "a fault did not strike"
        yield Cell(group, name, theirs, ours, wrong)


def _until_right(world: Chaos) -> tuple[bool, str]:
    """Live polls, five minutes apart, until nothing is wrong: whether anything is, and what was seen."""
    wrong, failed = "", 0
    for turn in range(MOST_TURNS):
        world.poll(everything=True, sweeps=False)
        failed += len(world.runners[0].failures)
        failures = f", {failed} failed poll{'s' * (failed > 1)}" if failed else ""
        wrong = _wrong(world)
        if not wrong:
            return False, ("exact at once" if turn == 0 else f"exact {5 * turn} min later") + failures
        world.clock.advance(timedelta(minutes=5))
    return True, wrong + failures


def _wrong(world: Chaos) -> str:
    found = documents(world, *NUMBERS)
    twice = len(found) - len({id_ for id_, _ in found})
    try:
        check_streams(world)
    except Wrong as error:
        return f"{twice} doubled; {error}"
    return f"{twice} doubled" if twice else ""


def table(cells: list[Cell]) -> str:
    lines = ["| | workload | Elastic's package | this agent |", "|---|---|---|---|"]
    group = ""
    for cell in cells:
        lines.append(
            f"| {cell.group if cell.group != group else ''} | {cell.workload} | {cell.theirs} | {cell.ours} |"
        )
        group = cell.group
    wrong = sum(cell.wrong for cell in cells)
    return "\n".join([*lines, "", f"{len(cells)} rows, {wrong} of them not exact for this agent."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/guarantees.md")
    wanted = parser.parse_args()
    logs.configure("error", "json", io.StringIO())
    cells: list[Cell] = []
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedElasticsearch(data=Path(data)) as server,
        Elasticsearch(server.url, request_timeout=60) as es,
    ):
        for part in (crashes(es, server.url), revised(), open_buckets(), late()):
            for cell in part:
                print(
                    f"{cell.group}; {cell.workload}: {cell.ours} ({cell.theirs})", file=sys.stderr, flush=True
                )
                cells.append(cell)
    cells.sort(key=lambda cell: cell.group[0])
    text = table(cells)
    if wanted.write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")
    else:
        print(text)
    return 1 if any(cell.wrong for cell in cells) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The workloads on which Elastic's own package was measured, put through this agent: writes the table.

`PYTHONPATH=src:tests/e2e:tests/chaos:tests/property .venv/bin/python bench/rival.py [--write | --print]`

`--write` puts the table into docs/guarantees.md, between its markers. Everything is computed; only the
figures of Elastic's package are constants, measured in November 2026 with its programs at version 0.3.1.

Lateness (a), revisions (b) and open buckets (h) need tens of thousands of polls: the agent's own jobs,
planning, documents and comparison run against streams in memory that have Elasticsearch's rules (create fails
if it is there, a write under an old version fails). Crashes (c) and errors (d) go through a real
Elasticsearch and real HTTP on both sides.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fault_proxy as net
from chaos_truth import NUMBERS, Wrong, check_streams, documents
from chaos_world import Chaos, chaos_world
from elasticsearch import Elasticsearch
from memory_streams import MemoryStreams, Wire
from pydantic import SecretStr
from world import GROUPED

from anthropic_metrics import logs
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.jobs import Pollers, Sink
from anthropic_metrics.config import AnthropicSettings, Backfill, Config, RateLimitSettings, UsageSettings
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.reports.corrections import value_at
from anthropic_metrics.reports.names import Inventory
from anthropic_metrics.reports.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, effects
from anthropic_metrics.simulator.api import AdminApi
from anthropic_metrics.simulator.arrivals import Profile

PAGE = Path(__file__).parents[1] / "docs/guarantees.md"
BEGIN, END = "<!-- rival: begin -->", "<!-- rival: end -->"
FIRST = datetime(2026, 11, 17, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERIES = 11
PHASES = (5, 133, 295)  # seconds of the poll after the bucket's end
LATE = {
    "at once": Profile(((1.0, 0, 0),)),
    "uniformly 0 to 5 min late": Profile(((1.0, 0, 300),)),
    "5% comes 10 min late": Profile(((0.95, 0, 0), (0.05, 600, 600))),
    "1% comes 3 h late": Profile(((0.99, 0, 0), (0.01, 10800, 10800))),
    "94% 0 to 5 min, 5% 10 min, 1% 3 h": Profile(((0.94, 0, 300), (0.05, 600, 600), (0.01, 10800, 10800))),
}
# Share of the tokens lost for ever, by Elastic's package: 1h and 1m buckets at the three phases, 1d.
THEIRS_LATE = {
    "at once": ("0 / 0 / 0%", "0 / 0 / 0%", "0%"),
    "uniformly 0 to 5 min late": ("4.06 / 1.28 / 0.00%", "48.2 / 45.8 / 33.2%", "0.03%"),
    "5% comes 10 min late": ("0.83 / 0.65 / 0.43%", "5.0 / 5.0 / 5.0%", "0.01%"),
    "1% comes 3 h late": ("1.00 / 1.00 / 1.00%", "1.0 / 1.0 / 1.0%", "0.08%"),
    "94% 0 to 5 min, 5% 10 min, 1% 3 h": ("5.64 / 2.86 / 1.43%", "51.3 / 49.1 / 37.2%", "0.12%"),
}
# Days of use that are judged; polling goes on for four hours, so that what is late by three has come.
SPAN = {"1h": timedelta(days=3), "1m": timedelta(hours=12), "1d": timedelta(days=3)}
AFTER = timedelta(hours=4)
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


class Bench:
    """The agent's jobs, streams in memory, a clock that is set."""

    def __init__(self, profile: Profile, width: str, at: datetime, open_bucket: str = "omit") -> None:
        self.clock = SettableClock(at)
        self.simulation = Simulation(self.clock, start=FIRST - DAY, series=SERIES, arrivals=profile)
        api = AdminApi(self.simulation)
        api.behaviour.open_bucket = open_bucket  # type: ignore[assignment]
        wire = Wire(api, self.clock)
        config = Config(
            anthropic=AnthropicSettings(
                base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
            ),
            backfill=Backfill(timedelta(days=4)),
            usage=UsageSettings.model_validate({} if width == "cost" else {"granularities": [width]}),
            rate_limits=RateLimitSettings(enabled=False),
        )
        client = AdminClient(
            config.anthropic, transport=wire.transport(), sleep=lambda _: None, clock=self.clock.now
        )
        self.pollers = Pollers(config, client, Inventory(client), clock=self.clock.now)
        self.pollers.only(["cost"] if width == "cost" else ["usage"])
        self.streams = MemoryStreams()
        self.failures: list[str] = []
        sink = Sink(self.streams, lambda _: None, None)  # type: ignore[arg-type]
        every = self.pollers.scheduled(sink)
        self.jobs = every[0], next(job for job in every if job.name.endswith(" sweep"))
        self.polled = 0

    def poll_until(self, end: datetime, every: timedelta) -> None:
        """The live jobs at every turn, the sweep once a day."""
        live, sweep = self.jobs
        swept = self.clock.now()
        while self.clock.now() <= end:
            for job in (live, sweep) if self.clock.now() - swept >= DAY else (live,):
                swept = self.clock.now() if job is sweep else swept
                self.polled += 1
                try:
                    job.run(Tally("", ""))
                except MetricsError as error:
                    self.failures.append(str(error))
            self.clock.advance(every)

    def held(self, number: str, start: datetime, end: datetime) -> Decimal:
        first, last = start.strftime("%Y-%m-%dT%H:%M:%SZ"), end.strftime("%Y-%m-%dT%H:%M:%SZ")
        sources = (source for _, source in self.streams.store.copies.values())
        return sum(
            (Decimal(str(value_at(each, number))) for each in sources if first <= each["@timestamp"] < last),
            Decimal(0),
        )


def late() -> Iterator[Cell]:
    """(a) Share of tokens lost: 3 days by the hour and by the day, 12 hours by the minute."""
    for name, profile in LATE.items():
        for place, width in enumerate(("1h", "1m", "1d")):
            lost = []
            for phase in PHASES if width != "1d" else PHASES[1:2]:
                bench = Bench(profile, width, FIRST + timedelta(seconds=phase))
                end = FIRST + SPAN[width]
                # A day's last hours come up to three hours after it: the same patience for every width.
                bench.poll_until(end + AFTER, timedelta(minutes=5))
                truth = _tokens(bench.simulation.usage_rows(FIRST, end, width, GROUPED))
                lost.append(1 - bench.held("anthropic.usage.total_tokens", FIRST, end) / truth)
            ours = " / ".join(f"{float(share):.2%}" if share else "0" for share in lost)
            yield Cell(
                "a: tokens lost", f"{width} buckets, {name}", THEIRS_LATE[name][place], ours, any(lost)
            )


def revised() -> Iterator[Cell]:
    """(b) Cents of a day that stay wrong; the agent is started at 00:30 and at 09:30."""
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
            for day in days:
                rows = bench.simulation.cost_rows(day, day + DAY, ("workspace_id", "description"))
                truth = sum((Decimal(row["amount"]) for row in rows), Decimal(0))
                wrong.append(abs(bench.held("anthropic.cost.amount_exact", day, day + DAY) / truth - 1))
        ours = "0 cents" if not any(wrong) else f"{float(max(wrong)):.2%}"
        yield Cell("b: a day's dollars wrong (started 00h / 06h and later)", name, theirs, ours, any(wrong))


def open_buckets() -> Iterator[Cell]:
    """(h) What the API does with a bucket that has not ended."""
    theirs = {
        "omit": ("returns closed buckets only", "as in (a)"),
        "partial": ("also returns the open bucket", "+593% tokens"),
        "error": ("answers 400 to a range without a whole bucket", "exact, 264 error documents a day"),
    }
    for mode, (name, figure) in theirs.items():
        profile = LATE["uniformly 0 to 5 min late"]
        bench = Bench(profile, "1h", FIRST + timedelta(seconds=133), open_bucket=mode)
        bench.poll_until(FIRST + DAY + AFTER, timedelta(minutes=5))
        truth = _tokens(bench.simulation.usage_rows(FIRST, FIRST + DAY, "1h", GROUPED))
        share = bench.held("anthropic.usage.total_tokens", FIRST, FIRST + DAY) / truth - 1
        failed = f", {len(bench.failures)} failed polls" if bench.failures else ", no failed poll"
        ours = (f"{float(share):+.2%}" if share else "exact") + failed
        yield Cell("h: open buckets", name, figure, ours, bool(share or bench.failures))
    bench = Bench(LATE["at once"], "1h", FIRST)
    bench.poll_until(FIRST + DAY + AFTER, HOUR)
    truth = _tokens(bench.simulation.usage_rows(FIRST, FIRST + DAY, "1h", GROUPED))
    share = 1 - bench.held("anthropic.usage.total_tokens", FIRST, FIRST + DAY) / truth
    name = "polled on the full hour exactly"
    yield Cell(
        "h: open buckets", name, "100% lost", "exact" if not share else f"{float(share):.2%}", bool(share)
    )


def _tokens(rows: list[dict[str, Any]]) -> Decimal:
    return Decimal(
        sum(
            row["uncached_input_tokens"]
            + row["cache_read_input_tokens"]
            + sum(row["cache_creation"].values())
            + row["output_tokens"]
            for row in rows
        )
    )


Scenario = Callable[[Chaos], None]


def _polls(world: Chaos, turns: int, minutes: int = 30) -> None:
    for _ in range(turns):
        world.poll()
        world.clock.advance(timedelta(minutes=minutes))


def _lost_acknowledgement(world: Chaos) -> None:
    _polls(world, 2)
    world.proxy.add(net.lost_after, "bulk", times=50)
    world.runners[0].crash_at(9, after=True, stop=False)
    world.poll()


def _outage(world: Chaos) -> None:
    _polls(world, 3)
    world.clock.advance(timedelta(hours=30))


def _registry(world: Chaos) -> None:
    _polls(world, 3)
    world.runners[0].start()


def _nothing(world: Chaos) -> None:
    _polls(world, 3)


def _limited_once(world: Chaos) -> None:
    world.server.faults.add(effects.status(429, hint="seconds", seconds=7))


def _limited(world: Chaos) -> None:
    world.server.faults.add(effects.status(429, hint="seconds", seconds=7), times=6)


def _failing_page(times: int) -> Scenario:
    def scenario(world: Chaos) -> None:
        world.server.faults.add(effects.empty_page(), "*/messages")  # now there are two pages
        world.server.faults.add(effects.status(500), "*/messages", where={"page": ...}, times=times)

    return scenario


def _empty_page(world: Chaos) -> None:
    world.server.faults.add(effects.empty_page(), "*/messages", times=3)


SCENARIOS: tuple[tuple[str, str, str, Scenario], ...] = (
    ("c: duplicates", "clean", "exact", _nothing),
    ("c: duplicates", "30 h outage and catch-up", "exact", _outage),
    ("c: duplicates", "a write not acknowledged before a crash", "+2.6%", _lost_acknowledgement),
    ("c: duplicates", "all state lost once (host moved), usage", "+49.9%", _registry),
    ("c: duplicates", "the same, cost", "+100%", _registry),
    ("d: errors", "429, Retry-After 7, once", "exact", _limited_once),
    ("d: errors", "429 six times running", "exact, 1 error document", _limited),
    ("d: errors", "500 once on a later page", "exact", _failing_page(1)),
    ("d: errors", "500 six times on a later page", "264 of 792 documents doubled", _failing_page(6)),
    ("d: errors", "an empty page with has_more", "delivered 15 min late", _empty_page),
)


def crashes(es: Elasticsearch, url: str) -> Iterator[Cell]:
    """(c) and (d), through a real Elasticsearch: documents that are there twice, too many, or not at all."""
    for number, (group, name, theirs, scenario) in enumerate(SCENARIOS):
        with chaos_world(es, url, f"rival{number}", number) as world:
            scenario(world)
            world.poll()
            world.heal()
            for _ in range(3):
                world.poll(everything=True)
                last = world.clock.now()
                world.clock.advance(timedelta(minutes=65))
            world.clock.set(last)
            wrong = _wrong(world)
        yield Cell(group, name, theirs, wrong or "exact", bool(wrong))


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

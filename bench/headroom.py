"""What minutes and headroom cost for a large organization: documents, bytes, seconds, requests.

    python -m bench.headroom [--workspaces 300] [--models 12] [--busy 0.1] [--hours 2]

The sample is small and says how small: `hours` of minutes and of windows, a day of hours, all with
`workspaces` x `models` combinations, of which a share `busy` has traffic in any minute. Documents are built
by the agent's own code and lie in a real Elasticsearch (ELASTICSEARCH_URL, else the embedded one), merged to
one segment before they are weighed. Requests are counted by running the agent's own plan through a day.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from anthropic_metrics import logs
from anthropic_metrics.admin_api.pages import Bucket
from anthropic_metrics.admin_api.replies import RateLimitGroup, UsageRow, Workspace
from anthropic_metrics.config import Config, ElasticsearchSettings, UsageSettings
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.assets import stream_name
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.headroom.minutes import Minutes
from anthropic_metrics.headroom.outlook import lines
from anthropic_metrics.headroom.poller import HeadroomPoller
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.whatif import what_if
from anthropic_metrics.reports.build import rate_limit_documents, usage_documents
from anthropic_metrics.reports.names import Names
from anthropic_metrics.reports.plan import Range, Rung, due_rungs, newest_window, reach
from anthropic_metrics.reports.snapshots import Snapshots
from anthropic_metrics.reports.tally import Tally
from anthropic_metrics.reports.views import View, views

END = datetime(2026, 11, 20, 12, tzinfo=UTC)
OUTPUT = "output_tokens_per_minute"
DAY = timedelta(days=1)
GROUPS = 5


@dataclass(frozen=True)
class Sizes:
    workspaces: int
    models: int
    busy: float
    hours: int


class Sample:
    """An organization of even size: rows of any bucket, its limits and its names."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.random = random.Random(7)
        self.models = [f"claude-model-{number}" for number in range(sizes.models)]
        self.spaces = [
            Workspace(
                id=f"wrkspc_{number:024d}", name=f"Workspace {number}", tags={"team": f"t{number % 20}"}
            )
            for number in range(sizes.workspaces)
        ]
        self.names = Names.of("org-bench", "Bench", self.spaces, [])

    def rows(self, busy: float) -> list[UsageRow]:
        """A row for each combination with traffic."""
        return [
            self._row(model, space.id)
            for space in self.spaces
            for model in self.models
            if self.random.random() < busy
        ]

    def _row(self, model: str, workspace: str) -> UsageRow:
        number = self.random.randrange
        created = {"ephemeral_5m_input_tokens": number(9000), "ephemeral_1h_input_tokens": number(900)}
        return UsageRow.model_validate(
            {
                "model": model,
                "workspace_id": workspace,
                "api_key_id": f"apikey_{workspace[-8:]}",
                "service_tier": "standard",
                "inference_geo": "global",
                "uncached_input_tokens": number(20_000),
                "cache_read_input_tokens": number(80_000),
                "cache_creation": created,
                "output_tokens": number(4_000),
                "server_tool_use": {"web_search_requests": number(2)},
            }
        )

    def limits(self) -> Iterator[Prepared]:
        """One snapshot of everything, before the sample begins."""
        slot = END - timedelta(days=2)
        groups = [self._group(number, 20_000_000) for number in range(GROUPS)]
        own = [
            self._group(number, 500_000) | {"workspace_id": space.id}
            for space in self.spaces
            for number in range(GROUPS)
        ]
        rows = [RateLimitGroup.model_validate(each) for each in (*groups, *own)]
        yield from rate_limit_documents("anthropic_metrics.rate_limit", "bench", rows, self.names, slot, slot)

    def _group(self, number: int, value: int) -> dict[str, Any]:
        limits = ("input_tokens_per_minute_cache_aware", OUTPUT)
        return {
            "type": "rate_limit",
            "group": {"id": f"rlg_{number}", "type": "model_group", "display_name": f"Group {number}"},
            "models": self.models[number::GROUPS],
            "limits": [{"type": kind, "value": value, "org_limit": 20_000_000} for kind in limits],
        }


class Known:
    """The inventory, known beforehand."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def names(self, now: datetime, *, unknown: bool = False) -> Names:
        return self._names


def main() -> None:
    sizes = arguments()
    logs.configure("error")
    for line in requests(sizes):
        print(line)
    with cluster() as url:
        namespace = f"bench{uuid4().hex[:8]}"
        config = Config(
            elasticsearch=ElasticsearchSettings(hosts=(url,)),
            namespace=namespace,
            usage=UsageSettings(granularities=("1m", "1h")),
        )
        with Elasticsearch(url, request_timeout=300) as es:
            ensure(es, config)
            measure(es, config, Sample(sizes))


def arguments() -> Sizes:
    parser = argparse.ArgumentParser(prog="python -m bench.headroom", description=__doc__)
    parser.add_argument("--workspaces", type=int, default=300)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--busy", type=float, default=0.1)
    parser.add_argument("--hours", type=int, default=2)
    given = parser.parse_args()
    return Sizes(given.workspaces, given.models, given.busy, given.hours)


@contextmanager
def cluster() -> Iterator[str]:
    if url := os.environ.get("ELASTICSEARCH_URL"):
        yield url
        return
    with EmbeddedElasticsearch(heap="1g") as server:
        yield server.url


def measure(es: Elasticsearch, config: Config, sample: Sample) -> None:
    """Fill the streams, then time what is asked of them."""
    sizes = sample.sizes
    minute, hour = (next(view for view in views(config) if view.width == width) for width in ("1m", "1h"))
    begin = END - timedelta(hours=sizes.hours)
    fill(es, minute.stream, usage(minute, sample, begin, END, timedelta(minutes=1), sizes.busy))
    fill(es, hour.stream, usage(hour, sample, END - DAY, END, timedelta(hours=1), 1.0))
    fill(es, stream_name("anthropic_metrics.rate_limit", config.namespace), sample.limits())
    poller = HeadroomPoller(config, Known(sample.names), clock=lambda: END)  # type: ignore[arg-type]
    streams, tally = Streams(es), Tally("headroom", poller.stream)
    whole = Range(begin, END)
    timed("first pass, all windows", lambda: poller.keep_all(whole, es, streams, tally))
    print(f"  {tally.created:,} documents of {sizes.hours} h; a day has {24 // sizes.hours} times as many")
    timed("the same again, nothing to write", lambda: poller.keep_all(whole, es, streams, tally))
    live = Range(END - timedelta(minutes=20), END)
    timed("20 minutes, as a live pass has", lambda: poller.keep_all(live, es, streams, tally))
    for stream in (minute.stream, hour.stream, poller.stream):
        weigh(es, stream)
    queries(es, config, sample, poller.stream, whole)


def queries(es: Elasticsearch, config: Config, sample: Sample, stream: str, span: Range) -> None:
    """What the command, a panel and a rule ask."""
    timed("table of `headroom`, the whole sample", lambda: lines(es, stream, span))
    workspace = sample.spaces[0].id
    timed("table of one workspace", lambda: lines(es, stream, span, workspace))
    peak = (
        f'FROM {stream} | WHERE anthropic.headroom.scope == "organization" '
        "| STATS peak = MAX(anthropic.headroom.peak_share), above = SUM(anthropic.headroom.minutes_above_80) "
        "BY anthropic.headroom.group_name, anthropic.headroom.limit_type, "
        "time = BUCKET(@timestamp, 5 minutes) "
        "| LIMIT 10000"
    )
    timed("panel: peak of each group over time", lambda: es.esql.query(query=peak))
    rule = (
        f"FROM {stream} | WHERE anthropic.headroom.complete AND anthropic.headroom.headroom_share < 0.2 "
        "| STATS left = MIN(anthropic.headroom.headroom_share) BY anthropic.workspace.name, "
        "anthropic.headroom.group_name, anthropic.headroom.limit_type | SORT left | LIMIT 1000"
    )
    timed("rule: headroom below 20 %", lambda: es.esql.query(query=rule))
    minutes = Minutes.of(es, config, sample.names.organization_id)
    snapshots = Snapshots(es, stream_name("anthropic_metrics.rate_limit", config.namespace), "org-bench")
    limits = read_limits(snapshots, span.start, span.end)
    assert limits is not None
    group = limits.organization.at(int(END.timestamp()))[0].groups[0]
    models = sorted(group.models)

    def under_another_limit() -> None:
        uses = list(minutes.uses(span.start, span.end, models=models, by_workspace=False))
        named = list(minutes.largest(span.start, span.end, models, 10))
        uses += minutes.uses(span.start, span.end, models=models, workspaces=named)
        what_if(uses, limits, group, {OUTPUT: 200_000}, 60 * sample.sizes.hours)

    timed("what-if of one group, ten workspaces", under_another_limit)


def usage(
    view: View, sample: Sample, begin: datetime, end: datetime, step: timedelta, busy: float
) -> Iterator[Prepared]:
    while begin < end:
        bucket = Bucket(start=begin, end=begin + step, rows=[])
        yield from usage_documents(view, bucket, sample.rows(busy), sample.names, END + DAY)
        begin += step


def fill(es: Elasticsearch, stream: str, documents: Iterable[Prepared]) -> None:
    actions = (
        {"_op_type": "create", "_index": stream, "_id": each.id, "_source": each.source} for each in documents
    )
    began = time.monotonic()
    count, _ = bulk(es, actions, chunk_size=2000)
    es.indices.refresh(index=stream)
    print(f"{stream}: {count:,} documents built and indexed in {time.monotonic() - began:.1f} s", flush=True)


def timed(what: str, ask: Callable[[], object]) -> None:
    """The best of three: the machine may be busy with something else."""
    seconds = []
    for _ in range(1 if what.startswith("first") else 3):
        began = time.monotonic()
        ask()
        seconds.append(time.monotonic() - began)
    print(f"{what}: {min(seconds):.2f} s", flush=True)


def weigh(es: Elasticsearch, stream: str) -> None:
    es.indices.forcemerge(index=stream, max_num_segments=1)
    es.indices.refresh(index=stream)
    stats = es.indices.stats(index=stream)["_all"]["primaries"]
    size, count = stats["store"]["size_in_bytes"], stats["docs"]["count"]
    print(f"{stream}: {count:,} documents, {size / 1e6:.1f} MB, {size / count:.0f} bytes each", flush=True)


def requests(sizes: Sizes) -> Iterator[str]:
    """Requests of the usage views over a day of polls, by rows in a minute."""
    combinations = sizes.workspaces * sizes.models
    # The simulated organization on a working day.
    sized = {
        "small": (21.0, 35.0),
        "large": (combinations * sizes.busy, combinations),
        "large, every combination busy in every minute": (combinations, combinations),
    }
    for name, (by_minute, by_hour) in sized.items():
        for view in (view for view in views(Config()) if view.poller == "usage"):
            rows = by_minute if view.width == "1m" else by_hour
            asked = live_requests(view, rows)
            yield f"{name}: {view.dataset} with {rows:,.0f} rows a bucket: {asked:,} requests a day"


def live_requests(view: View, density: float) -> int:
    """Pages of every poll of a day and of the daily sweep."""
    last: dict[Rung, datetime] = {}
    total = 0
    for poll in range(DAY // view.interval):
        now = END + poll * view.interval
        due = due_rungs(view.rungs, last, now)
        last.update(dict.fromkeys(due, now))
        whole = reach(due, now, view.width, view.history(now))
        total += pages(whole, view, density) if whole else 0
    return total + pages(Range(view.history(END), END), view, density)


def pages(whole: Range, view: View, density: float) -> int:
    count, end = 0, whole.end
    while whole.start < end:
        end = newest_window(Range(whole.start, end), view.width, density).start
        count += 1
    return count


if __name__ == "__main__":
    main()

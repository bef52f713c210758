"""What a large organization's minutes and headroom cost: documents, bytes, seconds, requests.

    python -m bench.headroom [--days 30] [--year 365] [--workspaces 300] [--models 12]

Fills a real Elasticsearch (ELASTICSEARCH_URL, else the embedded one) with `days` of minutes, limits and
headroom and a `year` of hours of the organization of `bench.headroom_sample`, as `bench.headroom_load` says.
The streams roll over as their lifecycle would have it (a week; a month for hours), and each index is merged
into one segment and weighed. The newest four hours of headroom are then computed by the agent itself, and
everything that asks for headroom is timed. Requests are counted by running the agent's own plan for a day.
At the defaults it takes about 20 minutes on two cores, and 5 GB of disk, more while it merges.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.config import Config, ElasticsearchSettings, UsageSettings
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.headroom.build import headroom_documents
from anthropic_metrics.headroom.derivation import splits
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.windows import windows
from anthropic_metrics.kernel.datasets import HEADROOM, RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.plan import Rung, due_rungs, newest_window, reach
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.reports.views import View, views
from bench import headroom_asks, headroom_load
from bench.headroom_sample import BLOCK, END, IN_A_MINUTE, Sample, Sizes

DAY = timedelta(days=1)
# What lifecycle does with retention of 30 to 90 days, and with a longer one.
WEEK, MONTH = timedelta(days=7), timedelta(days=30)


def main() -> None:
    sizes = arguments()
    logs.configure("error")
    for line in requests(sizes):
        print(line)
    with cluster() as url:
        config = Config(
            elasticsearch=ElasticsearchSettings(hosts=(url,)),
            namespace=f"bench{uuid4().hex[:8]}",
            usage=UsageSettings(granularities=("1m", "1h")),
        )
        with Elasticsearch(url, request_timeout=1800) as es:
            ensure(es, config)
            sample = Sample(sizes)
            fill(es, config, sample)
            headroom_asks.measure(es, config, sample)


def arguments() -> Sizes:
    parser = argparse.ArgumentParser(prog="python -m bench.headroom", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--year", type=int, default=365)
    parser.add_argument("--workspaces", type=int, default=300)
    parser.add_argument("--models", type=int, default=12)
    given = parser.parse_args()
    return Sizes(given.workspaces, given.models, given.days, given.year)


@contextmanager
def cluster() -> Iterator[str]:
    if url := os.environ.get("ELASTICSEARCH_URL"):
        yield url
        return
    with EmbeddedElasticsearch(heap="4g") as server:
        yield server.url


def fill(es: Elasticsearch, config: Config, sample: Sample) -> None:
    """Load everything but the headroom of the newest block, and weigh it."""
    minute, hour = (next(view for view in views(config) if view.width == width) for width in ("1m", "1h"))
    limits = stream_name(RATE_LIMIT, config.namespace)
    begin = END - sample.sizes.days * DAY

    year = END - sample.sizes.year * DAY
    roll(es, limits, begin, END, WEEK, partial(headroom_load.limits, sample))
    roll(es, minute.stream, begin, END, WEEK, partial(headroom_load.usage, minute, sample))
    roll(es, hour.stream, year, END, MONTH, partial(headroom_load.usage, hour, sample))
    copied = partial(headroom_load.headroom, newest(es, config, sample), sample)
    roll(es, stream_name(HEADROOM, config.namespace), begin, END - BLOCK, WEEK, copied)


def roll(
    es: Elasticsearch,
    stream: str,
    begin: datetime,
    end: datetime,
    every: timedelta,
    documents: Callable[[datetime, datetime], headroom_load.Texts],
) -> None:
    """Load [begin, end) into an index for each span of `every`, merge and weigh them."""
    began, count, start = time.monotonic(), 0, begin
    while start < end:
        if start > begin:
            es.indices.rollover(alias=stream)
        until = min(start + every, end)
        count += headroom_load.load(es, stream, documents(start, until))
        start = until
    loaded = time.monotonic()
    headroom_load.settle(es, stream)
    stats = es.indices.stats(index=stream)["_all"]["primaries"]
    size, held = stats["store"]["size_in_bytes"], stats["docs"]["count"]
    assert held == count
    seconds, merged = loaded - began, time.monotonic() - loaded
    print(
        f"{stream}: {count:,} documents of {(end - begin) / DAY:.1f} days, {size / 1e9:.2f} GB, "
        f"{size / count:.0f} bytes each; loaded in {seconds:.0f} s, merged in {merged:.0f} s",
        flush=True,
    )


def newest(es: Elasticsearch, config: Config, sample: Sample) -> list[Prepared]:
    """The headroom documents of the newest block, built by the agent's own code."""
    start = END - BLOCK
    ask, organization = ElasticQuestions(es), sample.names.organization_id
    history = ask.limit_history(stream_name(RATE_LIMIT, config.namespace), organization)
    minutes = ask.minutes(stream_name(USAGE_1M, config.namespace), organization, splits(config))
    limits = read_limits(history, start, END)
    assert limits is not None
    found = windows(minutes.uses(start, END), limits, minutes.splits)
    return list(headroom_documents(found, sample.names, config.namespace, END + DAY, END + DAY))


def requests(sizes: Sizes) -> Iterator[str]:
    """Requests of the usage views over a day of polls, by rows in a minute."""
    combinations = sizes.workspaces * sizes.models
    # The simulated organization on a working day.
    sized = {
        "small": (21.0, 35.0),
        "large": (sizes.at_work * IN_A_MINUTE, sizes.at_work),
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

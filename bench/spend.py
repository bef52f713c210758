"""What a day of spend of a large organization costs to compute: seconds, documents, memory.

    python -m bench.spend [--workspaces 300] [--models 12] [--days 5] [--analytics] [--year DAYS]

Fills a real Elasticsearch (ELASTICSEARCH_URL, else the embedded one) with five days of hourly usage and four
bills of the organization of `bench.headroom_sample`, and lets the agent's own poller compute them: a first
pass over everything, one in which nothing changed, one with a new hour, and a settled day once more. With
`--analytics` the figures come from the analytics reports of the same usage. With `--year` the stream is
filled with that many days more, and every panel that reads it is timed.
The reports are served by a process of their own. Memory is the peak of this process before and after.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from elasticsearch import Elasticsearch

from anthropic_metrics import logs
from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.config import Backfill, Config, ElasticsearchSettings, UsageSettings
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.build import cost_documents, usage_documents
from anthropic_metrics.reports.views import View, cost_view, usage_view
from anthropic_metrics.spend.analytics import Analytics
from anthropic_metrics.spend.keeper import SpendKeeper
from anthropic_metrics.spend.rows import TOKEN_TYPES
from bench import spend_year
from bench.headroom import cluster
from bench.headroom_sample import Known, Sample, Sizes
from bench.memory import peak_so_far
from bench.setting import server_process
from bench.spend_reports import CENTS_PER_MILLION, NOW, Counting, Use, client

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST = NOW.replace(hour=0, minute=0) - 5 * DAY
DAYS, BILLS = 5, 4
LEAST_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.spend", description=__doc__)
    parser.add_argument("--workspaces", type=int, default=300)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--days", type=int, default=DAYS, help="days to begin with, of five")
    parser.add_argument("--analytics", action="store_true", help="bill every hour from the analytics reports")
    parser.add_argument("--year", type=int, default=0, help="days to fill the stream with before the panels")
    given = parser.parse_args()
    logs.configure("error")
    with cluster() as url:
        config = Config(
            elasticsearch=ElasticsearchSettings(hosts=(url,)),
            namespace=f"bench{uuid4().hex[:8]}",
            usage=UsageSettings(granularities=("1h",)),
            backfill=Backfill(timedelta(days=DAYS)),
        )
        with Elasticsearch(url, request_timeout=600) as es:
            ensure(es, config)
            sample = Sample(Sizes(given.workspaces, given.models, 0, 0))
            sizes = given.workspaces, given.models
            server = server_process("bench.spend_reports", *sizes) if given.analytics else nullcontext()
            with server as reports:
                bench = Bench(config, sample, reports)
                bench.run(given.days)
            if given.year:
                began = time.monotonic()
                count = spend_year.load(es, bench.poller.stream, FIRST + DAY, given.year)
                print(
                    f"{count:,} documents of {given.year} days more in {time.monotonic() - began:.0f} s",
                    flush=True,
                )
                good = spend_year.panels(es, config.namespace, NOW - 2 * HOUR, given.year)
                print(f"{'+' if good else '-'} every panel in under {spend_year.AIM:.0f} s")


class Bench:
    def __init__(self, config: Config, sample: Sample, reports: str | None = None) -> None:
        """`reports` is the URL of the analytics reports, if there are any."""
        hours, cost = usage_view(config, "1h"), cost_view(config)
        assert hours is not None
        assert cost is not None
        self.hours: View = hours
        self.cost: View = cost
        self.sample = sample
        self.use = Use(sample)
        es = connect(config.elasticsearch)
        self.store = Streams(es)
        self.sink = Sink(self.store, lambda documents: None, ElasticQuestions(es))
        self.now = NOW
        self.requests = Counting()
        analytics = Analytics(client(reports, self.requests), hours.group_by) if reports else None
        self.keeper = SpendKeeper(config, hours, analytics)
        self.poller = DerivedPoller(self.keeper, Known(sample.names), clock=lambda: self.now)

    def run(self, days: int) -> None:
        """Fill the first `days`, then measure each kind of pass."""
        for number in range(days):
            start = FIRST + number * DAY
            rows = {start + hour * HOUR: list(self.use.rows(start + hour * HOUR)) for hour in range(24)}
            print(f"{start:%Y-%m-%d}: {sum(map(len, rows.values())):,} rows of usage", flush=True)
            for begin, of_hour in rows.items():
                self.write_usage(begin, of_hour)
            if number < BILLS:
                self.write_bill(start, rows)
        before = peak_so_far()
        whole = Range(FIRST, NOW)
        self.measure(
            f"everything ({days} days, {min(days, 3)} settled)",
            lambda tally: self.poller.keep(whole, self.sink, tally),
        )
        self.measure("nothing changed", lambda tally: self.poller.keep(whole, self.sink, tally))
        self.now += HOUR
        last = FIRST + (days * DAY - HOUR)
        self.write_usage(last, [*self.use.rows(last)][:-1])
        self.measure("one hour changed", lambda tally: self.poller.keep(whole, self.sink, tally))
        self.keeper._forget(Range(FIRST + DAY, FIRST + 2 * DAY))
        self.requests.requests = self.requests.bytes = 0
        took = self.measure("one settled day", lambda tally: self.poller.keep(whole, self.sink, tally))
        print(f"  {self.requests.requests} requests of the reports, {self.requests.bytes / 1e6:.1f} MB")
        print(f"peak memory {before:,.0f} MB before, {peak_so_far():,.0f} MB after")
        print(f"{'+' if took < LEAST_SECONDS else '-'} a settled day in under {LEAST_SECONDS} s")

    def measure(self, what: str, run: Callable[[Tally], None]) -> float:
        tally = Tally("spend", self.poller.stream)
        began, cpu = time.monotonic(), time.process_time()
        run(tally)
        took = time.monotonic() - began
        print(
            f"{what}: {took:.1f} s ({time.process_time() - cpu:.1f} s of our CPU), {tally.windows} ranges, "
            f"{tally.created:,} created, {tally.replaced:,} replaced, {tally.kept:,} kept",
            flush=True,
        )
        return took

    def write_usage(self, start: datetime, rows: list[UsageRow]) -> None:
        frame = self.hours.frame(Range(start, start + HOUR), self.sample.names, self.now)
        self.write(self.hours, frame.bucket, usage_documents(frame, rows))

    def write_bill(self, start: datetime, rows: dict[datetime, list[UsageRow]]) -> None:
        tokens: dict[tuple[str | None, str | None, str], int] = defaultdict(int)
        for row in (row for of_hour in rows.values() for row in of_hour):
            counts = (row.uncached_input_tokens, row.cache_read_input_tokens, row.output_tokens)
            for kind, count in zip((0, 1, 4), counts, strict=True):
                tokens[row.workspace_id, row.model, TOKEN_TYPES[kind]] += count
        lines = [
            CostRow.model_validate(
                {
                    "amount": format(Decimal(count * CENTS_PER_MILLION[kind]).scaleb(-6), "f"),
                    "currency": "USD",
                    "cost_type": "tokens",
                    "description": f"{model} {kind}",
                    "model": model,
                    "token_type": kind,
                    "service_tier": "standard",
                    "context_window": "0-200k",
                    "inference_geo": "global",
                    "workspace_id": workspace,
                }
            )
            for (workspace, model, kind), count in tokens.items()
        ]
        frame = self.cost.frame(Range(start, start + DAY), self.sample.names, self.now)
        self.write(self.cost, frame.bucket, cost_documents(frame, lines))

    def write(self, view: View, bucket: Range, documents: list[Prepared]) -> None:
        organization = self.sample.names.organization_id
        self.store.reconcile(
            view.stream,
            bucket,
            documents,
            organization_id=organization,
            now=self.now,
            confirm_after=view.interval,
        )


if __name__ == "__main__":
    main()

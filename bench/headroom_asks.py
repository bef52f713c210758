"""The second half of `bench.headroom`: everything that asks for headroom, timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.cli.what_if import Change, what_if_answer
from anthropic_metrics.config import Config
from anthropic_metrics.derived.changes import Changes
from anthropic_metrics.derived.due import OVERLAP, Due
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.elastic.outlook import Selection, lines, unmapped
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.headroom.derivation import Headroom
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.kernel.datasets import AGENT, RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.kibana.definitions import load_bundle
from bench.headroom_load import LAG
from bench.headroom_sample import BLOCK, END, OUTPUT, Known, Sample

NOW = END + LAG
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def measure(es: Elasticsearch, config: Config, sample: Sample) -> None:
    print(f"Load average {os.getloadavg()[0]:.1f}; seconds, the best of three.")
    poller(es, config, sample)
    commands(es, config, sample)
    panels(es, config)
    rule = next(rule for rule in rules(config) if rule.key == "rate_limit_headroom")
    timed(es, "rule rate_limit_headroom", lambda: run(es, rule, NOW))
    print(f"Load average {os.getloadavg()[0]:.1f}")


def poller(es: Elasticsearch, config: Config, sample: Sample) -> None:
    """What the agent itself does and asks."""
    _usage_was_read(es, config, sample.names.organization_id)
    headroom = Headroom.of(config)
    assert headroom is not None
    keeper = DerivedPoller(Changes(headroom), Known(sample.names), clock=lambda: NOW)
    ask = ElasticQuestions(es)
    sink, tally = Sink(Streams(es), lambda _: None, ask), Tally("headroom", keeper.stream)
    block, day = Range(END - BLOCK, END), Range(NOW - DAY, NOW)
    timed(es, "poller: 4 h of windows computed and written", lambda: keeper.keep(block, sink, tally), 1)
    print(f"  {tally.created:,} documents")
    hour = Range(END - HOUR, END)
    timed(es, "poller: 1 h of windows computed and compared", lambda: keeper.keep_all(hour, sink, tally))
    timed(es, "poller: a live pass", lambda: keeper.keep(day, sink, tally))
    assert not tally.failures, tally
    assert tally.changed == tally.created, "a pass over what is right changes nothing"
    organization = sample.names.organization_id
    minutes = ask.minutes(_stream(USAGE_1M, config), organization, headroom.splits)
    snapshots = ask.limit_history(_stream(RATE_LIMIT, config), organization)
    due = Due(headroom, ask, organization)
    timed(es, "poller: windows changed in 24 h", lambda: due.changed(day, NOW - OVERLAP, NOW, NOW))
    timed(es, "poller: windows filled in 24 h", lambda: due.filled(day))
    timed(es, "poller: limits of 1 h", lambda: read_limits(snapshots, hour.start, hour.end))
    timed(es, "poller: minutes of 1 h", lambda: list(minutes.uses(hour.start, hour.end)))
    timed(es, "poller: minutes of 10 min", lambda: list(minutes.uses(END - OVERLAP, END)))


def _usage_was_read(es: Elasticsearch, config: Config, organization: str) -> None:
    """The record of the poll of usage that just ended, so that windows are complete."""
    poll = {
        "@timestamp": NOW.isoformat(),
        "event": {"action": "poll", "outcome": "success"},
        "organization": {"id": organization},
        "anthropic": {"poll": {"stream": _stream(USAGE_1M, config)}},
    }
    es.index(index=_stream(AGENT, config), op_type="create", document=poll, refresh=True)


def commands(es: Elasticsearch, config: Config, sample: Sample) -> None:
    """`anthropic-metrics headroom`, as far as it asks."""
    stream, workspace = stream_name("anthropic_metrics.headroom", config.namespace), sample.spaces[0].id

    def table(length: timedelta, workspace: str | None = None) -> list[Any]:
        asked = Selection(sample.names.organization_id, Range(NOW - length, NOW), workspace)
        return [*lines(es, stream, asked), *unmapped(es, stream, asked)]

    def under_another_limit(workspace: str | None = None) -> None:
        span = Range(NOW - 7 * DAY, NOW)
        change = Change({OUTPUT: 200_000}, sample.models[0], workspace)
        what_if_answer(ElasticQuestions(es), config, sample.names.organization_id, span, change)

    timed(es, "table, 24 h", lambda: table(DAY))
    timed(es, "table, 7 d", lambda: table(7 * DAY))
    timed(es, "table of one workspace, 24 h", lambda: table(DAY, workspace))
    timed(es, "table of one workspace, 7 d", lambda: table(7 * DAY, workspace))
    timed(es, "what-if, 7 d", under_another_limit)
    timed(es, "what-if of one workspace, 7 d", lambda: under_another_limit(workspace))


def panels(es: Elasticsearch, config: Config) -> None:
    """Every panel of the headroom dashboard over three ranges."""
    dashboard = next(each for each in load_bundle().dashboards if each.name == "headroom")
    for days in (1, 7, 30):
        for panel in dashboard.queried():
            asked = partial(_rows, es, panel.query, NOW - days * DAY, config.namespace)
            timed(es, f"panel, {days} d: {panel.title}", asked)


def _rows(es: Elasticsearch, query: str, start: datetime, namespace: str) -> tuple[Any, ...]:
    return ask(es, query, start, NOW, namespace=namespace).rows


def timed(es: Elasticsearch, what: str, ask: Callable[[], object], times: int = 3) -> None:
    """The best of three, or of `times`, none out of Elasticsearch's own caches; and the number of rows."""
    seconds, answer = [], None
    for _ in range(times):
        es.indices.clear_cache(index="metrics-anthropic_metrics.*", request=True, query=True)
        began = time.perf_counter()
        answer = ask()
        seconds.append(time.perf_counter() - began)
    rows = f"  ({len(answer):,} rows)" if isinstance(answer, list | tuple | set) else ""
    print(f"{min(seconds):8.2f}  {what}{rows}", flush=True)


def _stream(dataset: str, config: Config) -> str:
    return stream_name(dataset, config.namespace)

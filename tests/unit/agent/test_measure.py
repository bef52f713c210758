"""What an attempt at a job shows on the metrics page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import generate_latest

from anthropic_metrics.agent.measure import measure
from anthropic_metrics.agent.record import Attempt
from anthropic_metrics.health import Metrics
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STREAM = "metrics-anthropic_metrics.spend-default"
AGENT = "metrics-anthropic_metrics.agent-default"


def page(tally: Tally, metrics: Metrics) -> str:
    job = Job("spend", "spend", STREAM, timedelta(minutes=5), lambda _: None)
    measure(metrics, Attempt(job, tally, Range(NOW - timedelta(days=1), NOW), NOW, 1.5, 3, 0))
    return generate_latest(metrics.registry).decode()


def test_the_error_of_the_newest_settled_day_stands_until_another_is_known() -> None:
    metrics = Metrics.create(process=False)
    line = f'anthropic_metrics_estimate_error_ratio{{stream="{STREAM}"}}'
    assert line not in page(Tally("spend", STREAM), metrics), "no day is settled yet"
    tally = Tally("spend", STREAM)
    tally.estimate_error = -0.0125
    assert f"{line} -0.0125\n" in page(tally, metrics)
    assert f"{line} -0.0125\n" in page(Tally("spend", STREAM), metrics), "a poll that settled nothing"


def test_documents_count_under_the_stream_that_holds_them() -> None:
    metrics, tally = Metrics.create(process=False), Tally("spend", STREAM)
    tally.add(Outcome(created=24, kept=3))
    tally.add(Outcome(created=2, refused=1), AGENT)
    shown = page(tally, metrics)
    total = "anthropic_metrics_documents_total"
    assert f'{total}{{outcome="created",stream="{STREAM}"}} 24.0\n' in shown
    assert f'{total}{{outcome="created",stream="{AGENT}"}} 2.0\n' in shown
    assert f'{total}{{outcome="refused",stream="{AGENT}"}} 1.0\n' in shown
    assert f'{total}{{outcome="refused",stream="{STREAM}"}}' not in shown

"""What an attempt at a job changes in the metrics."""

from __future__ import annotations

from anthropic_metrics.agent.record import Attempt
from anthropic_metrics.health import Metrics, label
from anthropic_metrics.kernel.tally import WRITTEN


def measure(metrics: Metrics, attempt: Attempt) -> None:
    """Count the attempt in the metrics of its organization."""
    stream, tally, job = attempt.job.stream, attempt.tally, label(attempt.job.name)
    for written_to, counts in tally.written.items():
        for outcome in WRITTEN:
            if count := getattr(counts, outcome):
                metrics.documents.labels(written_to, outcome).inc(count)
    if tally.bad_rows:
        metrics.rows_refused.labels(stream).inc(tally.bad_rows)
    if tally.newest_data is not None:
        metrics.newest_data.labels(stream).set(tally.newest_data.timestamp())
    metrics.silenced.labels(job).set(len(tally.silencing))
    if tally.open_alerts is not None:
        metrics.open_alerts.labels(job).set(tally.open_alerts)
    if tally.estimate_error is not None:
        metrics.estimate_error.labels(stream).set(tally.estimate_error)
    if tally.delivers is not None:
        metrics.delivers.clear()  # a destination that was deleted has no series
        for name, delivers in tally.delivers.items():
            metrics.delivers.labels(name).set(delivers)
    if tally.differing is not None:
        metrics.differing.labels(job).set(tally.differing)

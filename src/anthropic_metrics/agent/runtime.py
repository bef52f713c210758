"""What all organizations of one agent share: the store, questions to it, metrics, health and the schedule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.health import Health, Metrics
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.ports import Record, Sink


class Runtime:
    """Connected to the cluster of the configuration; close it. `stop` ends waits."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        stop: threading.Event,
    ) -> None:
        self.elasticsearch = connect(config.elasticsearch)
        self.store = Streams(self.elasticsearch, stop=stop)
        self.ask = ElasticQuestions(self.elasticsearch)
        self.metrics = Metrics.create()
        self._clock = clock
        self._monotonic = monotonic
        self.schedule([])

    def sink(self, record: Record) -> Sink:
        """Where jobs write; `record` appends to the agent stream."""
        return Sink(self.store, record, self.ask)

    def schedule(self, jobs: Sequence[Job]) -> None:
        """The jobs to run from now on; their health begins anew."""
        self.jobs = list(jobs)
        self.health = Health(
            {job.name: job.interval for job in jobs},
            streams={job.name: job.stream for job in jobs},
            metrics=self.metrics,
            later=[job.name for job in jobs if job.kind is Kind.sweep],
            clock=self._clock,
            monotonic=self._monotonic,
        )

    def close(self) -> None:
        """Release the connection."""
        self.elasticsearch.close()

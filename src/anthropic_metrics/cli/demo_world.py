"""What happens in the demo's organization while nobody polls: a clock behind, a new key, and its spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.embedded.traces import deliver
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.ranges import floor, iso
from anthropic_metrics.simulator import RealClock, Simulation
from anthropic_metrics.simulator.destinations import destination
from anthropic_metrics.simulator.span_documents import OTEL, otel_document
from anthropic_metrics.simulator.spans import Spans, Trouble

SAMPLED = 0.1
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class DemoClock(RealClock):
    """The present, but first as it was two days ago."""

    def __init__(self) -> None:
        self._behind = timedelta(days=2)

    def now(self) -> datetime:
        return super().now() - self._behind

    def catch_up(self) -> None:
        self._behind = timedelta()


class Delivery:
    """The organization's spans on their way into Elasticsearch, one trace of ten, beginning a day ago."""

    def __init__(self, es: Client, simulation: Simulation) -> None:
        now = RealClock().now()
        self._es = es
        self._until = floor(now, MINUTE) - DAY
        # Something to see: half an hour in which a model was overloaded.
        busy = Trouble(
            now - 5 * HOUR,
            now - 4.5 * HOUR,
            code=529,
            error="overloaded_error",
            share=0.2,
            model="claude-opus-5-5",
        )
        self._spans = Spans(simulation, sampled=SAMPLED, troubles=[busy])

    def catch_up(self) -> None:
        """Deliver what began in whole minutes since the last time. Raises MetricsError."""
        end = floor(RealClock().now(), MINUTE)
        with translated("Delivering spans"):
            deliver(self._es, OTEL, map(otel_document, self._spans.delivered(self._until, end)))
        self._until = end

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Deliver every minute while the context lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._follow, args=(ended,), name="spans", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _follow(self, ended: threading.Event) -> None:
        while not ended.wait(MINUTE.total_seconds()):
            try:
                self.catch_up()
            except MetricsError:
                continue  # a minute later it delivers them too


def export_traces(simulation: Simulation) -> None:
    """The destination that the organization's spans go to."""
    healthy = iso(RealClock().now())
    simulation.destinations = [destination("elasticsearch", last_success_at=healthy)]


def use_committed_capacity(simulation: Simulation) -> None:
    """A model in Priority Tier alone, two days ago: no line of the bill is for it, which a panel shows."""
    midnight = floor(RealClock().now(), DAY)
    simulation.edits.add_usage(
        midnight - timedelta(days=1, minutes=30),
        {"model": "claude-opus-4-5-20251101", "service_tier": "priority"},
        {"uncached_input_tokens": 2_400_000, "output_tokens": 90_000},
    )


def make_a_key(simulation: Simulation) -> None:
    """A new key that expires in three weeks."""
    now = RealClock().now()
    template = simulation.organization().key("notebooks")
    simulation.edits.add_api_key(
        replace(
            template,
            id="apikey_01DemoPilot",
            name="pilot",
            created_at=now,
            expires_at=now + timedelta(days=21),
        )
    )

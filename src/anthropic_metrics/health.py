"""Is the agent well? The state of its pollers, and its counters; `health_server` shows both."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from anthropic_metrics import __version__
from anthropic_metrics.figures.gauges import FigureGauges
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.logs import Flip, get_logger
from anthropic_metrics.poller_state import PollerState
from anthropic_metrics.redaction import redact

# Seconds without an answer that a poll gives as its reason; an answer seldom takes so long.
_SILENT = 15.0


@dataclass(frozen=True)
class Metrics:
    """The counters and gauges of one organization, in a registry of their own.

    docs/operations.md lists them.
    """

    registry: CollectorRegistry
    documents: Counter
    requests: Counter
    retries: Counter
    rows_refused: Counter
    last_success: Gauge
    newest_data: Gauge
    fresh: Gauge
    failing: Gauge
    differing: Gauge
    silenced: Gauge
    open_alerts: Gauge
    estimate_error: Gauge
    figures: FigureGauges
    delivers: Gauge

    @classmethod
    def create(cls, *, process: bool = True) -> Self:
        """New ones, all at zero; `process` adds those of the process and the agent's version."""
        registry = _registry(process=process)
        counter, gauge = partial(_counter, registry), partial(_gauge, registry)
        figures = FigureGauges()
        registry.register(figures)
        return cls(
            registry=registry,
            figures=figures,
            documents=counter("documents_total", "Documents by outcome (created, ...).", "stream", "outcome"),
            requests=counter("requests_total", "Requests sent, by server and answer.", "server", "status"),
            retries=counter("retries_total", "Requests sent again.", "server"),
            rows_refused=counter(
                "rows_refused_total", "Rows of the Admin API that made no document.", "stream"
            ),
            last_success=gauge(
                "last_success_timestamp_seconds", "When the poller last succeeded, as Unix time.", "poller"
            ),
            newest_data=gauge(
                "newest_data_timestamp_seconds",
                "End of the newest data in the stream, as Unix time.",
                "stream",
            ),
            fresh=gauge(
                "fresh", "Whether every poller of the stream succeeded in time (1) or not (0).", "stream"
            ),
            failing=gauge("failing", "Whether the poller's last attempt failed (1) or not (0).", "poller"),
            silenced=gauge(
                "alerts_silenced",
                "Values that keep budgets or alert rules silent (another currency, an unknown name).",
                "poller",
            ),
            open_alerts=gauge("alerts_open", "Open alerts of the agent's own alerting.", "poller"),
            estimate_error=gauge(
                "estimate_error_ratio",
                "Estimates of the newest settled day minus its bill, as a share of the bill.",
                "stream",
            ),
            delivers=gauge(
                "telemetry_destination_delivers",
                "Whether spans arrive at the destination (1) or it fails, is disabled or unused (0).",
                "destination",
            ),
            differing=gauge(
                "grains_differing_buckets",
                "Buckets in which two grains of usage differed at the last daily comparison.",
                "comparison",
            ),
        )


def _registry(*, process: bool) -> CollectorRegistry:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter
    registry = CollectorRegistry()
    if process:
        ProcessCollector(registry=registry)
        build = Info("anthropic_metrics_build", "Version of the agent and of Python.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
    return registry


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(f"anthropic_metrics_{name}", text, labels, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"anthropic_metrics_{name}", text, labels, registry=registry)


class _Labelled(Collector):
    """The metrics of several registries, each sample with its organization as a label."""

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for organization, registry in self._registries.items():
            own = {"organization": organization} if organization else {}
            for metric in registry.collect():
                empty = Metric(metric.name, metric.documentation, metric.type)
                family = families.setdefault(metric.name, empty)
                samples = (sample._replace(labels={**sample.labels, **own}) for sample in metric.samples)
                family.samples += samples
        return families.values()


def combined(registries: Mapping[str, CollectorRegistry]) -> CollectorRegistry:
    """One registry of all; with several organizations, each sample names its own."""
    if len(registries) == 1:
        return next(iter(registries.values()))
    together = CollectorRegistry()
    together.register(_Labelled(registries))
    return together


def label(job: str) -> str:
    """A job's name as the value of a Prometheus label: `usage_1m`, `usage_1m_sweep`, `usage_1m_vs_usage`."""
    short = job.replace("anthropic_metrics.", "").replace(" adds up to ", " vs ")
    return short.replace(" ", "_")


class Health:
    """What the pollers report about themselves. Thread-safe.

    `intervals` names the enabled pollers, `streams` the stream that each of them keeps. Data can be fresh
    before the first turn of those in `later`, the daily sweeps. `clock` gives the times that are shown,
    `monotonic` the age of the data. Each flip between well and failing is logged once, at debug level without
    `tells`. `held` says why no request of the organization is sent now, empty while they are; `silent` how
    many seconds they have been without an answer.
    """

    def __init__(
        self,
        intervals: Mapping[str, timedelta],
        *,
        streams: Mapping[str, str] | None = None,
        metrics: Metrics | None = None,
        later: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        tells: bool = True,
        held: Callable[[], str] = str,
        silent: Callable[[], float] = float,
    ) -> None:
        self._lock = threading.Lock()
        self._held, self._silent = held, silent
        self._monotonic = monotonic
        later = frozenset(later)
        self._pollers = {name: PollerState(each, later=name in later) for name, each in intervals.items()}
        self._metrics = metrics
        self._clock = clock
        self._flip = Flip(get_logger(__name__), clock=clock, tells=tells)
        self._started = clock()
        for name in intervals:
            self._set_failing(name, 0)
        if metrics and streams:
            for stream in set(streams.values()):
                own = [name for name in intervals if streams[name] == stream]
                metrics.fresh.labels(stream).set_function(partial(self._fresh, own))

    def _set_failing(self, name: str, failing: int) -> None:
        if self._metrics:
            self._metrics.failing.labels(label(name)).set(failing)

    def _fresh(self, names: Iterable[str]) -> float:
        """Asked at every scrape: data ages while nothing happens."""
        return float(not self.troubles().keys() & set(names))

    @property
    def pollers(self) -> dict[str, PollerState]:
        """A copy of the present states."""
        with self._lock:
            return dict(self._pollers)

    def began(self, name: str) -> None:
        """Poller `name` makes an attempt."""
        with self._lock:
            self._pollers[name] = replace(self._pollers[name], running=True, waiting="")

    def waits(self, name: str, reason: str) -> None:
        """Poller `name` does not begin yet, for the `reason`."""
        with self._lock:
            self._pollers[name] = replace(self._pollers[name], waiting=reason)

    def ok(self, name: str, **facts: Any) -> None:
        """Poller `name` succeeded; `facts` (JSON values) are shown with its state."""
        now = self._clock()
        with self._lock:
            state = self._pollers[name]
            self._pollers[name] = replace(
                state,
                succeeded_at=self._monotonic(),
                failures=0,
                last_success=now,
                reason="",
                retrying="",
                running=False,
                paused=False,
                facts=facts,
            )
        if self._metrics:
            self._metrics.last_success.labels(label(name)).set(now.timestamp())
        self._set_failing(name, 0)
        self._flip.ok(name)

    def failed(
        self, name: str, reason: str, *, paused: bool = False, error: BaseException | None = None
    ) -> None:
        """Poller `name` failed. `paused` turns readiness red at once, without waiting for the data to age."""
        reason = redact.scrub(reason)
        with self._lock:
            state = self._pollers[name]
            self._pollers[name] = replace(
                state,
                failed_at=self._monotonic(),
                failures=state.failures + 1,
                last_failure=self._clock(),
                reason=reason,
                retrying="",
                running=False,
                paused=paused,
            )
        self._set_failing(name, 1)
        # An outage ends by itself, a refused key does not: whoever knows of the one has to hear of the other.
        self._flip.failed(name, reason, error=error, is_news=paused and not state.paused)

    def retrying(self, name: str, reason: str) -> None:
        """Poller `name` sends a request again, for the `reason`; empty when it got its answer."""
        with self._lock:
            self._pollers[name] = replace(self._pollers[name], retrying=redact.scrub(reason))

    def troubles(self) -> dict[str, str]:
        """Each poller whose data is not fresh, with the reason; empty when all is well."""
        troubles: dict[str, str] = self.as_dict()["troubles"]
        return troubles

    def under_way(self) -> dict[str, str]:
        """Each poller that makes an attempt now, with what it waits for; empty where it goes on."""
        pollers = self.pollers
        held = self._why_held(pollers)
        return {name: state.waits_for(held) for name, state in pollers.items() if state.running}

    def _why_held(self, pollers: Mapping[str, PollerState]) -> str:
        """What a poller says that is under way and waits for the request of another."""
        retrying = (state.retrying for state in pollers.values() if state.retrying)
        why = redact.scrub(self._held()) or next(retrying, "")
        if not why and (seconds := self._silent()) >= _SILENT:
            why = f"no answer for {seconds:.0f} seconds"
        return f"requests to the Admin API wait: {why}" if why else ""

    def as_dict(self) -> dict[str, Any]:
        pollers, now = self.pollers, self._monotonic()
        held = self._why_held(pollers)
        troubles = {name: why for name, state in pollers.items() if (why := state.trouble(now, held))}
        return {
            "status": "not ready" if troubles else "ready",
            "started": iso(self._started, "auto"),
            "troubles": troubles,
            "pollers": {name: state.as_dict(held) for name, state in pollers.items()},
        }

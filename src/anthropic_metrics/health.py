"""Is the agent well? The state of its pollers, its counters, and the endpoint that shows both.

`/healthz` answers 200 while the process works, `/readyz` 200 while the data is fresh, `/metrics` speaks to
Prometheus.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import choose_encoder

from anthropic_metrics.config import HealthSettings
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.logs import Flip, get_logger
from anthropic_metrics.redaction import redact

_FRESH_FOR = 3  # intervals: one poll may fail and one be late before anybody is told
_PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Metrics:
    """The counters and gauges of one agent, in a registry of their own."""

    registry: CollectorRegistry
    documents: Counter
    requests: Counter
    retries: Counter
    rows_refused: Counter
    last_success: Gauge
    newest_data: Gauge
    fresh: Gauge
    differing: Gauge

    @classmethod
    def create(cls) -> Self:
        registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"anthropic_metrics_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"anthropic_metrics_{name}", text, labels, registry=registry)

        return cls(
            registry=registry,
            documents=counter(
                "documents_total", "Documents by what became of them (created, ...).", "stream", "outcome"
            ),
            requests=counter("requests_total", "Requests sent, by server and answer.", "server", "status"),
            retries=counter("retries_total", "Requests sent again.", "server"),
            rows_refused=counter(
                "rows_refused_total", "Rows of the Admin API that made no document.", "stream"
            ),
            last_success=gauge(
                "last_success_timestamp_seconds", "When the poller last ended well, as Unix time.", "poller"
            ),
            newest_data=gauge(
                "newest_data_timestamp_seconds",
                "End of the newest data in the stream, as Unix time.",
                "stream",
            ),
            fresh=gauge(
                "fresh", "Whether every poller of the stream ended well in time (1) or not (0).", "stream"
            ),
            differing=gauge(
                "grains_differing_buckets",
                "Buckets in which two grains of usage differed at the last daily comparison.",
                "comparison",
            ),
        )


@dataclass(frozen=True)
class PollerState:
    """How one poller stands. `paused`: it waits for a person, such as after a refused key.

    `succeeded_at` is in seconds of the monotonic clock: setting the wall clock does not change its age.
    """

    interval: timedelta
    succeeded_at: float | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    reason: str = ""
    paused: bool = False
    facts: Mapping[str, Any] | None = None

    def trouble(self, now: float) -> str:
        """Why its data is not fresh at `now`, in seconds of the monotonic clock; empty if it is."""
        if self.paused:
            return self.reason
        if self.succeeded_at is None:
            return self.reason or "has not succeeded yet"
        age = now - self.succeeded_at
        if age <= _FRESH_FOR * self.interval.total_seconds():
            return ""
        return f"last succeeded {age:.0f} seconds ago" + (f": {self.reason}" if self.reason else "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "interval_seconds": self.interval.total_seconds(),
            "last_success": self.last_success and self.last_success.isoformat(),
            "last_failure": self.last_failure and self.last_failure.isoformat(),
            "reason": self.reason,
            "paused": self.paused,
            "facts": self.facts or {},
        }


class Health:
    """What the pollers report about themselves. Thread-safe.

    `intervals` names the enabled pollers, `streams` the stream that each of them keeps. `clock` gives the
    times that are shown, `monotonic` the age of the data. Each flip between well and failing is logged once.
    """

    def __init__(
        self,
        intervals: Mapping[str, timedelta],
        *,
        streams: Mapping[str, str] | None = None,
        metrics: Metrics | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._pollers = {name: PollerState(interval) for name, interval in intervals.items()}
        self._metrics = metrics
        self._clock = clock
        self._flip = Flip(get_logger(__name__), clock=clock)
        self._started = clock()
        if metrics and streams:
            for stream in set(streams.values()):
                own = [name for name in intervals if streams[name] == stream]
                metrics.fresh.labels(stream).set_function(partial(self._fresh, own))

    def _fresh(self, names: Iterable[str]) -> float:
        """Asked at every scrape: data ages while nothing happens."""
        return float(not self.troubles().keys() & set(names))

    @property
    def pollers(self) -> dict[str, PollerState]:
        """A copy of the present states."""
        with self._lock:
            return dict(self._pollers)

    def ok(self, name: str, **facts: Any) -> None:
        """Poller `name` ended well; `facts` (JSON values) are shown with its state."""
        now = self._clock()
        with self._lock:
            state = self._pollers[name]
            self._pollers[name] = replace(
                state,
                succeeded_at=self._monotonic(),
                last_success=now,
                reason="",
                paused=False,
                facts=facts,
            )
        if self._metrics:
            self._metrics.last_success.labels(name).set(now.timestamp())
        self._flip.ok(name)

    def failed(
        self, name: str, reason: str, *, paused: bool = False, error: BaseException | None = None
    ) -> None:
        """Poller `name` failed. `paused` turns readiness red at once, without waiting for the data to age."""
        reason = redact.scrub(reason)
        with self._lock:
            state = self._pollers[name]
            self._pollers[name] = replace(state, last_failure=self._clock(), reason=reason, paused=paused)
        self._flip.failed(name, reason, error=error)

    def troubles(self) -> dict[str, str]:
        """Each poller whose data is not fresh, with the reason; empty when all is well."""
        now = self._monotonic()
        return {name: why for name, state in self.pollers.items() if (why := state.trouble(now))}

    def as_dict(self) -> dict[str, Any]:
        troubles = self.troubles()
        return {
            "status": "not ready" if troubles else "ready",
            "started": self._started.isoformat(),
            "troubles": troubles,
            "pollers": {name: state.as_dict() for name, state in self.pollers.items()},
        }


class HealthServer:
    """Serves the endpoint from threads of its own, from `start` (or `with`) to `stop`."""

    def __init__(self, settings: HealthSettings, health: Health, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._handler = _handler(health, registry)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> str:
        """Listen; the base URL. ConfigError if the address cannot be had."""
        address = (self._settings.host, self._settings.port)
        try:
            self._server = _Server(address, self._handler)
        except OSError as error:
            raise ConfigError(
                f"health.host, health.port: cannot listen on {address[0]}:{address[1]}: {error.strerror}.",
                cure="Another agent may be running; choose another port (0 takes any free one).",
            ) from None
        # The interval is how long `stop` may take.
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True).start()
        return self.url

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        if self._server is None:
            raise RuntimeError("the health endpoint was not started")
        return base_url(HealthSettings(host=self._settings.host, port=self._server.server_address[1]))

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        get_logger(__name__).debug("health_request_failed", exc_info=True)


def _handler(health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # A client that sends nothing must not hold a thread for ever.
        server_version = "anthropic-metrics"
        sys_version = ""

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/healthz":
                    self._json(200, {"status": "alive"})
                case "/readyz":
                    self._json(503 if health.troubles() else 200, health.as_dict())
                case "/metrics":
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, kind, encode(registry))
                case _:
                    self._json(404, {"paths": ["/healthz", "/readyz", "/metrics"]})

        def _json(self, status: int, body: Mapping[str, Any]) -> None:
            self._answer(status, "application/json", json.dumps(body, default=str).encode())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            body = redact.scrub(body.decode()).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes every few seconds are not worth a line."""

    return Handler


def base_url(settings: HealthSettings) -> str:
    """Where an agent with these settings is reached from its own machine."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)
    host = local.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def probe(url: str) -> bool:
    """Whether `url` answers 200 within five seconds; asked directly, whatever proxy the environment names."""
    try:
        with httpx.Client(trust_env=False, timeout=_PROBE_SECONDS) as client:
            return client.get(url).status_code == 200
    except (httpx.HTTPError, httpx.InvalidURL):
        return False

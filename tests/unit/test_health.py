"""Health over real HTTP: alive, ready while the data is fresh, and what Prometheus reads."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog

from anthropic_metrics import logs
from anthropic_metrics.config import HealthSettings
from anthropic_metrics.health import Health, Metrics, label
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.redaction import redact

START = datetime(2026, 3, 10, tzinfo=UTC)


class Clock:
    """A wall clock, and the monotonic one beside it, which `set_back` leaves alone."""

    def __init__(self) -> None:
        self.now, self.seconds = START, 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)
        self.seconds += timedelta(**by).total_seconds()

    def set_forward(self, **by: float) -> None:
        self.now += timedelta(**by)

    def set_back(self, **by: float) -> None:
        self.now -= timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.create()


@pytest.fixture
def health(clock: Clock, metrics: Metrics) -> Health:
    intervals = {"usage": timedelta(minutes=5), "cost": timedelta(hours=1)}
    return Health(intervals, metrics=metrics, clock=clock, monotonic=clock.monotonic)


@pytest.fixture
def client(health: Health, metrics: Metrics) -> Iterator[httpx.Client]:
    server = HealthServer(HealthSettings(port=0), health, metrics.registry)
    with server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def test_alive_from_the_start_but_ready_only_when_every_poller_has_succeeded(
    client: httpx.Client, health: Health
) -> None:
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == {"usage": "has not succeeded yet", "cost": "has not succeeded yet"}
    health.ok("usage", rows=12)
    assert client.get("/readyz").status_code == 503
    health.ok("cost")
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["pollers"]["usage"]["facts"] == {"rows": 12}


def test_ready_for_three_intervals_after_the_last_success(
    client: httpx.Client, health: Health, clock: Clock
) -> None:
    health.ok("usage")
    health.ok("cost")
    clock.tick(minutes=15)
    assert client.get("/readyz").status_code == 200
    clock.tick(seconds=1)
    assert client.get("/readyz").json()["troubles"] == {"usage": "last succeeded 901 seconds ago"}
    health.failed("usage", "the API is away")
    assert client.get("/readyz").json()["troubles"] == {
        "usage": "last succeeded 901 seconds ago: the API is away"
    }
    health.ok("usage")
    assert client.get("/readyz").status_code == 200


def test_data_ages_as_much_when_the_clock_is_set_back_or_forward(health: Health, clock: Clock) -> None:
    health.ok("usage")
    health.ok("cost")
    clock.set_forward(hours=5)
    assert health.troubles() == {}
    clock.set_back(hours=6)
    clock.tick(minutes=16)
    assert health.troubles() == {"usage": "last succeeded 960 seconds ago"}


def test_a_failure_alone_does_not_end_readiness_but_a_pause_does_at_once(health: Health) -> None:
    health.ok("usage")
    health.ok("cost")
    health.failed("usage", "503")
    assert health.troubles() == {}
    health.failed("usage", "the key was refused", paused=True)
    assert health.troubles() == {"usage": "the key was refused"}
    assert health.pollers["usage"].paused
    health.ok("usage")
    assert health.troubles() == {}


def test_a_pause_gives_the_newest_reason_as_the_poller_does(health: Health) -> None:
    health.failed("usage", "the key was refused", paused=True)
    health.began("usage")
    assert health.troubles()["usage"] == "the key was refused"
    health.retrying("usage", "The Admin API answered 429.")
    shown = health.as_dict()
    assert shown["troubles"]["usage"] == shown["pollers"]["usage"]["reason"] == "The Admin API answered 429."


def test_the_reason_of_a_first_failure_is_told(health: Health) -> None:
    health.failed("cost", "certificate refused")
    assert health.troubles()["cost"] == "certificate refused"


def test_a_poll_that_is_being_retried_says_why_before_it_fails(
    client: httpx.Client, health: Health, clock: Clock
) -> None:
    health.retrying("cost", "The Admin API answered 429.")
    health.ok("usage")
    clock.tick(minutes=16)
    health.retrying("usage", "The Admin API answered 429.")
    assert client.get("/readyz").json()["troubles"] == {
        "usage": "last succeeded 960 seconds ago: The Admin API answered 429.",
        "cost": "The Admin API answered 429.",
    }
    assert client.get("/readyz").json()["pollers"]["usage"]["reason"] == "The Admin API answered 429."
    health.retrying("usage", "")
    assert health.troubles()["usage"] == "last succeeded 960 seconds ago"
    health.retrying("usage", "The Admin API answered 429.")
    health.failed("usage", "Elasticsearch is away.")
    assert health.pollers["usage"].as_dict()["reason"] == "Elasticsearch is away."
    health.retrying("usage", "The Admin API answered 429.")
    health.ok("usage")
    assert health.pollers["usage"].as_dict()["reason"] == ""


def test_a_gauge_tells_which_pollers_fail_from_the_first_failed_attempt_to_the_next_good_one(
    health: Health, metrics: Metrics
) -> None:
    def failing() -> list[float | None]:
        ask = metrics.registry.get_sample_value
        return [ask("anthropic_metrics_failing", {"poller": name}) for name in ("usage", "cost")]

    assert failing() == [0, 0]
    health.failed("usage", "no route")
    assert failing() == [1, 0]
    health.failed("usage", "no route")
    health.ok("cost")
    assert failing() == [1, 0]
    health.ok("usage")
    assert failing() == [0, 0]


def test_flips_are_logged_once(health: Health) -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    for _ in range(3):
        health.failed("usage", "503")
    health.ok("usage")
    health.ok("usage")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == [
        "failure_began",
        "failure_ended",
    ]


def test_no_secret_is_shown(client: httpx.Client, health: Health) -> None:
    redact.add("health-test-secret")
    health.failed("usage", "key health-test-secret was refused")
    health.ok("cost", note="health-test-secret")
    assert "health-test-secret" not in client.get("/readyz").text
    assert "health-test-secret" not in str(health.pollers["usage"])


def test_prometheus_reads_every_metric(client: httpx.Client, health: Health, metrics: Metrics) -> None:
    health.ok("usage")
    metrics.documents.labels("metrics-x-default", "created").inc(3)
    metrics.requests.labels("admin_api", "200").inc()
    metrics.retries.labels("elasticsearch").inc()
    metrics.rows_refused.labels("metrics-x-default").inc()
    metrics.newest_data.labels("metrics-x-default").set(START.timestamp())
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'anthropic_metrics_documents_total{outcome="created",stream="metrics-x-default"} 3.0',
        'anthropic_metrics_requests_total{server="admin_api",status="200"} 1.0',
        'anthropic_metrics_retries_total{server="elasticsearch"} 1.0',
        'anthropic_metrics_rows_refused_total{stream="metrics-x-default"} 1.0',
        'anthropic_metrics_last_success_timestamp_seconds{poller="usage"} 1.77',
        'anthropic_metrics_newest_data_timestamp_seconds{stream="metrics-x-default"} 1.77',
    ):
        assert line in answer.text
    assert 'anthropic_metrics_build_info{python="3.' in answer.text
    assert "process_resident_memory_bytes" in answer.text
    assert "_created" not in answer.text


def test_one_gauge_tells_of_each_stream_whether_its_data_is_fresh(clock: Clock, metrics: Metrics) -> None:
    minutes, day = timedelta(minutes=5), timedelta(days=1)
    streams = {"usage": "metrics-u", "usage sweep": "metrics-u", "cost": "metrics-c"}
    intervals = {"usage": minutes, "usage sweep": day, "cost": minutes}
    health = Health(intervals, streams=streams, metrics=metrics, clock=clock, monotonic=clock.monotonic)

    def fresh() -> tuple[float | None, float | None]:
        ask = metrics.registry.get_sample_value
        name = "anthropic_metrics_fresh"
        return ask(name, {"stream": "metrics-u"}), ask(name, {"stream": "metrics-c"})

    assert fresh() == (0, 0)
    health.ok("usage")
    health.ok("cost")
    assert fresh() == (0, 1)
    health.ok("usage sweep")
    assert fresh() == (1, 1)
    health.failed("usage", "no route", paused=True)
    assert fresh() == (0, 1)
    health.ok("usage")
    clock.tick(minutes=16)
    assert fresh() == (0, 0)


def test_two_agents_in_one_process_do_not_share_counters() -> None:
    first, second = Metrics.create(), Metrics.create()
    first.retries.labels("x").inc()
    assert second.registry.get_sample_value("anthropic_metrics_retries_total", {"server": "x"}) is None


def test_other_paths_name_those_that_exist(client: httpx.Client) -> None:
    answer = client.get("/health")
    paths = ["/healthz", "/readyz", "/metrics", "/v1/budgets", "/v1/budgets/NAME"]
    assert (answer.status_code, answer.json()["paths"]) == (404, paths)


@pytest.mark.parametrize(
    ("job", "value"),
    [
        ("anthropic_metrics.usage_1m", "usage_1m"),
        ("anthropic_metrics.usage_1m sweep", "usage_1m_sweep"),
        ("anthropic_metrics.usage_1m adds up to anthropic_metrics.usage", "usage_1m_vs_usage"),
    ],
)
def test_label_values_are_short_words(job: str, value: str) -> None:
    assert label(job) == value


def test_data_is_fresh_before_the_first_turn_of_a_sweep_but_not_after_one_that_failed(clock: Clock) -> None:
    intervals = {"usage": timedelta(minutes=5), "usage sweep": timedelta(days=1)}
    health = Health(intervals, later=["usage sweep"], clock=clock, monotonic=clock.monotonic)
    health.ok("usage")
    assert health.troubles() == {}
    health.failed("usage sweep", "503")
    assert health.troubles() == {"usage sweep": "503"}


def test_many_threads_may_report_at_once(health: Health, metrics: Metrics) -> None:
    start = threading.Barrier(8)

    def report() -> None:
        start.wait()
        for _ in range(200):
            health.failed("usage", "503")
            health.ok("usage")
            health.as_dict()

    threads = [threading.Thread(target=report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.pollers["usage"].last_success == START


def test_a_poller_under_way_has_the_reason_for_which_the_request_of_another_is_sent_again(
    health: Health, clock: Clock
) -> None:
    health.began("usage")
    health.began("cost")
    health.retrying("usage", "503")
    assert health.troubles() == {"usage": "503", "cost": "requests to the Admin API wait: 503"}
    health.ok("cost")
    clock.tick(hours=4)
    assert health.troubles()["cost"] == "last succeeded 14400 seconds ago", "it is not under way"
    health.ok("usage")
    health.began("cost")
    assert health.troubles()["cost"] == "last succeeded 14400 seconds ago"


def test_what_a_poll_under_way_waits_for_is_not_why_the_one_before_failed(health: Health) -> None:
    for name in ("usage", "cost"):
        health.failed(name, "The Admin API answered 503.")
    health.began("usage")
    assert health.under_way() == {"usage": ""}
    health.retrying("usage", "The Admin API answered 429.")
    assert health.under_way() == {"usage": "The Admin API answered 429."}


def test_a_sweep_that_has_not_had_its_first_turn_is_no_trouble_while_requests_are_held(clock: Clock) -> None:
    health = Health(
        {"usage": timedelta(minutes=5), "usage sweep": timedelta(days=1)},
        later=["usage sweep"],
        monotonic=clock.monotonic,
        held=lambda: "429",
    )
    health.began("usage sweep")
    assert health.troubles() == {"usage": "has not succeeded yet"}
    assert health.as_dict()["pollers"]["usage sweep"]["reason"] == "requests to the Admin API wait: 429"


def test_a_failure_that_the_command_shows_itself_is_a_debug_line(clock: Clock) -> None:
    health = Health({"usage": timedelta(minutes=5)}, clock=clock, tells=False)
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    health.failed("usage", "503")
    assert stream.getvalue() == ""
    logs.configure("debug", "json", stream)
    health.ok("usage")
    health.failed("usage", "503")
    assert "failure_began" in stream.getvalue()


def test_a_key_that_is_refused_during_an_outage_is_told_as_a_failure_of_its_own(clock: Clock) -> None:
    health = Health({"usage": timedelta(minutes=5)}, clock=clock)
    with structlog.testing.capture_logs() as events:
        health.failed("usage", "503")
        for _ in range(2):
            health.failed("usage", "The key is refused.", paused=True)
        health.failed("usage", "503")
        health.ok("usage")
    told = [event["reason"] for event in events if event["event"] == "failure_began"]
    assert told == ["503", "The key is refused."]
    assert [event["times"] for event in events if event["event"] == "failure_ended"] == [4]

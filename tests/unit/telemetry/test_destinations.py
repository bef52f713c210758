"""The telemetry destinations as the Admin API lists them: what is read, written, measured and checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import structlog
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.destinations import Destination
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.checks.finding import Status
from anthropic_metrics.checks.telemetry import destinations
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.errors import AuthError
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects
from anthropic_metrics.simulator.destinations import destination
from anthropic_metrics.telemetry.poller import TelemetryPoller

NOW = datetime(2026, 10, 6, 15, 42, tzinfo=UTC)
FAILED: dict[str, Any] = {"last_error_at": "2026-10-06T15:40:00Z", "last_error": "HTTP error (status 503)"}


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(Simulation(SettableClock(NOW), days=1)) as running:
        yield running


@pytest.fixture
def client(server: SimulatorServer) -> Iterator[AdminClient]:
    settings = AnthropicSettings(
        base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    )
    with AdminClient(settings, retry=RetryPolicy(attempts=1)) as made:
        yield made


class Written:
    """In place of the streams."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def reconcile(self, stream: str, window: Any, documents: Any, **_: Any) -> Outcome:
        self.documents |= {each.id: each.source for each in documents}
        return Outcome()


class Polled:
    """A poller whose clock a test moves."""

    def __init__(self, client: AdminClient, enabled: str = "auto") -> None:
        self.now = NOW
        self.written = Written()
        config = Config.model_validate({"telemetry": {"enabled": enabled}})
        inventory = Inventory(AdminDirectory(client))
        poller = TelemetryPoller(config, client, inventory, clock=lambda: self.now)
        nothing: Any = None
        (self.job,) = poller.live(Sink(cast(Any, self.written), nothing, nothing))

    def poll(self, *, in_pass: bool = False) -> Tally:
        tally = Tally("telemetry", "s", in_pass=in_pass)
        self.job.run(tally)
        return tally


def asked(server: SimulatorServer) -> int:
    return sum(each.path.endswith("/telemetry_destinations") for each in server.requests)


def test_each_slot_has_one_document_a_destination_and_a_repeated_poll_makes_no_second_one(
    server: SimulatorServer, client: AdminClient
) -> None:
    server.simulation.destinations = [destination("a"), destination("b", **FAILED)]
    polled = Polled(client)
    polled.poll()
    polled.now += timedelta(minutes=2)
    tally = polled.poll()
    assert tally.delivers == {"a": True, "b": False}
    assert tally.rows == 2
    found = {each["anthropic"]["telemetry"]["name"]: each for each in polled.written.documents.values()}
    assert len(polled.written.documents) == 2
    assert found["b"]["@timestamp"] == "2026-10-06T15:30:00Z"
    assert found["b"]["event"]["action"] == "telemetry"
    assert found["b"]["anthropic"]["telemetry"] == {
        "destination_id": "tdst_b",
        "name": "b",
        "host": "b.example",
        "health": "failing",
        "delivers": False,
        "content_mode": "metadata_only",
        "workspaces": "all",
        "last_success_at": "2026-10-06T15:39:00Z",
        "last_error_at": "2026-10-06T15:40:00Z",
        "last_error": "HTTP error (status 503)",
    }
    polled.now += timedelta(minutes=15)
    polled.poll()
    assert len(polled.written.documents) == 4


@pytest.mark.parametrize("code", [400, 403, 404])
def test_an_organization_without_the_preview_is_no_failure_and_is_asked_again_once_a_day(
    server: SimulatorServer, client: AdminClient, code: int
) -> None:
    server.simulation.destinations = [destination("a")]
    server.faults.add(effects.status(code), "*/telemetry_destinations", times=1)
    polled = Polled(client)
    assert polled.poll().delivers == {}, "what was known before is not known any more"
    polled.now += timedelta(hours=23)
    assert polled.poll().done
    assert asked(server) == 1
    polled.now += timedelta(hours=1)
    assert polled.poll().delivers == {"a": True}


@pytest.mark.parametrize(("in_pass", "level"), [(False, "info"), (True, "debug")])
def test_the_missing_preview_is_logged_once_and_in_a_pass_only_for_debugging(
    client: AdminClient, in_pass: bool, level: str
) -> None:
    polled = Polled(client)
    with structlog.testing.capture_logs() as events:
        for _ in range(3):
            polled.poll(in_pass=in_pass)
            polled.now += timedelta(days=1)
    told = [event for event in events if event["event"] == "telemetry_destinations_not_readable"]
    assert [event["log_level"] for event in told] == [level]


def test_a_refused_key_fails_and_so_does_a_missing_preview_that_is_asked_for(
    server: SimulatorServer, client: AdminClient
) -> None:
    with pytest.raises(AuthError, match="not enrolled"):
        Polled(client, "true").poll()
    server.faults.add(effects.status(401), "*/telemetry_destinations", times=1)
    with pytest.raises(AuthError):
        Polled(client, "auto").poll()


@pytest.mark.parametrize(
    ("row", "health"),
    [
        (destination("a"), "ok"),
        (destination("a", **FAILED), "failing"),
        (destination("a", last_success_at=None), "unused"),
        (destination("a", **(FAILED | {"last_success_at": None})), "failing"),
        (destination("a", last_error_at="2026-10-06T15:00:00Z", last_error="TLS failure"), "ok"),
        (destination("a", "disabled"), "disabled"),
        (destination("a") | {"traces": {"enabled": False}}, "off"),
        ({"id": "tdst_1", "endpoint_url": "https://[::1/x"}, "unused"),
    ],
)
def test_health_follows_the_last_delivery(row: dict[str, Any], health: str) -> None:
    assert Destination.model_validate(row).health == health


def test_no_part_of_an_address_but_its_host_is_kept() -> None:
    row = destination("a") | {"endpoint_url": "https://user:secret@in.example/path-of-a-secret"}
    assert Destination.model_validate(row).host == "in.example"
    assert Destination.model_validate({"id": "tdst_1", "endpoint_url": "https://[::1/x"}).host is None


@pytest.mark.parametrize(
    ("rows", "enabled", "status", "said", "cure"),
    [
        (None, "auto", Status.skipped, "docs/requests.md says how", ""),
        (None, "true", Status.failed, "not enrolled", "telemetry.enabled"),
        ([], "auto", Status.warning, "none", "https://<elasticsearch>/_otlp"),
        ([destination("a")], "auto", Status.ok, "a: ok", ""),
        ([destination("a", **FAILED)], "auto", Status.failed, "HTTP error (status 503)", "spans"),
        ([destination("a", "disabled")], "auto", Status.failed, "sustained_failure", "Fix the endpoint"),
        ([destination("a", "disabled", why="redirect")], "auto", Status.failed, "redirect", "address"),
        (
            [destination("a") | {"traces": {"enabled": True, "content_mode": "content"}}],
            "auto",
            Status.warning,
            "prompts and answers included",
            "metadata only",
        ),
    ],
)
def test_check_says_whether_spans_arrive_and_how_to_get_them(
    server: SimulatorServer,
    client: AdminClient,
    rows: list[dict[str, Any]] | None,
    enabled: str,
    status: Status,
    said: str,
    cure: str,
) -> None:
    server.simulation.destinations = rows
    found = destinations(client, Config.model_validate({"telemetry": {"enabled": enabled}}))
    assert found.status is status
    assert said in found.details
    assert cure in found.cure


def test_check_skips_destinations_that_an_organization_lacks_without_blaming_its_key(
    server: SimulatorServer, client: AdminClient
) -> None:
    server.simulation.destinations = None
    found = destinations(client, Config())
    assert found.status is Status.skipped
    assert "key" not in found.details

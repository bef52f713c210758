"""The endpoint over real sockets: who may ask, for how long, and what a health check is told."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from anthropic_metrics import health_server
from anthropic_metrics.config import HealthSettings
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.health import Health, Metrics
from anthropic_metrics.health_server import CONNECTIONS, HealthServer
from anthropic_metrics.healthcheck import address, trouble

HOST = "127.0.0.1"


@pytest.fixture
def health() -> Health:
    return Health({"usage": timedelta(minutes=5)})


@pytest.fixture
def make(health: Health) -> Callable[..., HealthServer]:
    def server(port: int = 0, **options: Any) -> HealthServer:
        return HealthServer(HealthSettings(port=port), health, Metrics.create().registry, **options)

    return server


@pytest.fixture
def server(make: Callable[..., HealthServer]) -> Iterator[HealthServer]:
    with make() as running:
        yield running


def port_of(server: HealthServer) -> int:
    return int(server.url.rpartition(":")[2])


def ask(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


class Flipping(Health):
    """Its poller succeeds right after each look at it."""

    def as_dict(self) -> dict[str, Any]:
        shown = super().as_dict()
        self.ok("usage")
        return shown

    def troubles(self) -> dict[str, str]:
        found = super().troubles()
        self.ok("usage")
        return found


def test_the_status_and_the_body_of_readyz_say_the_same_while_a_poll_ends() -> None:
    health = Flipping({"usage": timedelta(minutes=5)})
    with HealthServer(HealthSettings(port=0), health, Metrics.create().registry) as server:
        answers = [httpx.get(f"{server.url}/readyz", trust_env=False) for _ in range(2)]
    said = [(answer.status_code, answer.json()["status"]) for answer in answers]
    assert said == [(503, "not ready"), (200, "ready")]


def test_slow_connections_make_room_for_others(server: HealthServer) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection((HOST, port_of(server))))
            for _ in range(10 * CONNECTIONS)
        ]
        for connection in slow:
            try:
                connection.sendall(b"G")
            except OSError:
                continue  # it has made room already
        assert trouble(HOST, port_of(server)) == ""
        assert len(server._open) <= CONNECTIONS


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["nothing", "half a request"])
def test_a_request_has_a_deadline_as_a_whole(make: Callable[..., HealthServer], sent: bytes) -> None:
    with make(seconds=0.2) as server, socket.create_connection((HOST, port_of(server)), 60) as connection:
        connection.sendall(sent)
        assert ask(connection) == b""


def test_without_a_connection_nothing_wakes_the_server_up(server: HealthServer) -> None:
    assert trouble(HOST, port_of(server)) == ""
    with socket.create_connection((HOST, port_of(server)), 60) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert ask(connection)  # to its end, which the server sends once it has let the connection go
    assert server._patience() is None


def test_a_request_may_come_in_pieces_and_an_endless_one_is_dropped(server: HealthServer) -> None:
    with socket.create_connection((HOST, port_of(server)), 60) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        connection.sendall(b"Host: x\r\n\r\n")
        assert ask(connection).startswith(b"HTTP/1.1 200 OK\r\n")
    with socket.create_connection((HOST, port_of(server)), 60) as connection:
        connection.sendall(b"x" * 20_000)
        with suppress(ConnectionError):
            assert ask(connection) == b""


def test_only_get_is_answered(server: HealthServer) -> None:
    answer = httpx.post(f"{server.url}/metrics", trust_env=False)
    assert (answer.status_code, answer.json()) == (405, {"methods": ["GET"]})


def test_an_answer_that_cannot_be_made_does_not_end_the_server(
    server: HealthServer, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_server, "choose_encoder", lambda _: 1 / 0)
    assert httpx.get(f"{server.url}/metrics", trust_env=False).status_code == 503
    assert trouble(HOST, port_of(server)) == ""


def test_an_address_that_is_taken_is_no_problem_of_the_configuration(
    make: Callable[..., HealthServer],
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RetryLater, match=rf"health\.port: cannot listen on 127\.0\.0\.1:{port}: Address"):
            make(port).start()


def test_stopping_frees_the_port_and_may_be_repeated(make: Callable[..., HealthServer]) -> None:
    server = make()
    server.start()
    port = port_of(server)
    server.stop()
    server.stop()
    assert trouble(HOST, port)
    with make(port):
        assert trouble(HOST, port) == ""


def test_an_empty_host_is_the_default_and_not_every_address() -> None:
    assert HealthSettings(host="").host == HOST


def test_a_check_says_why_the_daemon_does_not_work(server: HealthServer) -> None:
    assert trouble(HOST, port_of(server)) == ""
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        assert "does not answer within 0.1 seconds" in trouble(HOST, port, seconds=0.1)
    assert trouble(HOST, port).startswith(f"nobody listens at http://127.0.0.1:{port}/healthz: it ")
    assert "cannot be reached" in trouble("no.such.host.invalid", 1)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("0.0.0.0", "http://127.0.0.1:9321"),
        ("::", "http://[::1]:9321"),
        ("localhost", "http://localhost:9321"),
    ],
)
def test_an_agent_that_listens_everywhere_is_asked_on_its_own_machine(host: str, expected: str) -> None:
    assert address(host, 9321) == expected


def check(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anthropic_metrics.healthcheck"]
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_check_of_a_container_finds_the_address_as_the_agent_does(
    server: HealthServer, tmp_path: Path
) -> None:
    port = port_of(server)
    assert check(tmp_path, ANTHROPIC_METRICS_HEALTH__PORT=str(port), HTTP_PROXY="http://x:1").returncode == 0
    done = check(tmp_path, ANTHROPIC_METRICS_HEALTH__PORT="1")
    assert (done.returncode, done.stderr.startswith("anthropic-metrics: nobody listens")) == (1, True)
    for text in (f"namespace: x\nhealth:\n  port: {port}\n", f"\ufeffhealth:\n  port: {port}\n"):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        assert check(tmp_path).returncode == 0
    (tmp_path / "config.yaml").write_text("health: {port: many}\n")
    done = check(tmp_path)
    assert (done.returncode, "Traceback" in done.stderr, "health.port" in done.stderr) == (1, False, True)


def test_the_check_of_a_container_imports_nothing_of_the_agent() -> None:
    code = (
        "import sys; before = set(sys.modules); import anthropic_metrics.healthcheck; "
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = {name for name in done.stdout.split() if name.startswith("anthropic_metrics")}
    assert own == {"anthropic_metrics", "anthropic_metrics.healthcheck"}
    others = set(done.stdout.split()) - own
    assert {name.partition(".")[0] for name in others} <= sys.stdlib_module_names
    assert not others & {"asyncio", "email", "http", "json", "pathlib", "ssl", "typing", "urllib"}

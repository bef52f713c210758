"""A crowd of slow clients at the health endpoint of a daemon that may open 32 files."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from anthropic_metrics.healthcheck import trouble
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import COMMAND, environment

HOST = "127.0.0.1"
CLIENTS, FILES = 120, 32
LOG = "agent.log"


@contextmanager
def crowd(port: int) -> Iterator[None]:
    """So many connections that send a byte now and then; one that is closed comes again."""
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.1):
            with suppress(OSError), socket.create_connection((HOST, port), 5) as connection:
                while not over.wait(0.5):
                    connection.sendall(b"x")

    threads = [threading.Thread(target=drip) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until_none(trouble: Callable[[], str]) -> None:
    """Wait until there is no trouble, for a minute at most."""
    asked = threading.Event()
    for _ in range(300):
        if not (last := trouble()):
            return
        asked.wait(0.2)
    raise AssertionError(last)


def unready(port: int) -> str:
    """Why the agent is not ready; empty when it is."""
    try:
        answer = httpx.get(f"http://{HOST}:{port}/readyz", trust_env=False)
    except httpx.HTTPError as error:
        return repr(error)
    return "" if answer.status_code == 200 else answer.text


@contextmanager
def daemon(folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`run`, with few files; it does not outlive the block."""
    with (
        (folder / LOG).open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [*COMMAND, "run"],
            cwd=folder,
            env=variables,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)),
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_a_crowd_of_slow_clients_starves_neither_the_polls_nor_the_health_check(
    tmp_path: Path, elasticsearch_url: str, namespace: str
) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with SimulatorServer(Simulation(RealClock(), days=1)) as server:
        variables = environment(
            ANTHROPIC_ADMIN_API_KEY=ADMIN_KEY,
            ANTHROPIC_METRICS_ANTHROPIC__BASE_URL=server.url,
            ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE="6000",
            ANTHROPIC_METRICS_BACKFILL="1h",
            ANTHROPIC_METRICS_HEALTH__PORT=str(port),
            ANTHROPIC_METRICS_NAMESPACE=namespace,
            ANTHROPIC_METRICS_USAGE__MINUTE_BACKFILL="10m",
            ELASTICSEARCH_URL=elasticsearch_url,
        )
        with daemon(tmp_path, variables) as process:
            until_none(lambda: trouble(HOST, port))
            with crowd(port):
                until_none(lambda: unready(port))
                assert trouble(HOST, port) == ""
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert "Too many open files" not in (tmp_path / LOG).read_text("utf-8")

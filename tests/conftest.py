"""Servers that tests talk to, and an environment that does not depend on the machine.

A missing server is a failure that names its cure, never a skip.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch
from hypothesis import settings

from anthropic_metrics.cli import render
from anthropic_metrics.elastic.connect import FastJson
from anthropic_metrics.embedded import EmbeddedElasticsearch
from anthropic_metrics.errors import MetricsError
from tests.harness import command_schemas
from tests.harness.workers import together
from tests.servers.processors import ProcessorsServer

# How long an example takes says nothing about what it shows.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

MACHINE = dict(os.environ)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# The agent reads a file so named whenever it loads a configuration: 35 ms for a machine's usual authorities.
AUTHORITIES = ("ssl_cert_file", "ssl_cert_dir")
OURS = ("ANTHROPIC_", "ELASTICSEARCH_", "KIBANA_")
KEPT = ("ANTHROPIC_METRICS_CACHE",)  # where the embedded server lies: no behaviour under test


MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30

# The servers of tests live for minutes; the full compiler would take half of a run's processor time.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files that share a world go to one worker, where files are what workers take."""
    return together(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Short files last: two workers that take file after file end at the same time."""
    items.sort(key=lambda item: "unit" in item.path.parts)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, authority, key or URL of this machine reaches a test."""
    for name in MACHINE:
        if name.lower() in PROXIES + AUTHORITIES or (name.startswith(OURS) and name not in KEPT):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def published_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command prints in a test has the form that docs/schemas says."""

    def show(answer: render.Answer, format: render.Format = render.Format.table) -> None:
        command_schemas.hold(answer)
        printed(answer, format)

    printed = render.show
    monkeypatch.setattr(render, "show", show)


@pytest.fixture(scope="session")
def machine_environ() -> dict[str, str]:
    """The environment as it was, for the few tests that run an installer."""
    return dict(MACHINE)


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """A real Elasticsearch: the one named by ELASTICSEARCH_URL, else an embedded one for this session."""
    named = MACHINE.get("ELASTICSEARCH_URL")
    if named:
        yield named.rstrip("/")
        return
    # A worker's tests leave hundreds of indices behind, and the default heap refused them in the end.
    with TemporaryDirectory(prefix="anthropic-metrics-tests-", dir=_memory()) as data:
        yield from _running(EmbeddedElasticsearch(data=Path(data), heap="1g"))


@pytest.fixture(scope="session")
def processors_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that runs ingest pipelines (`_simulate`); servers/processors.py says what differs."""
    yield from _running(ProcessorsServer(tmp_path_factory.mktemp("processors")))


def _memory() -> Path | None:
    """A folder in memory with room for a worker's 300 MB, if there is one.

    Elasticsearch waits for the disk at each write and each change of the cluster's state: a tenth of the time
    of tests that poll.
    """
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK) else None
    except OSError:
        return None


def _running(server: EmbeddedElasticsearch | ProcessorsServer) -> Iterator[str]:
    try:
        url = server.start()
    except MetricsError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def es(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    # Reading whole streams is a good part of what the long tests do.
    fast = {FastJson.mimetype: FastJson()}
    with Elasticsearch(elasticsearch_url, request_timeout=60, serializers=fast) as client:
        yield client


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test's own; its data streams go afterwards where the server can delete them.

    The embedded server cannot (it has no DELETE _data_stream), and ends with the session anyway.
    """
    name = f"t{uuid.uuid4().hex[:8]}"
    needs_server = "es" in request.fixturenames or "elasticsearch_url" in request.fixturenames
    client: Elasticsearch | None = request.getfixturevalue("es") if needs_server else None
    yield name
    if client is not None:
        with suppress(ApiError):
            client.indices.delete_data_stream(name=f"metrics-anthropic_metrics.*-{name}")

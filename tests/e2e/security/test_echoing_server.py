"""A server that sends the credentials back, in errors of every kind, gets them onto no screen or file."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.harness.command_line import run

ADMIN = "sk-ant-admin01-EchoedBackToYou-0001"
CLUSTER = b64encode(b"echoed-id:echoed-cluster-key").decode()
KIBANA = "echoed-kibana-key-0003"
PARTS = ("EchoedBackToYou", CLUSTER[:12], "echoed-cluster", "echoed-kibana")


class _Echo(BaseHTTPRequestHandler):
    """Refuses everything with all headers of the request in its words, so that a cut falls within a key."""

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        said = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        padded = "x" * (1000 - said.find("cho") % 1000) + said
        error = {"type": f"refused {said}", "reason": padded, "message": padded}
        body = json.dumps(
            {"error": error, "message": padded, "version": {"number": f"8.19.0 {said}"}}
        ).encode()
        self.send_response(403 if self.path.startswith("/v1/") else 400)
        for name, value in (("X-Elastic-Product", "Elasticsearch"), ("Content-Type", "application/json")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("check", "--format", "json"),
        ("once",),
        ("setup",),
        ("alerts", "evaluate"),
        ("alerts", "install"),
        ("corrections",),
        ("dashboards", "render"),
    ],
    ids=" ".join,
)
def test_no_command_shows_a_credential_that_a_server_sends_back(
    tmp_path: Path, echo: str, arguments: tuple[str, ...]
) -> None:
    done = run(
        tmp_path,
        *arguments,
        ANTHROPIC_ADMIN_API_KEY=ADMIN,
        ANTHROPIC_METRICS_ANTHROPIC__BASE_URL=echo,
        ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE="6000",
        ELASTICSEARCH_URL=echo,
        ELASTICSEARCH_API_KEY=CLUSTER,
        KIBANA_URL=echo,
        KIBANA_API_KEY=KIBANA,
        ANTHROPIC_METRICS_LOG__LEVEL="debug",
    )
    written = "".join(path.read_text("utf-8") for path in tmp_path.iterdir())
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    for part in PARTS:
        assert part not in done.stdout + done.stderr + written

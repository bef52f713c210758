"""Kibana behind a private authority: its own setting, and the cause of a refusal named."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from anthropic_metrics.config import KibanaSettings
from anthropic_metrics.errors import ConfigError, RetryLater
from anthropic_metrics.kibana.client import KibanaClient


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"version": {"number": "9.1.0"}}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def url(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def version(url: str, **settings: Any) -> tuple[int, ...]:
    with KibanaClient(KibanaSettings.model_validate({"url": url, **settings})) as client:
        return client.version()


def test_a_named_authority_is_trusted_and_verification_can_be_turned_off(
    url: str, authority: trustme.CA, tmp_path: Path
) -> None:
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    assert version(url, ca_certs=str(pem)) == (9, 1, 0)
    assert version(url, verify_certs=False) == (9, 1, 0)


def test_an_unknown_authority_names_the_setting_and_a_wrong_one_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(RetryLater) as caught:
        version(url)
    assert "Name the authority that signed it in kibana.ca_certs" in caught.value.cure
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(RetryLater) as caught:
        version(url, ca_certs=str(other))
    assert "did not sign this certificate" in caught.value.cure


def test_a_file_that_is_no_certificate_is_a_configuration_error(url: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.der"
    file.write_bytes(b"0\x82")
    with pytest.raises(ConfigError, match=r"kibana\.ca_certs: .*holds no PEM certificate"):
        version(url, ca_certs=str(file))

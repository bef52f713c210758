"""The client over real sockets: what only a network, a proxy or a certificate can do to it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import get_args

import pytest
import trustme

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import AnswerTooLarge, BadRequest, ConfigError, RetryLater, Stopped
from tests.harness.admin_script import KEY
from tests.servers.broken_http import (
    GOOD,
    Reply,
    Server,
    bomb,
    gigabyte,
    half,
    half_compressed,
    half_of_unknown_length,
    hung_up,
    no_http,
    not_compressed_at_all,
    reset_in_mid_body,
    unfinished_chunks,
    whole,
)
from tests.servers.drip import DripServer, Part

ME = "/v1/organizations/me"


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*replies: Reply, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(*replies, tls=tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def client(url: str, attempts: int = 2, ca_file: Path | None = None) -> AdminClient:
    settings = AnthropicSettings.model_validate({"admin_key": KEY, "base_url": url, "ca_file": ca_file})
    return AdminClient(settings, sleep=lambda _: None, retry=RetryPolicy(attempts=attempts))


@pytest.mark.parametrize(
    "failure",
    [
        half,
        half_of_unknown_length,
        half_compressed,
        not_compressed_at_all,
        unfinished_chunks,
        reset_in_mid_body,
        hung_up,
        no_http,
    ],
)
def test_an_answer_that_is_not_whole_is_asked_for_again_and_never_half_used(
    serve: Callable[..., Server], failure: Reply
) -> None:
    server = serve(failure, failure, whole)
    with client(f"http://127.0.0.1:{server.port}", attempts=3) as admin:
        assert admin.get(ME) == json.loads(GOOD)
    assert len(server.lines) == 3


def test_an_answer_that_is_never_whole_names_the_host(serve: Callable[..., Server]) -> None:
    server = serve(reset_in_mid_body)
    with client(f"http://127.0.0.1:{server.port}") as admin, pytest.raises(RetryLater, match=r"127\.0\.0\.1"):
        admin.get(ME)


def test_a_server_that_is_not_there_is_named_with_a_cure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with client(f"http://127.0.0.1:{port}") as admin, pytest.raises(RetryLater) as raised:
        admin.get(ME)
    assert f"127.0.0.1:{port}" in raised.value.message
    assert "HTTPS_PROXY" in raised.value.cure


def test_a_name_that_does_not_resolve_is_told() -> None:
    with (
        client("http://admin.invalid", attempts=1) as admin,
        pytest.raises(RetryLater, match=r"admin\.invalid"),
    ):
        admin.get(ME)


def test_a_request_goes_through_the_proxy_of_the_environment(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(whole)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    with client("http://admin.invalid") as admin:
        assert admin.get(ME)["id"] == "org_1"
    assert proxy.lines == [f"GET http://admin.invalid{ME} HTTP/1.1"]


def test_no_proxy_is_used_for_the_hosts_that_the_environment_exempts(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = serve(whole), serve(whole)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with client(f"http://127.0.0.1:{server.port}") as admin:
        admin.get(ME)
    assert (len(server.lines), proxy.lines) == (1, [])


def test_a_proxy_that_refuses_is_told_and_its_password_is_not(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(whole)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}")
    with (
        client("https://admin.invalid") as admin,
        pytest.raises(RetryLater, match="Blocked by policy") as raised,
    ):
        admin.get(ME)
    assert proxy.lines[0] == "CONNECT admin.invalid:443 HTTP/1.1"
    assert "hunter2" not in str(raised.value)


def test_a_certificate_of_an_unknown_authority_is_refused_once_with_the_setting_named(
    serve: Callable[..., Server], tls: ssl.SSLContext
) -> None:
    server = serve(whole, tls=tls)
    with client(f"https://127.0.0.1:{server.port}", attempts=5) as admin:
        with pytest.raises(RetryLater, match=r"anthropic\.ca_file"):
            admin.get(ME)
        assert admin.stats.requests == 1
    assert server.lines == []


def test_the_authority_in_ca_file_is_trusted_besides_the_usual_ones(
    serve: Callable[..., Server], tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    server = serve(whole, tls=tls)
    with client(f"https://127.0.0.1:{server.port}", ca_file=file) as admin:
        assert admin.get(ME)["id"] == "org_1"


def test_the_authorities_of_the_environment_are_trusted(
    serve: Callable[..., Server],
    tls: ssl.SSLContext,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    server = serve(whole, tls=tls)
    with client(f"https://127.0.0.1:{server.port}") as admin:
        assert admin.get(ME)["id"] == "org_1"


def test_a_certificate_for_another_host_is_refused(
    serve: Callable[..., Server], authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.test").configure_cert(context)
    server = serve(whole, tls=context)
    with (
        client(f"https://127.0.0.1:{server.port}", ca_file=file) as admin,
        pytest.raises(RetryLater) as raised,
    ):
        admin.get(ME)
    assert "certificate" in raised.value.message


def test_a_ca_file_without_certificates_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(ConfigError, match=r"anthropic\.ca_file"):
        client("https://127.0.0.1:1", ca_file=file)


def test_a_redirect_is_never_followed_with_the_key(serve: Callable[..., Server]) -> None:
    elsewhere = serve(whole)

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("location", f"http://127.0.0.1:{elsewhere.port}/steal")
        handler.send_header("content-length", "0")
        handler.end_headers()

    server = serve(redirect)
    with client(f"http://127.0.0.1:{server.port}") as admin, pytest.raises(BadRequest, match="302"):
        admin.get(ME)
    assert elsewhere.lines == []


def test_one_connection_serves_many_requests(serve: Callable[..., Server]) -> None:
    ports = []

    def remember(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        whole(handler)

    server = serve(remember)
    with client(f"http://127.0.0.1:{server.port}") as admin:
        for _ in range(3):
            admin.get(ME)
    assert len(set(ports)) == 1


@pytest.mark.parametrize("reply", [bomb, gigabyte])
def test_an_answer_beyond_the_limit_is_refused_with_little_memory(
    serve: Callable[..., Server], reply: Reply
) -> None:
    server = serve(reply)
    settings = AnthropicSettings.model_validate(
        {"admin_key": KEY, "base_url": f"http://127.0.0.1:{server.port}", "max_answer_bytes": 4 * 2**20}
    )
    with AdminClient(settings) as admin:
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLarge):
                admin.get(ME)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 32 * 2**20
    assert len(server.lines) == 1


@pytest.mark.parametrize("part", get_args(Part))
def test_a_request_must_be_answered_whole_by_the_deadline(part: Part) -> None:
    with DripServer(part) as drip:
        settings = AnthropicSettings.model_validate({"admin_key": KEY, "base_url": drip.url})
        settings = settings.model_copy(update={"timeout": timedelta(milliseconds=100)})
        with (
            AdminClient(settings, retry=RetryPolicy(attempts=1)) as admin,
            pytest.raises(RetryLater, match="Timeout"),
        ):
            admin.get(ME)


@pytest.mark.parametrize("part", get_args(Part))
def test_a_stop_ends_an_answer_that_drips(part: Part) -> None:
    stop = threading.Event()
    with DripServer(part, pause=3600) as drip:
        settings = AnthropicSettings.model_validate({"admin_key": KEY, "base_url": drip.url})

        def stop_when_reached() -> None:
            drip.reached.wait()
            stop.set()

        asker = threading.Thread(target=stop_when_reached)
        asker.start()
        with AdminClient(settings, stop=stop) as admin, pytest.raises(Stopped):
            admin.get(ME)
        asker.join()

"""The client as configured: keys that rotate, TLS, versions; no key in sight."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from anthropic_metrics.config import ElasticsearchSettings
from anthropic_metrics.elastic.connect import ServerVersion, connect, server_version
from anthropic_metrics.errors import AuthError, ConfigError, RetryLater


class Handler(BaseHTTPRequestHandler):
    """Just enough of Elasticsearch: knows one key, and its version."""

    accepted = "ApiKey new-key"
    seen: list[str]
    flavor = "default"

    def do_GET(self) -> None:
        given = self.headers.get("authorization", "")
        self.seen.append(given)
        good = given == self.accepted
        version = f'{{"version":{{"number":"9.1.2-SNAPSHOT","build_flavor":"{self.flavor}"}}}}'
        body = (version if good else '{"error":{"type":"security_exception","reason":"no"}}').encode()
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def handler() -> type[Handler]:
    return type("OneTest", (Handler,), {"seen": []})


@pytest.fixture
def server(handler: type[Handler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def settings(server: ThreadingHTTPServer, scheme: str = "http", **options: Any) -> ElasticsearchSettings:
    hosts = [f"{scheme}://127.0.0.1:{server.server_address[1]}"]
    return ElasticsearchSettings.model_validate({"hosts": hosts, **options})


def test_a_key_from_a_file_is_read_again_after_a_401(
    server: ThreadingHTTPServer, handler: type[Handler], tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("old-key")
    with connect(settings(server, api_key_file=str(file))) as es:
        with pytest.raises(AuthError):
            server_version(es)
        file.write_text("new-key")
        assert server_version(es) == ServerVersion((9, 1, 2), False, "9.1.2-SNAPSHOT")
    assert handler.seen[-2:] == ["ApiKey old-key", "ApiKey new-key"]


def test_a_wrong_key_is_an_auth_error_that_does_not_show_it(server: ThreadingHTTPServer) -> None:
    with connect(settings(server, api_key="secret-key")) as es, pytest.raises(AuthError) as caught:
        server_version(es)
    told = f"{caught.value!s} {caught.value!r} {caught.value.__cause__!s} {caught.value.__cause__!r} {es!r}"
    assert "secret-key" not in told


def test_user_and_password_are_sent_as_basic(server: ThreadingHTTPServer, handler: type[Handler]) -> None:
    handler.accepted = "Basic dXNlcjpodW50ZXIyLW9mLWNvbm5lY3Q="
    with connect(settings(server, username="user", password="hunter2-of-connect")) as es:
        assert server_version(es).number == (9, 1, 2)


def test_serverless_is_recognized(server: ThreadingHTTPServer, handler: type[Handler]) -> None:
    handler.flavor = "serverless"
    with connect(settings(server, api_key="new-key")) as es:
        assert server_version(es).serverless


@pytest.mark.parametrize(
    ("number", "has"), [((8, 17, 4), False), ((8, 19, 0), True), ((9, 0, 3), False), ((9, 1, 0), True)]
)
def test_the_failure_store_is_used_where_it_is_generally_available(
    number: tuple[int, ...], has: bool
) -> None:
    assert ServerVersion(number, False, "").has_failure_store is has


@pytest.fixture
def authority(server: ThreadingHTTPServer) -> trustme.CA:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return authority


def test_an_unknown_authority_is_refused_and_the_cure_named(
    server: ThreadingHTTPServer, authority: trustme.CA
) -> None:
    with connect(settings(server, "https", api_key="new-key")) as es, pytest.raises(RetryLater) as caught:
        server_version(es)
    assert "elasticsearch.ca_certs" in caught.value.cure


def test_a_named_authority_is_trusted(
    server: ThreadingHTTPServer, authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with connect(settings(server, "https", api_key="new-key", ca_certs=str(file))) as es:
        assert server_version(es).number == (9, 1, 2)


def test_without_verification_it_works(server: ThreadingHTTPServer, authority: trustme.CA) -> None:
    with connect(settings(server, "https", api_key="new-key", verify_certs=False)) as es:
        assert server_version(es).number == (9, 1, 2)


def failure(**settings: Any) -> RetryLater:
    with connect(ElasticsearchSettings(**settings)) as es, pytest.raises(RetryLater) as caught:
        server_version(es)
    return caught.value


def test_https_against_a_port_without_tls_is_told_apart(server: ThreadingHTTPServer) -> None:
    said = failure(hosts=(f"https://127.0.0.1:{server.server_port}",))
    assert "no TLS on this port: write http:// in `elasticsearch.hosts`" in said.cure


def test_http_against_a_port_with_tls_is_told_apart(
    server: ThreadingHTTPServer, authority: trustme.CA
) -> None:
    said = failure(hosts=(f"http://127.0.0.1:{server.server_port}",))
    assert "write https:// in `elasticsearch.hosts`" in said.cure


def test_a_wrong_authority_is_told_apart_from_a_missing_one(
    server: ThreadingHTTPServer, authority: trustme.CA, tmp_path: Path
) -> None:
    url = f"https://127.0.0.1:{server.server_port}"
    assert "Name the authority that signed it in `elasticsearch.ca_certs`" in failure(hosts=(url,)).cure
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    assert "did not sign this certificate" in failure(hosts=(url,), ca_certs=other).cure


@pytest.mark.parametrize("named", ["elasticsearch.ca_certs", "SSL_CERT_FILE"])
def test_a_file_that_is_no_certificate_is_a_configuration_error_with_its_place(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.der"
    file.write_bytes(b"\x30\x82")
    given = {"ca_certs": file} if named == "elasticsearch.ca_certs" else {}
    if not given:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigError) as caught:
        connect(ElasticsearchSettings.model_validate({"hosts": ["https://localhost:9200"], **given}))
    assert named in caught.value.message
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("proxy", "said"), [(None, "no connection"), ("http://127.0.0.1:1", "through the proxy 127.0.0.1:1")]
)
def test_a_cluster_at_an_ipv6_address_is_asked_there(proxy: str | None, said: str) -> None:
    settings = ElasticsearchSettings.model_validate({"hosts": ["http://[::1]:1"], "proxy": proxy})
    with closing(connect(settings)) as es, pytest.raises(RetryLater, match=said):
        server_version(es)

"""The way to Elasticsearch over a proxy: the environment's, the setting's, or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from anthropic_metrics.config import ElasticsearchSettings
from anthropic_metrics.elastic.connect import connect, server_version
from anthropic_metrics.errors import ConfigError, RetryLater


class Proxy(BaseHTTPRequestHandler):
    """An HTTP proxy that answers in the cluster's place, and says what it was asked for."""

    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("proxy-authorization", "")))
        body = b'{"version":{"number":"9.1.2"}}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.seen.append((self.path, self.headers.get("proxy-authorization", "")))
        self.send_error(502)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("OneProxy", (Proxy,), {"seen": seen})) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{running.server_port}", seen
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("by", ["HTTP_PROXY", "elasticsearch.proxy"])
def test_elasticsearch_is_reached_through_the_proxy_of_the_environment_or_the_setting(
    by: str, proxy: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, seen = proxy
    setting = {"proxy": f"http://{address}"} if by == "elasticsearch.proxy" else {}
    if not setting:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:pass@{address}")
    settings = ElasticsearchSettings.model_validate({"hosts": ["http://cluster.invalid:9200"], **setting})
    with connect(settings) as es:
        assert server_version(es).number == (9, 1, 2)
    ((path, login),) = seen
    assert path == "http://cluster.invalid:9200/"
    assert bool(login) is not bool(setting)


def test_a_cluster_with_tls_is_reached_through_a_tunnel(
    proxy: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, seen = proxy
    monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
    settings = ElasticsearchSettings(hosts=("https://cluster.invalid:9243",))
    with connect(settings) as es, pytest.raises(RetryLater):
        server_version(es)
    assert {path for path, _ in seen} == {"cluster.invalid:9243"}


@pytest.mark.parametrize("by", ["NO_PROXY", "elasticsearch.proxy"])
def test_no_proxy_is_used_where_none_is_wanted(
    by: str, proxy: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, seen = proxy
    monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
    setting = {"proxy": "none"} if by == "elasticsearch.proxy" else {}
    if not setting:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings = ElasticsearchSettings.model_validate({"hosts": ["http://127.0.0.1:9"], **setting})
    with connect(settings) as es, pytest.raises(RetryLater, match="no connection"):
        server_version(es)
    assert seen == []


def test_a_proxy_that_elasticsearch_cannot_be_reached_through_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:pass@127.0.0.1:1080")
    with pytest.raises(ConfigError) as caught:
        connect(ElasticsearchSettings(hosts=("http://cluster.invalid:9200",)))
    assert "socks5://127.0.0.1:1080" in caught.value.message
    assert "pass@" not in str(caught.value)

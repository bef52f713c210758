"""Which proxy a request goes through."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.alerts.webhooks import _client, _send
from anthropic_metrics.config import AnthropicSettings, ElasticsearchSettings, KibanaSettings
from anthropic_metrics.elastic.connect import connect, server_version
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.proxies import proxy_for

PROXY = "http://127.0.0.1:3128"


@pytest.fixture(autouse=True)
def _through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)


@pytest.mark.parametrize(
    "exceptions", ["localhost,[::1]", "fe80::/10", "10.0.0.0/8, ::1", "[", "*.example.com,,"]
)
def test_an_entry_of_no_proxy_that_is_no_host_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, exceptions: str
) -> None:
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert proxy_for("https://api.anthropic.com") == PROXY
    key = SecretStr("some-admin-key")
    AdminClient(AnthropicSettings(admin_key=key)).close()
    KibanaClient(KibanaSettings(url="https://kibana:5601")).close()
    _client("https://hooks.example.org/x").close()


@pytest.mark.parametrize(
    ("exceptions", "url"),
    [
        ("[::1]", "https://[::1]:9200"),
        ("::1", "https://[::1]"),
        ("localhost", "https://localhost:9200"),
        (".example.com", "https://es.example.com"),
    ],
)
def test_a_host_that_no_proxy_names_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str
) -> None:
    monkeypatch.setenv("NO_PROXY", f"other,{exceptions}")
    assert proxy_for(url) is None


@pytest.mark.parametrize("user", ["", "me:hidden-word@"])
def test_a_dead_proxy_is_named_in_every_servers_message_without_its_user(
    monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}{dead}")
    key = SecretStr("some-admin-key")
    said = []
    with AdminClient(AnthropicSettings(admin_key=key), retry=RetryPolicy(attempts=1)) as admin:
        with pytest.raises(RetryLater) as raised:
            admin.get("/v1/organizations/me")
        said.append(str(raised.value))
    es = connect(ElasticsearchSettings(hosts=("https://cluster.invalid:9200",)))
    with closing(es), pytest.raises(RetryLater) as raised:
        server_version(es)
    said.append(str(raised.value))
    kibana = KibanaClient(KibanaSettings(url="https://kibana.invalid:5601"))
    with pytest.raises(RetryLater) as raised:
        kibana.version()
    said.append(str(raised.value))
    said.append(f"{_send('https://hooks.example.org/x', {}, 5.0)[0]}")
    assert [text for text in said if f"through the proxy {dead}" not in text] == []
    assert "hidden-word" not in "".join(said)

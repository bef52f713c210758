"""Which proxy a request goes through."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.alerts.webhooks import _client
from anthropic_metrics.config import AnthropicSettings, KibanaSettings
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

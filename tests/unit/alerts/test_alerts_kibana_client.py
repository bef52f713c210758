"""The client for Kibana: where it asks, what it sends, what it says when Kibana does not answer as hoped."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from anthropic_metrics.config import KibanaSettings
from anthropic_metrics.errors import (
    AuthError,
    BadRequest,
    BrokenContract,
    ConfigError,
    MetricsError,
    RetryLater,
)
from anthropic_metrics.kibana import client as client_module
from anthropic_metrics.kibana.client import KibanaClient

SETTINGS = KibanaSettings(url="https://kibana.example/base/", api_key=SecretStr("a2V5"), space="ops")


def client(
    answer: Callable[[httpx.Request], httpx.Response], settings: KibanaSettings = SETTINGS
) -> KibanaClient:
    return KibanaClient(settings, transport=httpx.MockTransport(answer))


def test_requests_go_to_the_space_with_the_key_and_the_header_that_kibana_wants() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "https://kibana.example/base/s/ops/api/alerting/rule/1?x=y"
        assert request.headers["authorization"] == "ApiKey a2V5"
        assert request.headers["kbn-xsrf"]
        return httpx.Response(200, json={"id": "1"})

    with client(answer) as kibana:
        assert kibana.request("POST", "/api/alerting/rule/1", json={}, params={"x": "y"}) == {"id": "1"}


def test_the_version_is_asked_of_the_server_and_an_empty_answer_is_none() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/base/api/status":
            return httpx.Response(200, json={"version": {"number": "9.1.0-SNAPSHOT"}})
        return httpx.Response(204)

    with client(answer) as kibana:
        assert kibana.version() == (9, 1, 0)
        assert kibana.request("DELETE", "/api/x") is None


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(401), AuthError, "kibana.api_key"),
        (httpx.Response(403, json={"message": "Unauthorized"}), AuthError, "Stack Rules"),
        (httpx.Response(404, json={"message": "Not Found"}), BadRequest, "kibana.space"),
        (httpx.Response(422, json={"message": "newer version"}), BadRequest, "newer version"),
        (httpx.Response(429), RetryLater, "429"),
        (httpx.Response(503, text="Kibana server is not ready yet"), RetryLater, "not ready yet"),
        (httpx.Response(302, headers={"location": "/login"}), BrokenContract, "redirects"),
        (httpx.Response(200, text="<html>"), BrokenContract, "not JSON"),
    ],
)
def test_an_answer_of_another_kind_is_an_error_with_its_cure(
    answer: httpx.Response, kind: type[MetricsError], words: str
) -> None:
    with client(lambda request: answer) as kibana, pytest.raises(kind, match=words) as caught:
        kibana.request("GET", "/api/x")
    assert "a2V5" not in str(caught.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda kibana: kibana.request("GET", "/api/x"),
        lambda kibana: kibana.text("GET", "/app/home"),
        lambda kibana: kibana.version(),
    ],
    ids=["request", "text", "version"],
)
def test_a_rotated_key_is_read_again_when_the_old_one_is_refused(
    tmp_path: Path, ask: Callable[[KibanaClient], object]
) -> None:
    file = tmp_path / "key"
    file.write_text("old", "utf-8")

    def answer(request: httpx.Request) -> httpx.Response:
        file.write_text("new", "utf-8")
        accepted = request.headers["authorization"] == "ApiKey new"
        return httpx.Response(200 if accepted else 401, json={"version": {"number": "9.1.0"}})

    with client(answer, SETTINGS.model_copy(update={"api_key": None, "api_key_file": file})) as kibana:
        assert ask(kibana)


def test_a_page_that_is_a_redirect_is_an_error_and_a_refused_right_says_which_status_it_had() -> None:
    login = httpx.Response(302, headers={"location": "/login"})
    with client(lambda request: login) as kibana, pytest.raises(BrokenContract, match="redirects"):
        kibana.text("GET", "/app/home")
    refusal = httpx.Response(403, json={"message": "Forbidden"})
    with client(lambda request: refusal) as kibana, pytest.raises(AuthError) as caught:
        kibana.text("GET", "/app/home")
    assert caught.value.status == 403


def test_no_connection_no_version_and_no_url_are_said_so() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with client(broken) as kibana, pytest.raises(RetryLater, match=r"kibana\.url"):
        kibana.version()
    with client(lambda request: httpx.Response(200, json={})) as kibana, pytest.raises(BrokenContract):
        kibana.version()
    with pytest.raises(ConfigError, match="KIBANA_URL"):
        KibanaClient(KibanaSettings())


def test_an_answer_beyond_the_limit_is_refused_however_small_it_is_on_the_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "MOST_BYTES", 1000)
    bomb = gzip.compress(b"[" + b" " * 100_000 + b"]")

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb))

    with client(answer) as kibana, pytest.raises(BrokenContract, match="more than 1,000 bytes"):
        kibana.request("GET", "/api/x")

"""Posts to webhooks: what Slack reads as commands is text, and one target never stops another."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import httpx
import pytest
import trustme

from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.errors import RetryLater
from tests.servers.webhook import webhook

MESSAGE = {"event": "fired", "text": "<!channel> R&D <b>x</b> cost 5 USD"}


def test_slack_gets_names_as_text_and_others_get_them_as_they_are() -> None:
    with webhook() as inbox:
        poster = Poster(threading.Event())
        poster.post(Webhook("a", f"{inbox.url}/slack", "slack"), MESSAGE)
        poster.post(Webhook("b", f"{inbox.url}/json", "json"), MESSAGE)
    assert inbox.taken == [
        ("/slack", {"text": "&lt;!channel&gt; R&amp;D &lt;b&gt;x&lt;/b&gt; cost 5 USD"}),
        ("/json", MESSAGE),
    ]


@pytest.mark.parametrize(
    "url", ["https://h:abc/secretive", "https://[::1/secretive", "https://\udcff/secretive"]
)
def test_a_target_that_cannot_be_asked_fails_alone_without_its_url(url: str) -> None:
    with pytest.raises(RetryLater, match="did not accept a message") as caught:
        Poster(threading.Event(), waits=(0, 0)).post(Webhook("a", url, "slack"), MESSAGE)
    assert "secretive" not in str(caught.value)


def test_posts_read_the_authorities_once_and_again_when_a_variable_names_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[ssl.SSLContext] = []
    make = httpx.create_ssl_context

    def reading() -> ssl.SSLContext:
        read.append(make())
        return read[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", reading)
    others = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(others))
    with webhook() as inbox:
        for _ in range(3):
            Poster(threading.Event()).post(Webhook("a", inbox.url, "json"), MESSAGE)
        before = len(read)
        monkeypatch.setenv("SSL_CERT_FILE", str(others))
        Poster(threading.Event()).post(Webhook("a", inbox.url, "json"), MESSAGE)
    assert before <= 1
    assert len(read) == before + 1


def test_authorities_that_cannot_be_read_are_a_post_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with pytest.raises(RetryLater, match="did not accept a message: the request cannot be sent"):
        Poster(threading.Event(), waits=(0, 0)).post(Webhook("a", "https://127.0.0.1:9", "json"), MESSAGE)

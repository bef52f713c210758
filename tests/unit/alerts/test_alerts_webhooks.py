"""Posts to webhooks: what Slack reads as commands is text, and one target never stops another."""

from __future__ import annotations

import threading

import pytest

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

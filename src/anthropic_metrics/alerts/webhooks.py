"""Posts alerts to webhooks: Slack's format, or plain JSON."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from anthropic_metrics.certificates import usual_authorities
from anthropic_metrics.config import AlertSettings
from anthropic_metrics.deadline import limited, within
from anthropic_metrics.errors import ConfigError, RetryLater, Stopped
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.proxies import proxy_for, proxy_host
from anthropic_metrics.redaction import redact

ATTEMPTS = 3
_WAITS = (1.0, 3.0)
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Webhook:
    """Where to post. The URL is a secret; `name` is a digest of it that may be stored and shown."""

    name: str
    url: str
    kind: Literal["json", "slack"]

    def __repr__(self) -> str:
        return f"Webhook({self.name!r}, {self.kind!r})"


def webhooks(settings: AlertSettings) -> list[Webhook]:
    """The configured webhooks; one that is named twice is one."""
    pairs: list[tuple[Literal["json", "slack"], str]] = [
        *(("json", secret.get_secret_value()) for secret in settings.webhooks),
        *(("slack", secret.get_secret_value()) for secret in settings.slack_webhooks),
    ]
    named = (Webhook(hex_digest(f"{kind} {url}", size=6), url, kind) for kind, url in pairs)
    return list({webhook.name: webhook for webhook in named}.values())


class Poster:
    """Posts with a few quick retries; the rest is for the next evaluation.

    `stop` ends waits with Stopped. A post may take `seconds` in all: a message is small, and others wait.
    """

    def __init__(
        self, stop: threading.Event, *, waits: tuple[float, ...] = _WAITS, seconds: float = _TIMEOUT
    ) -> None:
        self.stop = stop
        self._waits = waits
        self._seconds = seconds

    def post(self, webhook: Webhook, message: dict[str, Any]) -> None:
        """Post an alert. Raises RetryLater when it was not taken; its message names neither host nor URL."""
        body = {"text": escaped(message["text"])} if webhook.kind == "slack" else message
        self.post_body(webhook, body)

    def post_body(self, webhook: Webhook, body: dict[str, Any]) -> None:
        """Post this JSON, whatever kind of webhook it is. Raises as `post` does."""
        for attempt in range(ATTEMPTS):
            if attempt and self.stop.wait(self._waits[attempt - 1]):
                raise Stopped
            problem, again = _send(webhook.url, body, self._seconds)
            if problem is None:
                return
            if not again:
                break
        raise RetryLater(f"Webhook {webhook.name} did not accept a message: {problem}.")


def escaped(text: str) -> str:
    """Slack's three control characters as text: a workspace named `<!channel>` must not call the channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _client(url: str) -> httpx.Client:
    return httpx.Client(timeout=_TIMEOUT, verify=usual_authorities(), trust_env=False, proxy=proxy_for(url))


def _send(url: str, body: dict[str, Any], seconds: float) -> tuple[str | None, bool]:
    """What went wrong, if anything, and whether to try again at once."""
    try:
        with within(seconds), limited(_client(url)) as client:
            answer = client.post(url, json=redact.scrub_all(body))
    except httpx.TimeoutException:
        return "no answer in time", True
    except httpx.HTTPError as error:
        through = f" through the proxy {proxy}" if (proxy := proxy_host(url)) else ""
        return f"no connection{through} ({type(error).__name__})", True
    except (ConfigError, httpx.InvalidURL, ValueError, OSError) as error:
        return f"the request cannot be sent ({type(error).__name__})", False
    if answer.is_success:
        return None, False
    return f"it answered {answer.status_code}", answer.status_code == 429 or answer.status_code >= 500

"""The Admin API as a command asks it that somebody waits for: its waits are told, nobody asks again later."""

from __future__ import annotations

import threading

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config

# Seconds of a wait that nobody takes for a command that hangs.
SHORT = 3.0
_WHY = {"error": "the Admin API does not answer", "200": "the Admin API's answer is not JSON"}


def admin_client(config: Config, stop: threading.Event | None = None) -> AdminClient:
    """A client for a command that makes one pass; close it, or use it in a `with`."""
    policy = RetryPolicy(asks_again=False)
    return AdminClient(config.anthropic, stop=stop, retry=policy, on_retry=say_wait)


def say_wait(status: str, _reason: str, seconds: float) -> None:
    """Tell on standard error why nothing happens for a while."""
    if seconds >= SHORT:
        say(f"Waiting {seconds:.0f} s: {_WHY.get(status, f'the Admin API answered {status}')}.")

"""Admin API clients for tests: they never wait and are closed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.config import AnthropicSettings
from tests.harness.admin_script import KEY, Answer, Script, Scripted


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """`scripted(answer, ..., key=..., **client arguments)`; an answer: a response, an error, a function."""
    opened: list[AdminClient] = []

    def make(
        *answers: Answer, key: str = KEY, settings: AnthropicSettings | None = None, **more: Any
    ) -> Scripted:
        script = Script(list(answers))
        slept: list[float] = []
        chosen = settings or AnthropicSettings.model_validate({"admin_key": key})
        client = AdminClient(
            chosen, transport=httpx.MockTransport(script), sleep=more.pop("sleep", slept.append), **more
        )
        opened.append(client)
        return Scripted(client, script, slept)

    yield make
    for client in opened:
        client.close()

"""A client whose other end is a script of answers, so that no test waits or needs a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from anthropic_metrics.admin_api.client import AdminClient

KEY = "sk-ant-admin01-a-key-that-nobody-may-see"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class Script:
    """Gives its answers one by one, the last one again and again, and remembers what was asked."""

    answers: list[Answer]
    requests: list[httpx.Request] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.headers.append(request.headers.copy())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)


@dataclass
class Scripted:
    """What a test holds of such a client."""

    client: AdminClient
    script: Script
    slept: list[float]


ME = "/v1/organizations/me"
GOOD = httpx.Response(200, json={"id": "org_1"})
ADMIN, ORDINARY, OAUTH, OTHER = "sk-ant-admin01-x1y2", "sk-ant-api03-x1y2", "sk-ant-oat01-x1y2", "hello-x1y2"

Make = Callable[..., Scripted]


def refusal(status: int, message: str = "No.", kind: str = "invalid_request_error") -> httpx.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_body"}
    return httpx.Response(status, json=body, headers={"request-id": "req_head"})

"""What passes between the HTTP server and the simulated API: requests, answers, refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

Delivery = Literal["whole", "reset", "reset_in_body", "truncated"]
Params = tuple[tuple[str, str], ...]

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    429: "rate_limit_error",
    503: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was asked, without its key; header names are lower case."""

    method: str
    path: str
    params: Params
    headers: Mapping[str, str]
    at: datetime

    def get(self, name: str) -> str | None:
        """The first value of a parameter, None without it."""
        return next((value for key, value in self.params if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter such as `group_by[]`."""
        return [value for key, value in self.params if key == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer and how it is handed over: `whole`, cut off by a `reset` before its first byte, by a
    reset in mid-body, or `truncated` (the connection closes before the promised length)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = "whole"

    def json(self) -> Any:
        return json.loads(self.body)

    def with_json(self, value: Any) -> Answer:
        return replace(self, body=dump(value))


class Refusal(Exception):
    """Raised anywhere in the API to answer with an error."""

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, *, code: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.code = code


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def error_answer(refusal: Refusal, request_id: str) -> Answer:
    """The vendor's error body."""
    error: dict[str, Any] = {"type": _KINDS.get(refusal.status, "api_error"), "message": refusal.message}
    if refusal.code:
        error["details"] = {"error_code": refusal.code}
    body = {"type": "error", "error": error, "request_id": request_id}
    return Answer(refusal.status, dump(body), refusal.headers)

"""Page tokens: opaque, bound to the query that made them, and they grow old."""

from __future__ import annotations

import hmac
import itertools
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import timedelta
from typing import Any

from .clock import Clock, epoch
from .requests import Refusal, Request


class PageTokens:
    """Makes and reads tokens. One made before `expire_all`, or more than `lifetime` ago, is refused with
    400, as is one that comes with other parameters than those of its query."""

    def __init__(self, clock: Clock, lifetime: timedelta | None = None) -> None:
        self.lifetime = lifetime
        self._clock = clock
        self._numbers = itertools.count(1)
        self._first_valid = 0

    def make(self, request: Request, position: Any) -> str:
        """A new token, unlike all others, that leads `request` on to `position` (any JSON value)."""
        number = next(self._numbers)
        payload = [_query(request), position, epoch(self._clock.now()), number]
        text = json.dumps(payload, separators=(",", ":")).encode()
        return "page_" + urlsafe_b64encode(_seal(text) + text).decode().rstrip("=")

    def read(self, request: Request) -> Any:
        """The position that the request's `page` leads to, None on a first page."""
        token = request.get("page")
        if token is None:
            return None
        query, position, made, number = self._open(token)
        if query != _query(request):
            raise Refusal(400, "page: token does not match the query parameters it was issued for")
        age = epoch(self._clock.now()) - made
        if number < self._first_valid or (self.lifetime is not None and age > self.lifetime.total_seconds()):
            raise Refusal(400, "page: token has expired")
        return position

    def position(self, token: str) -> Any:
        """Where a token leads, whatever query it belongs to."""
        return self._open(token)[1]

    def expire_all(self) -> None:
        """Every token made until now is refused from here on."""
        self._first_valid = next(self._numbers)

    def _open(self, token: str) -> list[Any]:
        try:
            data = urlsafe_b64decode(token.removeprefix("page_") + "==")
        except (Base64Error, ValueError):
            data = b""
        seal, text = data[:8], data[8:]
        if not token.startswith("page_") or not hmac.compare_digest(seal, _seal(text)):
            raise Refusal(400, "page: invalid page token")
        payload: list[Any] = json.loads(text)
        return payload


def _query(request: Request) -> str:
    rest = sorted(pair for pair in request.params if pair[0] != "page")
    return hmac.digest(b"query", json.dumps([request.path, rest]).encode(), "sha256").hex()[:24]


def _seal(text: bytes) -> bytes:
    return hmac.digest(b"simulated", text, "sha256")[:8]

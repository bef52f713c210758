"""How the Admin API is told who asks, with the key kept out of sight."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Literal, TypeVar

import httpx

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.digests import keyed_digest
from anthropic_metrics.redaction import MARK, redact

if TYPE_CHECKING:
    from anthropic_metrics.secrets import Secret

__all__ = ["KeyAuth", "KeyKind", "key_kind"]

T = TypeVar("T")
KeyKind = Literal["admin", "ordinary", "oauth", "other"]

_PREFIXES: tuple[tuple[str, KeyKind], ...] = (
    ("sk-ant-admin", "admin"),
    ("sk-ant-api", "ordinary"),
    ("sk-ant-oat", "oauth"),
)


def key_kind(key: str) -> KeyKind:
    """What a key's prefix says it is. Only a hint: no key is refused for it, the API decides."""
    return next((kind for prefix, kind in _PREFIXES if key.startswith(prefix)), "other")


class KeyAuth(httpx.Auth):
    """Signs each request as it leaves: `x-api-key` for keys, a bearer token for OAuth tokens."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._key()  # ConfigError at once for a key that cannot be sent

    @property
    def kind(self) -> KeyKind:
        """The kind of the key in use."""
        return key_kind(self._key())

    def present(self, send: Callable[[], T], is_refused: Callable[[T], bool]) -> T:
        """`Secret.present` of the key."""
        return self._secret.present(send, is_refused)

    def digest(self, server: str) -> str:
        """64 bits of a digest of the key in use at `server`."""
        return keyed_digest(self._key(), key=server)

    def hide(self, text: str) -> str:
        """`text` without the key, should a server send it back."""
        return redact.scrub(text.replace(self._key(), MARK))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """For httpx: put the key on the request and take it off again when the answer is there."""
        key = self._key()
        name, value = ("authorization", f"Bearer {key}") if key_kind(key) == "oauth" else ("x-api-key", key)
        request.headers[name] = value
        try:
            yield request
        finally:
            del request.headers[name]

    def _key(self) -> str:
        key = self._secret.get()
        # httpx would refuse such a header too, but with the key in its words.
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                "anthropic.admin_key (or admin_key_file) is not a key: it is empty, or holds a blank, a line "
                "break or a character beyond ASCII.",
                cure="Copy the key again, alone on one line.",
            )
        return key

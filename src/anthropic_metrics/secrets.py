"""Where a key comes from: a value, or a file that is read again when a server refuses what it held."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anthropic_metrics import files, quoting
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.logs import get_logger
from anthropic_metrics.redaction import redact

T = TypeVar("T")


class Secret:
    """A key or password. Never shown: neither by `repr` nor, once read, in any log. Thread-safe.

    `key` is the configuration key it belongs to, for messages. A password also hides the `Basic` header that
    it makes with its `username`.
    """

    def __init__(
        self, key: str, *, value: str | None = None, file: Path | None = None, username: str | None = None
    ) -> None:
        self._key = key
        self._file = file
        self._username = username
        self._lock = threading.Lock()
        self._value = value
        self._version = 0
        if value is not None:
            redact.add(value, username=username)

    def get(self) -> str:
        """The secret; ConfigError if its file cannot be read or is empty."""
        with self._lock:
            if self._value is None:
                self._value = self._read()
            return self._value

    @property
    def version(self) -> int:
        """Tells the secret that `get` answers from earlier ones, without telling it."""
        return self._version

    def reload(self, refused: int) -> bool:
        """Read the file again; True if it holds another secret than the one whose `version` was refused, also
        where another thread has read that already. A value never changes.

        A file that cannot be read just now (a rotation half done) leaves the secret as it was.
        """
        if self._file is None:
            return False
        # Under the lock: a thread that read the file before the rotation must not put the old secret back.
        with self._lock:
            try:
                fresh = self._read()
            except ConfigError as error:
                get_logger(__name__).warning("secret_file_unreadable", key=self._key, reason=str(error))
                return self._version != refused
            self._version += fresh != self._value
            self._value = fresh
            return self._version != refused

    def present(self, send: Callable[[], T], is_refused: Callable[[T], bool]) -> T:
        """The answer of `send`, which sends a request with the secret that `get` answers.

        If the answer says that the secret was refused, and the file holds another one by now, the request is
        sent once more.
        """
        used = self.version
        answer = send()
        if is_refused(answer) and self.reload(used):
            get_logger(__name__).info("secret_reloaded", key=self._key)
            answer = send()
        return answer

    def _read(self) -> str:
        if self._file is None:
            raise ConfigError(f"{self._key}: no value and no file")
        shown = quoting.path(self._file)
        try:
            secret = files.read_text(self._file, files.SECRET).strip()
        except OSError as error:
            raise ConfigError(f"{self._key}: cannot read {shown}: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self._key}: {shown} is not text in UTF-8") from None
        # A key travels in a header, a password only as part of one that is encoded.
        fits = secret.isprintable() and (
            self._username is not None or (secret.isascii() and " " not in secret)
        )
        if not secret or not fits:
            raise ConfigError(f"{self._key}: {shown} must hold the secret and nothing else")
        redact.add(secret, username=self._username)
        if self._username is None and quoting.in_quotes(secret):
            raise ConfigError(f"{self._key}: the secret in {shown} has quotes around it; leave them out")
        return secret

    def __repr__(self) -> str:
        return f"Secret({self._key!r})"

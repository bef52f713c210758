"""A server that answers so slowly, byte by byte, that no single read ever takes long."""

from __future__ import annotations

import socket
import ssl
import threading
from types import TracebackType
from typing import Literal, Self

Part = Literal["head", "body", "interim"]
PAUSE = 0.01
BYTES = (
    1_000  # a client without a deadline gets its answer in the end: its test then fails instead of hanging
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-elastic-product: Elasticsearch\r\n"


class DripServer:
    """Drips the part of each answer that `part` names: its head, its body, or interim answers before it.

    With `tls` it speaks that.
    """

    def __init__(self, part: Part, *, pause: float = PAUSE, tls: ssl.SSLContext | None = None) -> None:
        self._part, self._pause, self._tls = part, pause, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._closed = threading.Event()
        self.reached = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(65_536)
                self.reached.set()
                self._drip(connection)
        except OSError:
            return

    def _drip(self, connection: socket.socket) -> None:
        body = b'{"x":"%b"}' % (b"x" * BYTES)
        at_once, slowly, rest = {
            "head": (_HEAD + b"x-slow: ", b"x" * BYTES, b"\r\ncontent-length: 2\r\n\r\n{}"),
            "body": (_HEAD + b"content-length: %d\r\n\r\n" % len(body), body, b""),
            "interim": (
                b"",
                b"HTTP/1.1 100 Continue\r\n\r\n" * (BYTES // 25),
                _HEAD + b"content-length: 2\r\n\r\n{}",
            ),
        }[self._part]
        connection.sendall(at_once)
        for position in range(len(slowly)):
            connection.sendall(slowly[position : position + 1])
            if self._closed.wait(self._pause):
                return
        connection.sendall(rest)

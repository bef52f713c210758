"""A deadline for a whole request, for both HTTP libraries that the agent uses.

Their own timeouts are for one operation on the socket: a server that sends a byte every two seconds, or
interim answers without end, keeps a request going without ever reaching them. `within` gives all that its
block does on sockets one point in time to be done by; `limited` (httpx) and `limited_pool` (urllib3) make
connections that keep to it.
"""

from __future__ import annotations

import io
import math
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpcore
import httpx
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from anthropic_metrics.errors import Stopped

# A whole request may take so many times as long as a server may stay silent in it.
TIMEOUTS = 4
_PIECE = 16_384
_LOOK = 0.5  # seconds: how soon a read that waits notices that the agent is stopping

_present = threading.local()


@contextmanager
def within(seconds: float, stop: threading.Event | None = None) -> Iterator[None]:
    """Everything that this thread does on a limited connection in the block must be done by then.

    What is not ends as a timeout of the library. A shorter deadline around the block stays in force. `stop`
    ends reading on a connection of httpx with Stopped.
    """
    before: float | None = getattr(_present, "until", None)
    stop_before = _stop()
    until = time.monotonic() + seconds
    _present.until = until if before is None else min(before, until)
    _present.stop = stop or stop_before
    try:
        yield
    finally:
        _present.until, _present.stop = before, stop_before


def _stop() -> threading.Event | None:
    stop: threading.Event | None = getattr(_present, "stop", None)
    return stop


def left(timeout: float | None) -> float | None:
    """`timeout`, or what is left until the deadline where that is less. TimeoutError when nothing is."""
    until: float | None = getattr(_present, "until", None)
    if until is None:
        return timeout
    rest = until - time.monotonic()
    if rest <= 0:
        raise TimeoutError("the answer was not complete in time")
    return rest if timeout is None else min(timeout, rest)


# --- httpx


C = TypeVar("C", bound=httpx.Client)


def limited(client: C) -> C:
    """The client, with connections that keep to the deadline, those through a proxy too."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend)
    return client


class _Backend(httpcore.NetworkBackend):
    """Makes connections as the backend within it does."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            timeout = left(timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """One connection; every operation looks at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            timeout = left(timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        stop = _stop()
        if stop is None:
            return self._inner.read(max_bytes, timeout)
        until = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            if stop.is_set():
                raise Stopped
            rest = until - time.monotonic()
            try:
                return self._inner.read(max_bytes, max(0.001, min(rest, _LOOK)))
            except httpcore.ReadTimeout:
                if rest <= _LOOK:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            try:
                rest = left(timeout)
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
            self._inner.write(buffer[start : start + _PIECE], rest)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            timeout = left(timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


# --- urllib3


class _Socket:
    """A socket that keeps to the deadline in sending and receiving; in all else the socket within it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._sock.settimeout(timeout)

    def hurry(self) -> None:
        """The next operation ends with its timeout or the deadline, whichever is first."""
        self._sock.settimeout(left(self._timeout))

    def sendall(self, data: Any) -> None:
        self.hurry()
        self._sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self, self._sock.makefile("rb", buffering=0)))


class _Incoming(io.RawIOBase):
    """What arrives on a socket."""

    def __init__(self, sock: _Socket, inner: io.RawIOBase) -> None:
        self._sock, self._inner = sock, inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.hurry()
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class LimitedConnection(HTTPConnection):
    """A plain connection that keeps to the deadline."""

    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(self.sock)


class LimitedTLSConnection(HTTPSConnection):
    """A TLS connection that keeps to the deadline."""

    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(self.sock)


class LimitedPool(urllib3.HTTPConnectionPool):
    """Plain connections that keep to the deadline."""

    ConnectionCls = LimitedConnection


class LimitedTLSPool(urllib3.HTTPSConnectionPool):
    """TLS connections that keep to the deadline."""

    ConnectionCls = LimitedTLSConnection


def limited_pool(pool: urllib3.HTTPConnectionPool) -> None:
    """From now on the pool makes connections that keep to the deadline."""
    is_tls = isinstance(pool, urllib3.HTTPSConnectionPool)
    pool.ConnectionCls = LimitedTLSConnection if is_tls else LimitedConnection

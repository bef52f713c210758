"""A proxy in front of Elasticsearch that breaks what passes through it, on demand.

Every effect tells the truth about one thing: whether Elasticsearch has done what the agent was told.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)
KINDS = {"_bulk": "bulk", "_search": "search", "_refresh": "refresh", "_mget": "mget"}
JSON_HEADERS = {"content-type": "application/vnd.elasticsearch+json;compatible-with=8"}


@dataclass(frozen=True)
class Reply:
    """An answer on its way to the agent; `cut`: how much of it arrives before a reset (None: all)."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: float | None = None


@dataclass(frozen=True)
class Passing:
    """A request on its way to Elasticsearch."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    proxy: FaultProxy

    @property
    def kind(self) -> str:
        return KINDS.get(urlsplit(self.path).path.rpartition("/")[2], "other")

    def forward(self, body: bytes | None = None) -> Reply:
        return self.proxy.forward(self, self.body if body is None else body)


Effect = Callable[[Passing], Reply]
LOST = Reply(0, {}, b"", cut=0.0)


@dataclass(eq=False)
class Rule:
    effect: Effect
    kind: str
    nth: int
    times: int
    seen: int = 0
    struck: int = 0


@dataclass
class FaultProxy:
    """Forwards to `target`; `add` makes it misbehave, `release` lets delayed requests through."""

    target: str
    rules: list[Rule] = field(default_factory=list)
    delayed: list[Passing] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    passed: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self.open.set()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, effect: Effect, kind: str = "any", *, nth: int = 1, times: int = 1) -> None:
        """Strike the `nth` request of a kind (`bulk`, `search`, `refresh`, `mget`, `any`) and those after."""
        with self._lock:
            self.rules.append(Rule(effect, kind, nth, times))

    def heal(self) -> None:
        """Behave again; what was delayed arrives now."""
        with self._lock:
            self.rules.clear()
            late, self.delayed = self.delayed, []
        self.open.set()
        for request in late:
            request.forward()
        self.hang_up()

    def stop(self) -> None:
        self.heal()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()

    def hang_up(self) -> None:
        """Close this thread's connection to Elasticsearch."""
        held: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if held is not None:
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, request: Passing) -> Reply:
        chosen: Effect | None = None
        with self._lock:
            self.passed += 1
            for rule in self.rules:
                if rule.kind in ("any", request.kind):
                    rule.seen += 1
                    if chosen is None and rule.seen >= rule.nth and rule.struck < rule.times:
                        rule.struck += 1
                        chosen = rule.effect
        self.open.wait()
        try:
            return chosen(request) if chosen else request.forward()
        except OSError:
            return LOST  # Elasticsearch itself is away

    def forward(self, request: Passing, body: bytes) -> Reply:
        connection = self._connection()
        headers = {**request.headers, "content-length": str(len(body))}
        try:
            connection.request(request.method, request.path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectionError(str(error)) from error
        kept = {k.lower(): v for k, v in answer.getheaders()}
        kept.pop("transfer-encoding", None)
        return Reply(answer.status, kept, text)

    def _connection(self) -> http.client.HTTPConnection:
        held: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if held is None:
            parts = urlsplit(self.target)
            held = self._local.connection = http.client.HTTPConnection(
                str(parts.hostname), parts.port, timeout=60
            )
        return held


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Only close: an orderly shutdown would come before the reset."""
        self.open.discard(request)
        self.close_request(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for a next request."""
        for request in list(self.open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The agent hanging up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        drop = ("host", "connection", "content-length", "accept-encoding")
        headers = {k.lower(): v for k, v in self.headers.items() if k.lower() not in drop}
        reply = self.server.proxy.answer(Passing(self.command, self.path, headers, body, self.server.proxy))
        if reply.cut == 0.0:
            self._reset()
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            if name != "content-length":
                self.send_header(name, value)
        head = self.command == "HEAD"
        length = reply.headers.get("content-length", "0") if head else str(len(reply.body))
        self.send_header("content-length", length)
        self.end_headers()
        if reply.cut is not None:
            self.wfile.write(reply.body[: int(len(reply.body) * reply.cut)])
            self._reset()
        elif not head:
            self.wfile.write(reply.body)

    def finish(self) -> None:
        super().finish()
        self.server.proxy.hang_up()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

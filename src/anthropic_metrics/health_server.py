"""The endpoint that shows the agent's health: one thread that sleeps until somebody asks.

`/healthz` answers 200 while the process works, `/readyz` 200 while the data is fresh, `/metrics` is for
Prometheus, `/v1/budgets` tells applications what is left of a budget. All of it comes from memory. Clients
cannot starve the agent: few connections are open at a time, each has a deadline as a whole, and when all are
taken the oldest makes room.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import parse_qs, unquote

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from anthropic_metrics.budgets.board import Boards
from anthropic_metrics.config import HealthSettings
from anthropic_metrics.errors import RetryLater, of_system
from anthropic_metrics.healthcheck import address
from anthropic_metrics.logs import get_logger
from anthropic_metrics.redaction import redact

CONNECTIONS = 8  # an honest one lasts for milliseconds
SECONDS = 5.0  # for a whole request and its answer
_LONGEST_HEAD = 16_384
_CHUNK = 65_536
_PAUSE = 0.1  # seconds
_BUDGETS = "/v1/budgets"
_PATHS = ("/healthz", "/readyz", "/metrics", _BUDGETS, f"{_BUDGETS}/NAME")
# Figures change with a poll; an application that asks before every request need not ask us.
_CACHED = ("Cache-Control", "private, max-age=15")
_FIRST_PASS = 30  # seconds
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

log = get_logger(__name__)


class Reply(NamedTuple):
    """An answer before it is written."""

    status: int
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Health(Protocol):
    """How the pollers do; `troubles` is empty while all is well."""

    def as_dict(self) -> dict[str, Any]: ...


@dataclass(eq=False)
class _Connection:
    """One client: what it has sent so far, and what is left to send to it."""

    sock: socket.socket
    deadline: float
    received: bytes = b""
    answer: memoryview | None = None


def listen(settings: HealthSettings) -> socket.socket:
    """A socket at the endpoint's address; RetryLater if it is taken, else ConfigError."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        refused = RetryLater(
            f"health.host, health.port: cannot listen on {host}:{port}: {error.strerror}.",
            cure="Another agent may be running; choose another port (0 takes any free one).",
        )
        raise of_system(error, refused) from None


class HealthServer:
    """Serves the endpoint from a thread of its own, from `start` (or `with`) to `stop`."""

    def __init__(
        self,
        settings: HealthSettings,
        health: Health,
        registry: CollectorRegistry,
        budgets: Boards | None = None,
        *,
        seconds: float = SECONDS,
        listener: socket.socket | None = None,
    ) -> None:
        """`listener`: a socket of `listen` to serve; by default the start makes one."""
        self._settings = settings
        self._health = health
        self._registry = registry
        self._budgets = budgets
        self._seconds = seconds
        self._given = listener
        self._listener: socket.socket | None = None
        self._open: list[_Connection] = []  # the oldest first

    def start(self) -> str:
        """Listen; the base URL. ConfigError if there is none such,
        RetryLater if it is taken or not there yet."""
        self._listener = listen(self._settings) if self._given is None else self._given
        self._listener.setblocking(False)
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)
        self._thread.start()
        return self.url

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        if self._listener is None:
            raise RuntimeError("the health endpoint was not started")
        return address(self._settings.host, self._listener.getsockname()[1])

    def stop(self) -> None:
        if self._listener is not None:
            self._waker.close()
            self._thread.join()
            self._listener.close()
            self._listener = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        assert self._listener is not None
        with selectors.DefaultSelector() as selector, self._woken:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            stopping = False
            while not stopping:
                # Clients before newcomers: one that has asked is answered before it has to make room.
                for key, _ in sorted(
                    selector.select(self._patience()), key=lambda ready: ready[0].data is None
                ):
                    if key.fileobj is self._woken:
                        stopping = True
                    elif key.data is None:
                        self._accept(selector)
                    else:
                        self._go_on(selector, key.data)
                now = time.monotonic()
                for connection in [waiting for waiting in self._open if waiting.deadline <= now]:
                    self._close(selector, connection)
            for connection in list(self._open):
                self._close(selector, connection)

    def _patience(self) -> float | None:
        """Until the first deadline; without a connection there is nothing to wake up for."""
        return max(0.0, self._open[0].deadline - time.monotonic()) if self._open else None

    def _accept(self, selector: selectors.BaseSelector) -> None:
        assert self._listener is not None
        if len(self._open) >= CONNECTIONS:
            self._close(selector, self._open[0])
        try:
            sock, _ = self._listener.accept()
        except OSError:  # the client is gone already, or the process has no descriptor left for a while
            time.sleep(_PAUSE)
            return
        sock.setblocking(False)
        connection = _Connection(sock, time.monotonic() + self._seconds)
        self._open.append(connection)
        selector.register(sock, selectors.EVENT_READ, connection)

    def _go_on(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        if connection not in self._open:
            return  # it made room within this round
        try:
            done = self._read(selector, connection) if connection.answer is None else _write(connection)
        except BlockingIOError:
            return
        except OSError:
            done = True
        if done:
            self._close(selector, connection)

    def _read(self, selector: selectors.BaseSelector, connection: _Connection) -> bool:
        """Read on; True when there is nothing to answer. The answer is sent from the next round on."""
        arrived = connection.sock.recv(_CHUNK)
        connection.received += arrived
        if not arrived or len(connection.received) > _LONGEST_HEAD:
            return True
        if b"\r\n\r\n" in connection.received:
            connection.answer = memoryview(self._answer(connection.received))
            selector.modify(connection.sock, selectors.EVENT_WRITE, connection)
        return False

    def _close(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        self._open.remove(connection)
        selector.unregister(connection.sock)
        connection.sock.close()

    def _answer(self, request: bytes) -> bytes:
        first, *lines = request.decode("latin-1").split("\r\n")
        try:
            reply = self._answered(first, lines)
        except Exception:
            log.exception("health_request_failed")
            reply = Reply(503, "text/plain", b"The answer could not be made; the log says why.")
        body = redact.scrub(reply.body.decode()).encode()
        head = (
            f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}\r\nContent-Type: {reply.kind}\r\n"
            f"Content-Length: {len(body)}\r\nServer: anthropic-metrics\r\nConnection: close\r\n"
        )
        further = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        return f"{head}{further}\r\n".encode() + body

    def _answered(self, first: str, lines: list[str]) -> Reply:
        method, _, rest = first.partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if method != "GET":
            return _json(405, {"methods": ["GET"]})
        match path:
            case "/healthz":
                return _json(200, {"status": "alive"})
            case "/readyz":
                shown = self._health.as_dict()  # asked once: the status and the body say the same
                return _json(503 if shown["troubles"] else 200, shown)
            case "/metrics":
                encode, kind = choose_encoder(_header(lines, "accept"))
                return Reply(200, kind, encode(self._registry))
        if self._budgets is not None and (path == _BUDGETS or path.startswith(f"{_BUDGETS}/")):
            name = unquote(path.removeprefix(_BUDGETS).removeprefix("/"))
            return self._budget(self._budgets, name, parse_qs(query).get("organization", [None])[0], lines)
        return _json(404, {"paths": _PATHS})

    def _budget(self, boards: Boards, wanted: str, organization: str | None, lines: list[str]) -> Reply:
        """All budgets, or the `wanted` one; of all organizations, or of one."""
        if not self._may_ask(lines):
            reply = _json(401, {"error": "This needs the header Authorization: Bearer and the right token."})
            return reply._replace(headers=(("WWW-Authenticate", "Bearer"),))
        try:
            owners = boards.owners(wanted, organization)
        except KeyError as error:
            unknown, known = error.args
            return _json(404, {"error": f"There is no organization {unknown!r}.", "organizations": known})
        if wanted and not owners:
            said = f"There is no budget {wanted!r}."
            return _json(404, {"error": said, "budgets": boards.names(organization)})
        if len(owners) > 1:
            said = f"Several organizations have a budget {wanted!r}: add ?organization= and its name."
            return _json(400, {"error": said, "organizations": owners})
        body = boards.one(wanted, owners[0]) if wanted else boards.all(organization)
        if body is None:
            waiting = {"error": "The budgets have not been counted yet.", "state": "unknown"}
            return _json(503, waiting)._replace(headers=(("Retry-After", str(_FIRST_PASS)),))
        return _json(200, body)._replace(headers=(_CACHED,))

    def _may_ask(self, lines: list[str]) -> bool:
        token = self._settings.token
        if token is None:
            return True
        scheme, _, credentials = _header(lines, "authorization").strip().partition(" ")
        wanted = token.get_secret_value().encode()
        return scheme.lower() == "bearer" and compare_digest(credentials.strip().encode("latin-1"), wanted)


def _header(lines: list[str], wanted: str) -> str:
    """The value of a header of the request, empty if there is none."""
    named = (line.partition(":") for line in lines)
    return next((value for name, _, value in named if name.strip().lower() == wanted), "")


def _write(connection: _Connection) -> bool:
    """Send on; True when all is sent."""
    assert connection.answer is not None
    connection.answer = connection.answer[connection.sock.send(connection.answer) :]
    return not connection.answer


def _json(status: int, body: Mapping[str, Any]) -> Reply:
    return Reply(status, "application/json", json.dumps(body, default=str).encode())

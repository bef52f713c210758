"""The simulated Admin API over real HTTP."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from .api import AdminApi, Behaviour
from .faults import Exchange, Faults
from .requests import Answer, Request
from .simulation import Simulation

_REQUESTS_KEPT = 20_000
_SECRET_HEADERS = ("x-api-key", "authorization")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SimulatorServer:
    """Serves a simulation on `url` from entering the context (or `start`) to leaving it (or `stop`).

    `behaviour` holds the API's variants, `faults` its misbehaviour on demand, `admin_keys` the keys that
    it takes, `requests` what was asked so far. With `tls` it speaks HTTPS.
    """

    def __init__(
        self,
        simulation: Simulation,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        behaviour: Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.simulation = simulation
        self.api = AdminApi(simulation, behaviour)
        self.faults = Faults(simulation.seed)
        self._requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._http = _Http((host, port), self)
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if tls is None else "https"
        self.port: int = self._http.server_address[1]
        self.url = f"{scheme}://{host}:{self.port}"

    @property
    def behaviour(self) -> Behaviour:
        return self.api.behaviour

    @property
    def admin_keys(self) -> set[str]:
        """The keys that are taken; change the set to rotate them."""
        return self.api.admin_keys

    @property
    def requests(self) -> list[Request]:
        """What was asked, oldest first, without keys; the last 20,000."""
        return list(self._requests)

    def forget_requests(self) -> None:
        self._requests.clear()

    def start(self) -> str:
        """Serve in a thread of its own; returns the URL."""
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), daemon=True, name="simulator"
        )
        self._thread.start()
        return self.url

    def stop(self) -> None:
        """Release held answers, end every connection and close the port."""
        self._closing.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.end_connections()
        self._http.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def respond(self, request: Request, key: str | None) -> Answer:
        """What goes out for a request, faults included."""
        self._requests.append(request)
        exchange = Exchange(request, key, self.api, self._closing)
        effect = self.faults.choose(request)
        return exchange.proceed() if effect is None else effect(exchange)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: SimulatorServer) -> None:
        self.simulator = simulator
        self._open: set[socket.socket] = set()
        self._to_reset: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        if request in self._to_reset:
            # An orderly shutdown would come before the reset: only close.
            self._to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def reset(self, request: socket.socket) -> None:
        """Have this connection end with a TCP reset."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._to_reset.add(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for a next request on a kept connection."""
        with self._open_lock:
            waiting = list(self._open)
        for connection in waiting:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a traceback; anything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "simulated-admin-api"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        lowered = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            method=self.command,
            path=parts.path,
            params=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name: value for name, value in lowered.items() if name not in _SECRET_HEADERS},
            at=self.server.simulator.simulation.clock.now(),
        )
        bearer = lowered.get("authorization", "").removeprefix("Bearer ")
        self._send(self.server.simulator.respond(request, lowered.get("x-api-key") or bearer or None))

    def _send(self, answer: Answer) -> None:
        if answer.delivery == "reset":
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if answer.delivery == "whole":
            self.wfile.write(answer.body)
            return
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.close_connection = True
        if answer.delivery == "reset_in_body":
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.server.reset(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: `requests` is the log."""

"""An HTTP server whose answers break in every way that a network can break them."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = json.dumps({"id": "org_1", "filler": "x" * 20_000}).encode()

Reply = Callable[[BaseHTTPRequestHandler], None]


def whole(handler: BaseHTTPRequestHandler) -> None:
    body = gzip.compress(GOOD)
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", str(len(GOOD)))
    handler.end_headers()
    handler.wfile.write(GOOD[: len(GOOD) // 2])
    handler.close_connection = True


def half_of_unknown_length(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(GOOD[: len(GOOD) // 2])


def half_compressed(handler: BaseHTTPRequestHandler) -> None:
    body = gzip.compress(GOOD)
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def not_compressed_at_all(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", str(len(GOOD)))
    handler.end_headers()
    handler.wfile.write(GOOD)


def unfinished_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'5\r\n{"id"\r\n')
    handler.close_connection = True


def reset_in_mid_body(handler: BaseHTTPRequestHandler) -> None:
    half(handler)
    handler.wfile.flush()
    # Closing without lingering sends a reset instead of an end.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hung_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    handler.close_connection = True


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """A quarter of a gigabyte in a quarter of a megabyte, all at once."""
    squeeze = zlib.compressobj(9, wbits=31)
    pieces = [squeeze.compress(b" " * 2**20) for _ in range(256)]
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(b"".join([*pieces, squeeze.flush()]))


def gigabyte(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", str(2**30))
    handler.end_headers()
    for _ in range(1024):
        handler.wfile.write(b" " * 2**20)


class Server:
    """Gives its replies one by one, the last again and again; remembers the request lines."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.lines: list[str] = []
        self.replies = list(replies)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.lines.append(self.requestline)
                reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                reply(self)

            def do_CONNECT(self) -> None:
                server.lines.append(self.requestline)
                self.send_error(403, "Blocked by policy")

            def log_message(self, *args: object) -> None:
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class Quiet(ThreadingHTTPServer):
    """A client that hangs up, or a handshake that fails, is what the tests are about."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass

"""An answer of Elasticsearch may be small on the wire and endless in memory."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from anthropic_metrics.config import Config
from anthropic_metrics.elastic import node, query
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.errors import AnswerTooLarge

BOMB = gzip.compress(b"[" + b" " * 1_000_000 + b"]")


class Bomb(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(BOMB)))
        self.end_headers()
        self.wfile.write(BOMB)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bomb) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_of_elasticsearch_beyond_the_limit_is_refused_however_small_it_is_on_the_wire(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "MOST_BYTES", 100_000)
    settings = Config.model_validate({"elasticsearch": {"hosts": [url]}}).elasticsearch
    with connect(settings) as es, pytest.raises(AnswerTooLarge, match="more than 100,000 bytes"):
        query.esql(es, "FROM x", doing="Asking")

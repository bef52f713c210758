"""Servers that answer at almost no cost, each in a process of its own so that its work is not the agent's.

`api` is an Admin API that reports the same number of rows in every bucket ever asked for. `sink` is an
Elasticsearch that holds nothing and takes everything. Run as `python -m bench.canned api 40`; the URL is the
first line of the output, and the server ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from anthropic_metrics.elastic.assets import VERSION
from anthropic_metrics.elastic.steps import OURS
from anthropic_metrics.kernel.datasets import template_name
from anthropic_metrics.kernel.ranges import WIDTHS
from anthropic_metrics.streams.registry import BY_DATASET

MODELS = tuple(f"claude-model-{number}" for number in range(6))
WORKSPACES = tuple(f"wrkspc_{number:024d}" for number in range(8))
KEYS = tuple(f"apikey_{number:024d}" for number in range(64))
VARIANTS = 7  # buckets differ, as far as that is free


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with kept connections; `answer` maps a request to its body."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = self.answer(self.path, body)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", str(sum(map(len, parts))))
        self.end_headers()
        self.wfile.writelines(parts)

    do_POST = do_PUT = do_HEAD = do_GET

    def answer(self, path: str, body: bytes) -> list[bytes]:
        raise NotImplementedError

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


class Api(Handler):
    """The Admin API; `rows` in each bucket."""

    rows = 0
    changed = 0  # per cent of the rows, after a request for /change?percent=

    def answer(self, path: str, body: bytes) -> list[bytes]:
        parts = urlsplit(path)
        if parts.path == "/change":
            Api.changed = int(parse_qs(parts.query)["percent"][0])
            return [b"{}"]
        if parts.path.endswith("usage_report/messages"):
            asked = parse_qs(parts.query)
            return page(
                asked["starting_at"][0],
                asked["ending_at"][0],
                asked["bucket_width"][0],
                self.rows,
                self.changed,
            )
        return [json.dumps(INVENTORY[parts.path.rpartition("/")[2]]).encode()]


class Sink(Handler):
    """Elasticsearch with the agent's templates, without documents."""

    def answer(self, path: str, body: bytes) -> list[bytes]:
        name = urlsplit(path).path.rpartition("/")[2]
        if name == "_bulk":
            operations = body.count(b"\n") // 2
            return [b'{"items":[', b",".join([CREATED] * operations), b"]}"]
        if name == "_search":
            return [b'{"_shards":{"failed":0},"timed_out":false,"hits":{"hits":[]}}']
        if name == "_refresh":
            return [b'{"_shards":{"failed":0}}']
        return [SIMULATED if "_simulate_index" in path else TEMPLATES]


CREATED = b'{"create":{"status":201,"result":"created"}}'
_META = {"managed_by": OURS, "version": VERSION}
TEMPLATES = json.dumps(
    {
        "index_templates": [
            {"name": template_name(dataset), "index_template": {"_meta": _META}} for dataset in BY_DATASET
        ]
    }
).encode()
SIMULATED = json.dumps({"template": {"mappings": {"_meta": _META}}}).encode()
INVENTORY: dict[str, Any] = {
    "me": {"id": "org-bench", "type": "organization", "name": "Bench"},
    "workspaces": {"data": [{"id": each, "name": each} for each in WORKSPACES], "has_more": False},
    "api_keys": {"data": [{"id": each, "name": each} for each in KEYS], "has_more": False},
}


STEPS = {str(width): step for width, step in WIDTHS.items()}


def page(start: str, end: str, width: str, rows: int, changed: int = 0) -> list[bytes]:
    """All buckets of the range as one page, in pieces."""
    step = STEPS[width]
    moment, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    pieces = [b'{"data":[']
    number = int(moment.timestamp() // step.total_seconds())
    while moment < last:
        frame = f'{{"starting_at":"{_text(moment)}","ending_at":"{_text(moment + step)}","results":'
        comma = b"," if moment + step < last else b""
        pieces += [frame.encode(), results(rows, number % VARIANTS, changed), b"}" + comma]
        moment, number = moment + step, number + 1
    return [*pieces, b'],"has_more":false,"next_page":null}']


@lru_cache(maxsize=2 * VARIANTS)
def results(rows: int, variant: int, changed: int = 0) -> bytes:
    """The rows of a bucket as JSON; dimensions differ in each. `changed` per cent have another figure."""
    found = [_row(number, variant, later=number * changed % 100 < changed) for number in range(rows)]
    return json.dumps(found, separators=(",", ":")).encode()


def _row(number: int, variant: int, *, later: bool) -> dict[str, Any]:
    rest, model = divmod(number, len(MODELS))
    rest, workspace = divmod(rest, len(WORKSPACES))
    tier, key = divmod(rest, len(KEYS))
    return {
        "uncached_input_tokens": 12_345 + 17 * number + variant,
        "cache_read_input_tokens": 98_765 + number,
        "cache_creation": {"ephemeral_5m_input_tokens": 400 + number, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 5_432 + variant + later,
        "server_tool_use": {"web_search_requests": number % 3},
        "account_id": None,
        "api_key_id": KEYS[key],
        "service_account_id": None,
        "workspace_id": WORKSPACES[workspace],
        "model": MODELS[model],
        "service_tier": ("standard", "batch")[tier],
        "context_window": None,
        "inference_geo": "global",
        "speed": None,
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(kind: str, rows: str = "0") -> None:
    Api.rows = int(rows)
    serve({"api": Api, "sink": Sink}[kind])


def serve(handler: type[Handler]) -> None:
    """Print the URL and answer until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

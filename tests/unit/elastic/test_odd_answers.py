"""Whatever a server answers, each door to Elasticsearch and Kibana ends in an error of the tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from anthropic_metrics.alerts.install import impression, plan_install
from anthropic_metrics.checks.admin import AdminFacts
from anthropic_metrics.checks.cluster import elasticsearch
from anthropic_metrics.checks.kibana import kibana_findings as check_kibana
from anthropic_metrics.config import Config
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.connect import Client, connect, server_version
from anthropic_metrics.elastic.contents import contents
from anthropic_metrics.elastic.lookup import present, refresh, stored_copies
from anthropic_metrics.elastic.operations import create
from anthropic_metrics.elastic.outlook import Selection, begins, lines, unmapped
from anthropic_metrics.elastic.owners import applying, index_templates
from anthropic_metrics.elastic.polls import last_polls
from anthropic_metrics.elastic.setup import ensure, plan_setup
from anthropic_metrics.elastic.upgrade import existing_streams
from anthropic_metrics.elastic.write import BulkWriter
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.kibana.install import install_dashboards, missing_streams, plan_dashboards

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STREAM = "metrics-anthropic_metrics.usage-default"
DAY = Range(NOW.replace(day=19), NOW)

ODD: dict[str, tuple[int, str, str]] = {
    "a list": (200, "application/json", "[]"),
    "an empty object": (200, "application/json", "{}"),
    "null": (200, "application/json", "null"),
    "a number": (200, "application/json", "7"),
    "a text": (200, "application/json", '"ok"'),
    "half an object": (200, "application/json", '{"hits": {"hits": ['),
    "nothing": (200, "application/json", ""),
    "a page": (200, "text/html", "<html>portal</html>"),
    "a page as JSON": (200, "application/json", "<html>portal</html>"),
    "a refused page": (403, "text/html", "<html>no</html>"),
    "an error that is text": (400, "application/json", '{"error": "no", "status": 400}'),
    "an error that is a list": (400, "application/json", '{"error": [], "status": "x"}'),
    "an error without a body": (502, "text/plain", ""),
    "lists where objects belong": (
        200,
        "application/json",
        '{"version": [], "nodes": [], "hits": [], "aggregations": [], "_shards": [], "items": [], "id": [],'
        '"index_templates": [], "component_templates": {}, "data_streams": {}, "fields": [], "template": []}',
    ),
    "objects without their keys": (
        200,
        "application/json",
        '{"version": {}, "nodes": {"n": {}}, "hits": {"hits": [{}]}, "timed_out": false,'
        '"_shards": {"failed": 0},'
        '"aggregations": {"all": {"buckets": [{}]}, "own": {}, "by": {"buckets": [{}]}}, "id": "x",'
        '"items": [{}], "index_templates": [{}], "component_templates": [{}], "data_streams": [{}],'
        '"fields": {"event.hash": {"text": {}}}, "columns": [{}], "values": [[1]], "data": [{}], "total": 1}',
    ),
    "numbers where texts belong": (
        200,
        "application/json",
        '{"version": {"number": 9}, "hits": 1, "timed_out": 0, "_shards": 1, "aggregations": 1, "id": 1,'
        '"items": 1, "index_templates": 1, "component_templates": 1, "data_streams": 1, "fields": 1,'
        '"columns": 1, "data": 1}',
    ),
}


class Odd(BaseHTTPRequestHandler):
    answer: tuple[int, str, str]

    def _send(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _send

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module", params=ODD, ids=list(ODD))
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("OneAnswer", (Odd,), {"answer": ODD[request.param]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "PAUSES", ())


def settings(url: str) -> Config:
    return Config.model_validate({"elasticsearch": {"hosts": [url]}, "kibana": {"url": url}})


def _bulk(es: Client, _: Config) -> None:
    BulkWriter(es, sleep=lambda _: None).write(STREAM, [create("id", b"{}")])


DOORS: dict[str, Callable[[Client, Config], Any]] = {
    "version": lambda es, _: server_version(es),
    "index templates": lambda es, _: index_templates(es),
    "what applies": lambda es, _: list(applying(es, "default", index_templates(es))),
    "plan of setup": plan_setup,
    "start": ensure,
    "streams": lambda es, _: list(existing_streams(es, "default")),
    "streams that are missing": lambda es, _: missing_streams(es, "default"),
    "refresh": lambda es, _: refresh(es, STREAM),
    "look-up": lambda es, _: stored_copies(es, STREAM, DAY, {}),
    "ids": lambda es, _: present(es, STREAM, ["a"]),
    "aggregation": lambda es, _: query.aggregate(es, STREAM, {}, {"a": {}}),
    "composite": lambda es, _: list(query.composite(es, STREAM, {}, [], {})),
    "sources": lambda es, _: list(query.sources(es, STREAM, {}, ["a"])),
    "ES|QL": lambda es, _: query.esql(es, "FROM x", doing="Asking"),
    "contents": lambda es, _: contents(es, STREAM, "o"),
    "polls": lambda es, _: last_polls(es, STREAM, "o"),
    "headroom": lambda es, _: lines(es, STREAM, Selection("o", DAY)),
    "headroom without limits": lambda es, _: unmapped(es, STREAM, Selection("o", DAY)),
    "begin of headroom": lambda es, _: begins(es, STREAM, "o"),
    "bulk": _bulk,
    "check": lambda _, config: list(elasticsearch(config, NOW, [(config, AdminFacts())])),
}
KIBANA_DOORS: dict[str, Callable[[Config], Any]] = {
    "check": lambda config: list(check_kibana(config)),
    "dashboards": lambda config: install_dashboards(config.kibana),
    "plan of dashboards": lambda config: plan_dashboards(config.kibana),
}


@pytest.mark.parametrize("door", DOORS)
def test_an_odd_answer_of_elasticsearch_ends_in_the_error_tree(url: str, door: str) -> None:
    config = settings(url)
    with connect(config.elasticsearch) as es, suppress(MetricsError):
        DOORS[door](es, config)


@pytest.mark.parametrize("door", KIBANA_DOORS)
def test_an_odd_answer_of_kibana_ends_in_the_error_tree(url: str, door: str) -> None:
    KIBANA_DOORS[door](settings(url))


def test_odd_rules_of_kibana_end_in_the_error_tree(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KibanaClient, "version", lambda _: (9, 1, 0))
    config = settings(url)
    with KibanaClient(config.kibana) as client, suppress(MetricsError):
        plan_install(client, config, impression(None, config, NOW))

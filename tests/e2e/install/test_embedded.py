"""The embedded Elasticsearch, and the processors beside it, do what the rest of the tests rely on."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from anthropic_metrics.embedded import EmbeddedElasticsearch, Users
from anthropic_metrics.errors import RetryLater

PARENT = """
import sys
from anthropic_metrics.embedded import EmbeddedElasticsearch
print(EmbeddedElasticsearch(data=__import__("pathlib").Path(sys.argv[1])).start(), flush=True)
sys.stdin.read()
"""


def stream_template(es: Elasticsearch, stream: str) -> None:
    es.indices.put_index_template(
        name=stream,
        index_patterns=[stream],
        priority=300,
        data_stream={},
        template={
            "mappings": {"dynamic": False, "properties": {"tokens": {"type": "long"}}},
            "lifecycle": {"data_retention": "400d"},
            "data_stream_options": {"failure_store": {"enabled": True}},
        },
    )


def create(es: Elasticsearch, stream: str, *ids: str) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for number, name in enumerate(ids, 1):
        operations.append({"create": {"_index": stream, "_id": name}})
        operations.append({"@timestamp": f"2026-01-{number:02}T00:00:00Z", "tokens": number})
    answer = es.bulk(operations=operations, refresh=True, require_data_stream=True)
    return [item["create"] for item in answer["items"]]


def test_bulk_writes_are_found_by_esql(es: Elasticsearch, namespace: str) -> None:
    index = f"plain-{namespace}"
    es.bulk(index=index, operations=[{"index": {}}, {"n": 1}, {"index": {}}, {"n": 41}], refresh=True)
    answer = es.esql.query(query=f"FROM {index} | STATS total = SUM(n), rows = COUNT(*) | LIMIT 1")
    assert answer["values"] == [[42, 2]]
    es.indices.delete(index=index)


def test_a_template_makes_the_data_stream_which_rolls_over(es: Elasticsearch, namespace: str) -> None:
    stream = f"metrics-anthropic_metrics.embedded-{namespace}"
    stream_template(es, stream)
    template = es.indices.get_index_template(name=stream)["index_templates"][0]["index_template"]["template"]
    assert template["lifecycle"]["data_retention"] == "400d"
    assert template["data_stream_options"] == {"failure_store": {"enabled": True}}

    [first] = create(es, stream, "a")
    es.indices.rollover(alias=stream)
    [second] = create(es, stream, "b")

    assert (first["status"], second["status"]) == (201, 201)
    resolved = es.indices.resolve_index(name=stream)["data_streams"]
    assert [each["backing_indices"] for each in resolved] == [[first["_index"], second["_index"]]]
    answer = es.esql.query(query=f"FROM {stream} | STATS COUNT(*), SUM(tokens) | LIMIT 1")
    assert answer["values"] == [[2, 2]]


def test_a_document_in_an_older_index_is_replaced_under_its_sequence_number(
    es: Elasticsearch, namespace: str
) -> None:
    stream = f"metrics-anthropic_metrics.embedded-{namespace}"
    stream_template(es, stream)
    [old] = create(es, stream, "a")
    es.indices.rollover(alias=stream)
    condition = {"if_seq_no": old["_seq_no"], "if_primary_term": old["_primary_term"]}
    operation = {"index": {"_index": old["_index"], "_id": "a", **condition}}
    body = {"@timestamp": "2026-01-01T00:00:00Z", "tokens": 7}

    statuses = [
        es.bulk(operations=[operation, body], refresh=True)["items"][0]["index"]["status"] for _ in range(2)
    ]

    assert statuses == [200, 409]
    answer = es.esql.query(query=f"FROM {stream} | STATS SUM(tokens) | LIMIT 1")
    assert answer["values"] == [[7]]


def test_documents_survive_a_stop_and_a_kill_on_the_same_folder_and_port(tmp_path: Path) -> None:
    server = EmbeddedElasticsearch(data=tmp_path)
    url = server.start()
    try:
        with Elasticsearch(url) as es:
            es.index(index="kept", id="before the stop", document={"n": 1})
            es.bulk(operations=[line for n in range(20) for line in ({"index": {"_index": f"i{n}"}}, {})])
            server.stop()
            assert server.start() == url
            # Every index can be read at once: a command that starts the server asks right away.
            assert es.cluster.health()["status"] in ("yellow", "green")
            es.index(index="kept", id="before the kill", document={"n": 2})
            server.kill()
            assert server.pid is None
            assert server.start() == url
            es.indices.refresh(index="kept")
            assert es.count(index="kept")["count"] == 2
    finally:
        server.stop()
    assert server.pid is None


def test_the_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        place = urlsplit(parent.stdout.readline().strip())
        address = (str(place.hostname), int(place.port or 0))
        with socket.create_connection(address, timeout=60) as connection:
            parent.send_signal(signal.SIGKILL)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""  # blocks until the server lets go
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


def test_file_users_have_their_roles_and_a_stranger_is_refused(tmp_path: Path) -> None:
    writer = {
        "cluster": [],
        "indices": [{"names": ["metrics-*"], "privileges": ["auto_configure", "create"]}],
    }
    users = Users(
        passwords={"boss": "boss-secret", "agent": "agent-secret"},
        roles_of={"boss": ["superuser"], "agent": ["writer"]},
        roles={"writer": writer},
    )
    assert "secret" not in repr(users)
    with EmbeddedElasticsearch(data=tmp_path, users=users) as server, Elasticsearch(server.url) as es:
        boss = es.options(basic_auth=("boss", "boss-secret"))
        agent = es.options(basic_auth=("agent", "agent-secret"))
        assert boss.cluster.health()["status"] == "green"
        stream_template(boss, "metrics-mine")
        assert create(agent, "metrics-mine", "a")[0]["status"] == 201
        assert create(agent, "others", "a")[0]["status"] == 403
        with pytest.raises(AuthorizationException):
            agent.cluster.health()
        with pytest.raises(AuthenticationException):
            es.cluster.health()
        with pytest.raises(AuthenticationException):
            es.options(basic_auth=("boss", "agent-secret")).cluster.health()


def test_a_start_that_fails_names_the_log_and_the_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = EmbeddedElasticsearch(data=tmp_path, http_port=taken.getsockname()[1])
        with pytest.raises(RetryLater) as raised:
            server.start()
    assert str(tmp_path / "server.log") in str(raised.value)
    assert "Address already in use" in str(raised.value)
    assert server.pid is None


def simulate(url: str, pipeline: dict[str, Any], *sources: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"pipeline": pipeline, "docs": [{"_source": source} for source in sources]}
    answer = httpx.post(f"{url}/_ingest/pipeline/_simulate", json=body)
    assert answer.status_code == 200, answer.text
    return [document["doc"]["_source"] for document in answer.json()["docs"]]


def test_processors_run_set_script_and_templates(processors_url: str) -> None:
    processors = [
        {"set": {"field": "event.ingested", "value": "{{{_ingest.timestamp}}}"}},
        {"script": {"source": "ctx.total = ctx.a + ctx.b"}},
    ]
    [document] = simulate(processors_url, {"processors": processors}, {"a": 1, "b": 2})
    assert document["total"] == 3
    assert document["event"]["ingested"].startswith("20")


def test_a_failing_processor_hands_the_document_to_on_failure(processors_url: str) -> None:
    pipeline = {
        "processors": [{"script": {"tag": "sum", "source": "ctx.total = ctx.a + 1"}}],
        "on_failure": [
            {"set": {"field": "event.kind", "value": "pipeline_error"}},
            {"append": {"field": "error.message", "value": "{{{_ingest.on_failure_processor_tag}}} failed"}},
        ],
    }
    good, bad = simulate(processors_url, pipeline, {"a": 1}, {"a": None})
    assert good == {"a": 1, "total": 2}
    assert bad == {"a": None, "event": {"kind": "pipeline_error"}, "error": {"message": ["sum failed"]}}


def test_a_missing_pipeline_is_passed_over_until_it_exists(processors_url: str) -> None:
    pipeline = {"processors": [{"pipeline": {"name": "hook@custom", "ignore_missing_pipeline": True}}]}
    hook = f"{processors_url}/_ingest/pipeline/hook@custom"
    assert simulate(processors_url, pipeline, {"a": 1}) == [{"a": 1}]
    body = json.dumps({"processors": [{"set": {"field": "mine", "value": True}}]})
    httpx.put(hook, content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    assert simulate(processors_url, pipeline, {"a": 1}) == [{"a": 1, "mine": True}]
    httpx.delete(hook).raise_for_status()

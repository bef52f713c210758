"""The embedded Elasticsearch, and the processors beside it, do what the rest of the tests rely on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from anthropic_metrics.embedded import EmbeddedElasticsearch, Users, cache_dir, download, is_downloaded
from anthropic_metrics.embedded.artifacts import (
    _PINNED,
    DISTRIBUTION,
    MODULES,
    Fetcher,
    check_owner,
    read_digests,
)
from anthropic_metrics.embedded.layout import build_once, unpack
from anthropic_metrics.embedded.process import ServerProcess, Spec
from anthropic_metrics.errors import ConfigError, RetryLater

ARTIFACT = MODULES["x-pack-esql-core"][0]
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
            server.stop()
            assert server.start() == url
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


def test_without_network_and_cache_the_message_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("ANTHROPIC_METRICS_CACHE", str(tmp_path))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "none"))
    monkeypatch.setenv("HTTPS_PROXY", dead)

    assert not is_downloaded()
    with pytest.raises(RetryLater) as raised:
        EmbeddedElasticsearch().start()

    message = str(raised.value)
    assert "could not be downloaded: org.elasticsearch.distribution.integ-test-zip:elasticsearch:" in message
    assert "Connect to the network, or set HTTPS_PROXY" in message
    assert "name it in ELASTICSEARCH_URL" in message
    assert not is_downloaded()
    assert [path.name for path in tmp_path.iterdir()] == ["java"], "nothing half done is left behind"


def test_what_is_downloaded_is_not_resolved_again(
    elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = download()  # there already, unless the tests run against another server
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("M2_REPO", "none")
    monkeypatch.setattr(Fetcher, "get", lambda *_: pytest.fail("resolved again"))
    assert is_downloaded()
    assert download() == home
    assert home.parent == cache_dir()


@contextlib.contextmanager
def repository(body: bytes) -> Iterator[dict[str, str]]:
    """A Maven repository that answers everything with the same body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"here": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()


def jar(folder: Path) -> bytes:
    path = folder / "made.jar"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("inside", "x" * 50_000)
    return path.read_bytes()


@pytest.fixture
def fetcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Fetcher, list[tuple[str, int, int]]]]:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "none"))
    seen: list[tuple[str, int, int]] = []
    with Fetcher(tmp_path / "cache", lambda *step: seen.append(step), digests={}) as made:
        yield made, seen


def test_a_download_is_kept_and_its_progress_told(
    tmp_path: Path, fetcher: tuple[Fetcher, list[tuple[str, int, int]]]
) -> None:
    fetch, seen = fetcher
    body = jar(tmp_path)
    pin(fetch, body)
    with repository(body) as fetch.context.remote_repos:
        kept = fetch.get(ARTIFACT)
    assert kept.read_bytes() == body
    assert seen[-1] == (kept.name, len(body), len(body))
    fetch.context.remote_repos = {}
    assert fetch.get(ARTIFACT) == kept, "no network is needed for what is there"


def pin(fetch: Fetcher, body: bytes) -> None:
    fetch._digests = {str(ARTIFACT): hashlib.sha512(body).hexdigest()}


def test_every_artifact_has_a_pinned_digest_and_no_other_has() -> None:
    artifacts = [DISTRIBUTION, *(jar for jars in MODULES.values() for jar in jars)]
    assert set(read_digests(_PINNED)) == set(map(str, artifacts))


def test_a_download_that_is_not_the_pinned_file_is_refused_and_not_kept(
    tmp_path: Path, fetcher: tuple[Fetcher, list[tuple[str, int, int]]]
) -> None:
    fetch, _ = fetcher
    pin(fetch, b"another")
    with (
        repository(jar(tmp_path)) as fetch.context.remote_repos,
        pytest.raises(RetryLater, match=r"what arrived is not the published file \(SHA-512\)"),
    ):
        fetch.get(ARTIFACT)
    assert not list((tmp_path / "cache" / "java").rglob("*.jar"))


def test_a_file_of_the_cache_that_was_changed_is_refused_and_named(
    tmp_path: Path, fetcher: tuple[Fetcher, list[tuple[str, int, int]]]
) -> None:
    fetch, _ = fetcher
    body = jar(tmp_path)
    pin(fetch, body)
    with repository(body) as fetch.context.remote_repos:
        kept = fetch.get(ARTIFACT)
    kept.write_bytes(body + b"more")
    with pytest.raises(RetryLater, match=rf"{kept}, which you can delete, is not the published file"):
        fetch.get(ARTIFACT)


def test_a_folder_that_others_can_write_to_or_own_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    check_owner(tmp_path / "cache")
    (tmp_path / "cache").chmod(0o775)
    with pytest.raises(ConfigError, match=r"can be changed by other users.*chmod go-w"):
        Fetcher(tmp_path / "cache")
    stranger = SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=os.getuid() + 4711, st_mode=0o755))
    with pytest.raises(ConfigError, match="belongs to another user"):
        check_owner(cast("Path", stranger))


def test_a_child_gets_no_variable_that_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-secret")
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "secret")
    tell = "import os, sys; sys.stdin.readline(); sys.stderr.write(' '.join(os.environ)); print('ready 1')"
    server = ServerProcess(
        [sys.executable, "-c", tell], Spec("home", "config", "1m", {}), tmp_path / "server.log"
    )
    server.start()
    server.stop()
    given = (tmp_path / "server.log").read_text().split()
    assert "PATH" in given
    assert not [name for name in given if "KEY" in name or "ANTHROPIC" in name]


@pytest.mark.parametrize("damage", ["login page", "truncated", "garbled"])
def test_a_download_that_is_no_whole_file_is_refused_and_not_kept(
    tmp_path: Path, fetcher: tuple[Fetcher, list[tuple[str, int, int]]], damage: str
) -> None:
    fetch, _ = fetcher
    body = jar(tmp_path)
    bodies = {
        "login page": b"<html>Please sign in</html>",
        "truncated": body[:-100],
        "garbled": body[:1000] + b"?" + body[1001:],
    }
    with (
        repository(bodies[damage]) as fetch.context.remote_repos,
        pytest.raises(RetryLater, match="not a complete zip file"),
    ):
        fetch.get(ARTIFACT)
    assert not list((tmp_path / "cache" / "java").rglob("*.jar"))


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "damaged.zip"
    archive.write_bytes(jar(tmp_path)[:-100])
    with pytest.raises(RetryLater, match=r"damaged\.zip is damaged .*delete it"):
        unpack(archive, tmp_path / "home")


def test_a_home_that_could_not_be_finished_is_not_there(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(tmp_path / "home", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_the_faster_of_two_builders_is_used(tmp_path: Path) -> None:
    def slower(folder: Path) -> None:
        (folder / "mine").touch()
        build_once(tmp_path / "home", lambda other: (other / "theirs").touch())

    home = build_once(tmp_path / "home", slower)
    assert [path.name for path in home.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [home]


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

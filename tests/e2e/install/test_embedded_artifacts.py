"""What the embedded Elasticsearch is made of: downloaded once, held to its digests, never half there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anthropic_metrics.embedded import EmbeddedElasticsearch, cache_dir, download, is_downloaded
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


def garbled(folder: Path) -> bytes:
    body = jar(folder, zipfile.ZIP_DEFLATED)
    return body[:40] + bytes(byte ^ 0xFF for byte in body[40:60]) + body[60:]


def jar(folder: Path, compression: int = zipfile.ZIP_STORED) -> bytes:
    path = folder / "made.jar"
    with zipfile.ZipFile(path, "w", compression) as made:
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
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    tell = "import os, sys; sys.stdin.readline(); sys.stderr.write(' '.join(os.environ)); print('ready 1')"
    server = ServerProcess(
        [sys.executable, "-c", tell], Spec("home", "config", "1m", {}), tmp_path / "server.log"
    )
    server.start()
    server.stop()
    given = (tmp_path / "server.log").read_text().split()
    assert {"PATH", "JAVA_TOOL_OPTIONS"} <= set(given)
    assert not [name for name in given if "KEY" in name or "ANTHROPIC" in name]


@pytest.mark.parametrize("damage", ["login page", "truncated", "garbled", "garbled and compressed"])
def test_a_download_that_is_no_whole_file_is_refused_and_not_kept(
    tmp_path: Path, fetcher: tuple[Fetcher, list[tuple[str, int, int]]], damage: str
) -> None:
    fetch, _ = fetcher
    body = jar(tmp_path)
    bodies = {
        "login page": b"<html>Please sign in</html>",
        "truncated": body[:-100],
        "garbled": body[:1000] + b"?" + body[1001:],
        "garbled and compressed": garbled(tmp_path),
    }
    with (
        repository(bodies[damage]) as fetch.context.remote_repos,
        pytest.raises(RetryLater, match="not a complete zip file"),
    ):
        fetch.get(ARTIFACT)
    assert not list((tmp_path / "cache" / "java").rglob("*.jar"))


def test_a_child_that_ends_before_it_reads_what_to_start_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def ended(*arguments: Any, **named: Any) -> Any:
        child = start(*arguments, **named)
        child.wait()
        return child

    monkeypatch.setattr(subprocess, "Popen", ended)
    spec = Spec("home", "config", "1m", {})
    server = ServerProcess([sys.executable, "-c", "raise SystemExit('no Java')"], spec, tmp_path / "log")
    with pytest.raises(RetryLater, match=r"did not start.*\n  no Java"):
        server.start()
    assert server.pid is None
    server.stop()


def test_data_that_another_server_uses_is_one_message(tmp_path: Path) -> None:
    spec = Spec(str(tmp_path), str(tmp_path), "256m", {})
    said = "java.lang.IllegalStateException: failed to obtain node locks, tried [/x]; maybe other nodes run"
    server = ServerProcess([sys.executable, "-c", f"raise SystemExit({said!r})"], spec, tmp_path / "log")
    with pytest.raises(RetryLater, match="another one uses its data") as caught:
        server.start()
    assert "Exception" not in str(caught.value)


def test_a_folder_of_documents_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    server = EmbeddedElasticsearch(tmp_path, data=tmp_path / "data")
    with pytest.raises(ConfigError, match=r"cannot be kept in .*data: "):
        server.start()


@pytest.mark.parametrize("damage", ["truncated", "garbled"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "damaged.zip"
    archive.write_bytes(jar(tmp_path)[:-100] if damage == "truncated" else garbled(tmp_path))
    with pytest.raises(RetryLater, match=r"damaged\.zip is damaged .*delete it"):
        unpack(archive, tmp_path / "home")


def test_what_a_killed_start_left_half_done_is_removed_a_day_later_and_that_of_a_running_one_stays(
    tmp_path: Path,
) -> None:
    for name, age in ((".home-killed", 90_000), (".home-running", 60), (".download-killed", 90_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    build_once(tmp_path / "home", lambda folder: (folder / "whole").touch())
    with Fetcher(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"home", ".home-running", "java"}


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

"""`--embedded`: commands that poll start the embedded server, commands that read use it or start it again."""

from __future__ import annotations

import fcntl
import itertools
import socket
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from anthropic_metrics import cli, signals
from anthropic_metrics.cli import cluster
from anthropic_metrics.cli.common import load
from anthropic_metrics.cli.reference import commands
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.contents import Contents
from anthropic_metrics.embedded import child
from anthropic_metrics.embedded.process import Spec
from anthropic_metrics.errors import RetryLater

NEWEST = datetime(2026, 11, 25, 16, 30, 59, tzinfo=UTC)


class Server:
    """Stands in for the embedded Elasticsearch, which takes seconds to start: a port that accepts."""

    started = 0
    brief: ClassVar[list[bool]] = []

    def __init__(self, *, data: Path | None, brief: bool) -> None:
        Server.brief.append(brief)
        if data is not None:
            data.mkdir(exist_ok=True)

    def __enter__(self) -> Server:
        Server.started += 1
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_METRICS_CACHE", str(tmp_path))
    monkeypatch.setenv("ELASTICSEARCH_URL", "https://elsewhere:9200")
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "key-of-the-other-cluster")
    monkeypatch.setattr(cluster, "EmbeddedElasticsearch", Server)
    monkeypatch.setattr(cluster, "is_downloaded", lambda: True)
    monkeypatch.setattr(cluster, "contents", lambda *_: Contents(newest=NEWEST))


def test_a_command_uses_the_running_server_and_sends_it_no_other_clusters_key() -> None:
    with cluster.own_cluster(load(None), shared=False) as running:
        for settings in (load(None, embedded=True), *shared()):
            assert (settings.elasticsearch.hosts, settings.elasticsearch.secret()) == (
                running.elasticsearch.hosts,
                None,
            )


def shared() -> list[Config]:
    with cluster.own_cluster(load(None), shared=True) as settings:
        return [settings]


def test_a_second_daemon_does_not_use_the_server_of_the_first() -> None:
    with (
        cluster.own_cluster(load(None), shared=False),
        pytest.raises(RetryLater, match="--embedded: another command runs the embedded Elasticsearch"),
        cluster.own_cluster(load(None), shared=False),
    ):
        pass


def test_a_command_waits_for_the_server_that_another_one_is_starting_and_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started, looks = Server.started, list[float]()
    with (tmp_path / "embedded.lock").open("a") as other, socket.create_server(("127.0.0.1", 0)) as server:
        fcntl.flock(other, fcntl.LOCK_EX)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def look(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 2:
                (tmp_path / "embedded.url").write_text(url, encoding="utf-8")

        monkeypatch.setattr(time, "sleep", look)
        assert [settings.elasticsearch.hosts for settings in shared()] == [(url,)]
    assert (Server.started, len(looks)) == (started, 2)
    assert capsys.readouterr().err.count("Waiting for another command") == 1


def test_a_command_starts_a_server_when_the_one_before_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no address any more while it closes its files."""
    started = Server.started
    with (tmp_path / "embedded.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(other, fcntl.LOCK_UN))
        assert len(shared()) == 1
    assert Server.started == started + 1


def test_the_command_that_runs_the_server_ends_after_those_that_use_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = ExitStack()
    monkeypatch.setattr(time, "sleep", lambda _: user.close())
    with cluster.own_cluster(load(None), shared=True):
        user.enter_context(cluster.own_cluster(load(None), shared=True))
    assert "Waiting for other commands that use" in capsys.readouterr().err


def test_a_command_that_fails_leaves_the_others_their_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    user, looks = ExitStack(), list[float]()

    def look(seconds: float) -> None:
        looks.append(seconds)
        user.close()

    def fail() -> None:
        with cluster.own_cluster(load(None), shared=True):
            user.enter_context(cluster.own_cluster(load(None), shared=True))
            raise RetryLater("The Admin API is away.")

    monkeypatch.setattr(time, "sleep", look)
    with pytest.raises(RetryLater, match="away"):
        fail()
    assert looks


def test_a_command_that_was_asked_to_end_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_is_asked", True)
    with ExitStack() as user, cluster.own_cluster(load(None), shared=True):
        user.enter_context(cluster.own_cluster(load(None), shared=True))


def test_a_command_does_not_wait_for_ever_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(step=100)
    with (tmp_path / "embedded.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
        with pytest.raises(RetryLater, match="another command starts or ends"):
            shared()


def test_without_a_running_server_a_command_that_reads_starts_it_over_the_data_that_is_there() -> None:
    with cluster.own_cluster(load(None), shared=True) as written:
        before = written.elasticsearch.hosts
    started = Server.started
    assert load(None, embedded=True).elasticsearch.hosts != before
    assert Server.started == started + 1


def test_an_address_that_a_killed_server_has_left_behind_is_not_used(tmp_path: Path) -> None:
    with cluster.own_cluster(load(None), shared=True) as settings:
        (left,) = settings.elasticsearch.hosts
    (tmp_path / "embedded.url").write_text(left, encoding="utf-8")
    assert load(None, embedded=True).elasticsearch.hosts != (left,)


def test_without_data_the_cure_is_the_command_that_reads_it() -> None:
    with pytest.raises(RetryLater, match=r"holds no data yet.*once --embedded"):
        load(None, embedded=True)


def test_only_the_server_of_the_daemon_pays_for_javas_full_compiler() -> None:
    Server.brief.clear()
    with cluster.own_cluster(load(None), shared=False):
        pass
    with cluster.own_cluster(load(None), shared=True), cluster.embedded_cluster(load(None), data=None):
        pass
    assert Server.brief == [False, True, True]


@pytest.mark.parametrize("brief", [True, False])
def test_a_brief_servers_java_has_the_light_compiler_alone(
    monkeypatch: pytest.MonkeyPatch, brief: bool
) -> None:
    options: list[str] = []
    monkeypatch.setattr("jpype.startJVM", lambda *given, **_: options.extend(given))
    child.start_jvm(Spec("home", "config", "1m", {}, brief))
    assert ("-XX:TieredStopAtLevel=1" in options) is brief


def test_a_server_of_the_demo_is_nobody_elses() -> None:
    with cluster.embedded_cluster(load(None), data=None), pytest.raises(RetryLater):
        load(None, embedded=True)


def test_a_command_names_the_data_that_it_uses_and_from_when_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.own_cluster(load(None), shared=True):
        shared()
    used = f"Using the data in {tmp_path / 'data'}, last updated 2026-11-25 16:30 UTC.\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"Starting the embedded Elasticsearch.\n{used}{used}")


def test_a_taken_port_ends_run_before_it_starts_a_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-not-used-here")
    started = Server.started
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("ANTHROPIC_METRICS_HEALTH__PORT", str(port))
        assert ended(["run", "--embedded"], monkeypatch) == 1
    assert Server.started == started
    assert capsys.readouterr().err.startswith(
        f"anthropic-metrics: health.host, health.port: cannot listen on 127.0.0.1:{port}:"
    )


def test_run_names_the_port_that_it_serves_where_the_system_chose_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def polled(_agent: object, listener: socket.socket) -> int:
        served.append(listener.getsockname()[1])
        return 0

    served: list[int] = []
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-not-used-here")
    monkeypatch.setenv("ANTHROPIC_METRICS_HEALTH__PORT", "0")
    monkeypatch.setattr("anthropic_metrics.cli.polling.daemon.run", polled)
    monkeypatch.setattr("anthropic_metrics.cli.polling.share_heaps", lambda: None)
    assert ended(["run", "--embedded"], monkeypatch) == 0
    assert f"; health at http://127.0.0.1:{served[0]}.\n" in capsys.readouterr().err


READING = {
    *("check", "audit", "corrections", "spend", "headroom", "budgets", "keys", "digest", "preview"),
    *("alerts evaluate", "alerts suggest", "dashboards render"),
}
POLLING = {"run", "once", "backfill"}
INSTEAD = {
    "budgets": "`anthropic-metrics report --month this-month -o month.html` shows the month's budgets and",
    "spend": "`anthropic-metrics costs --by key,model` shows what last month cost",
}
OPTIONS = {"backfill": ["--since", "7d"], "digest": ["--print"], "preview": ["--only", "headroom"]}


def test_every_command_that_reads_or_fills_the_streams_takes_it() -> None:
    taking = {
        name for name, command in commands() if any("--embedded" in option.opts for option in command.params)
    }
    assert taking == READING | POLLING


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["anthropic-metrics", *words])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    return ending.value.code


@pytest.mark.parametrize("name", sorted((READING | POLLING) - {"check"}))
def test_where_no_cluster_is_configured_the_cure_names_the_option_first(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL")
    monkeypatch.delenv("ELASTICSEARCH_API_KEY")
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-not-used-here")
    monkeypatch.setenv("ANTHROPIC_METRICS_ANTHROPIC__BASE_URL", "http://127.0.0.1:9")
    assert ended([*name.split(), *OPTIONS.get(name, [])], monkeypatch) == 2
    shown = capsys.readouterr().err
    assert "elasticsearch.hosts: no cluster is configured. Add --embedded to use" in shown
    assert shown.endswith("/docs/troubleshooting.md#elasticsearch-hosts-no-cluster-is-configured\n")
    assert INSTEAD.get(name, "`costs` and `report` need neither.") in shown


def test_setup_which_needs_a_cluster_does_not_name_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL")
    monkeypatch.delenv("ELASTICSEARCH_API_KEY")
    assert ended(["setup"], monkeypatch) == 2
    shown = capsys.readouterr().err
    assert "there is no cluster to write to. Set ELASTICSEARCH_URL" in shown
    assert "--embedded" not in shown


@pytest.mark.parametrize("name", sorted(POLLING))
def test_no_server_is_started_before_the_key_is_there(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANTHROPIC_ADMIN_API_KEY", raising=False)
    started = Server.started
    assert ended([name, *OPTIONS.get(name, []), "--embedded"], monkeypatch) == 2
    assert "there is no Admin API key" in capsys.readouterr().err
    assert Server.started == started

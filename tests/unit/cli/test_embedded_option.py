"""`--embedded` of the commands that read: the cluster of the `run --embedded` on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.cli import cluster
from anthropic_metrics.cli.common import load
from anthropic_metrics.cli.reference import commands
from anthropic_metrics.errors import ConfigError


class Server:
    """Stands in for the embedded Elasticsearch, which takes seconds to start."""

    url = "http://127.0.0.1:4711"

    def __init__(self, *, data: Path | None) -> None:
        self.data = data

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_METRICS_CACHE", str(tmp_path))
    monkeypatch.setenv("ELASTICSEARCH_URL", "https://elsewhere:9200")
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "key-of-the-other-cluster")
    monkeypatch.setattr(cluster, "EmbeddedElasticsearch", Server)
    monkeypatch.setattr(cluster, "is_downloaded", lambda: True)


def test_a_reading_command_finds_the_running_server_and_sends_it_no_other_clusters_key(
    tmp_path: Path,
) -> None:
    with cluster.embedded_cluster(load(None), data=tmp_path / "data"):
        settings = load(None, embedded=True).elasticsearch
        assert (settings.hosts, settings.secret()) == ((Server.url,), None)


def test_without_a_running_server_the_cure_is_named(tmp_path: Path) -> None:
    with cluster.embedded_cluster(load(None), data=tmp_path / "data"):
        pass
    with pytest.raises(ConfigError, match=r"--embedded: there is no embedded Elasticsearch.*run --embedded"):
        load(None, embedded=True)


def test_a_server_of_the_demo_is_nobody_elses() -> None:
    with cluster.embedded_cluster(load(None), data=None), pytest.raises(ConfigError):
        load(None, embedded=True)


def test_every_command_that_reads_the_streams_takes_it() -> None:
    reading = {
        *("check", "audit", "corrections", "spend", "headroom", "budgets", "keys", "digest"),
        *("alerts evaluate", "alerts suggest", "dashboards render"),
    }
    taking = {
        name for name, command in commands() if any("--embedded" in option.opts for option in command.params)
    }
    assert taking == reading | {"run"}

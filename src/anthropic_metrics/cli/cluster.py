"""The embedded Elasticsearch as a command uses it: fetched with a progress bar, gone with the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config, ElasticsearchSettings
from anthropic_metrics.embedded import EmbeddedElasticsearch, cache_dir, download, is_downloaded
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.proxies import DIRECT


def own_data() -> Path:
    """Where `run --embedded` keeps its documents from one start to the next."""
    return cache_dir() / "data"


@contextmanager
def embedded_cluster(config: Config, *, data: Path | None) -> Iterator[Config]:
    """`config` with an Elasticsearch of our own as its cluster, for as long as the context lasts.

    `data` names the folder of its documents; None makes one that is removed in the end.
    """
    if not is_downloaded():
        _download()
    with EmbeddedElasticsearch(data=data) as cluster:
        if data is not None:
            _address().write_text(cluster.url, encoding="utf-8")
        try:
            yield _at(config, cluster.url)
        finally:
            if data is not None:
                _address().unlink(missing_ok=True)


def running(config: Config) -> Config:
    """`config` with the cluster of the `run --embedded` on this machine. Raises ConfigError."""
    try:
        return _at(config, _address().read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(
            "--embedded: there is no embedded Elasticsearch on this machine.",
            cure="Start `anthropic-metrics run --embedded` in another terminal.",
        ) from None


def _address() -> Path:
    """The file that holds the URL of the running server."""
    return cache_dir() / "embedded.url"


def _at(config: Config, url: str) -> Config:
    elasticsearch = ElasticsearchSettings(hosts=(url,), proxy=DIRECT, timeout=config.elasticsearch.timeout)
    return config.model_copy(update={"elasticsearch": elasticsearch})


def _download() -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    say("Downloading Elasticsearch, once; later starts need no network.")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=done)

        download(advance)

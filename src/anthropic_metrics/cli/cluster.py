"""The embedded Elasticsearch as a command uses it: fetched with a progress bar, gone with the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config
from anthropic_metrics.embedded import EmbeddedElasticsearch, cache_dir, download, is_downloaded
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
        hosts = config.elasticsearch.model_copy(update={"hosts": (cluster.url,), "proxy": DIRECT})
        yield config.model_copy(update={"elasticsearch": hosts})


def _download() -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    say("Fetching Elasticsearch, once; later starts need no network.")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=done)

        download(advance)

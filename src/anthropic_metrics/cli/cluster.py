"""The embedded Elasticsearch as a command uses it: fetched with a progress bar, gone with the command."""

from __future__ import annotations

import atexit
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config, ElasticsearchSettings
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.contents import contents
from anthropic_metrics.embedded import EmbeddedElasticsearch, cache_dir, download, is_downloaded
from anthropic_metrics.embedded.artifacts import require_extra
from anthropic_metrics.errors import MetricsError, RetryLater
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.proxies import DIRECT

ANSWERS = 2.0  # seconds in which a server on this machine accepts a connection


def own_data() -> Path:
    """Where `--embedded` keeps its documents from one start to the next."""
    return cache_dir() / "data"


@contextmanager
def embedded_cluster(config: Config, *, data: Path | None, brief: bool = True) -> Iterator[Config]:
    """`config` with an Elasticsearch of our own as its cluster, for as long as the context lasts.

    `data` names the folder of its documents; None makes one that is removed in the end. `brief` is false for
    a server that runs for days.
    """
    if not is_downloaded():
        _download()
    address = _address()
    with EmbeddedElasticsearch(data=data, brief=brief) as cluster:
        if data is not None:
            address.write_text(cluster.url, encoding="utf-8")
        try:
            yield _at(config, cluster.url)
        finally:
            if data is not None:
                address.unlink(missing_ok=True)


@contextmanager
def own_cluster(config: Config, *, shared: bool) -> Iterator[Config]:
    """`config` with the embedded server over `own_data`, for as long as the context lasts.

    `shared`, for a command that soon ends: where another one runs the server, it is used. Else that is
    RetryLater.
    """
    url = _running()
    if url is None:
        require_extra()
        say("Starting the embedded Elasticsearch.")
        with embedded_cluster(config, data=own_data(), brief=shared) as settings:
            say(_used(settings))
            yield settings
    elif shared:
        settings = _at(config, url)
        say(_used(settings))
        yield settings
    else:
        raise RetryLater(
            f"--embedded: another command runs the embedded Elasticsearch ({url}).",
            cure="End that command first, or use a cluster: set ELASTICSEARCH_URL and leave out --embedded.",
        )


def until_exit(config: Config) -> Config:
    """`own_cluster` for a command that reads what was written before, until the process ends. RetryLater."""
    if _running() is None and not own_data().is_dir():
        raise RetryLater(
            "--embedded: the embedded Elasticsearch holds no data yet.",
            cure="Run `anthropic-metrics once --embedded` first, or keep `anthropic-metrics run --embedded` "
            "running in another terminal.",
        )
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(own_cluster(config, shared=True))


def _used(config: Config) -> str:
    """Which data a command with `--embedded` uses, and from when it is."""
    try:
        with closing(connect(config.elasticsearch)) as es:
            newest = contents(es, stream_name(AGENT, config.namespace)).newest
    except MetricsError:  # the command asks for more than this, and says what is wrong
        newest = None
    since = f", last updated {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
    return f"Using the data in {own_data()}{since}."


def _running() -> str | None:
    """The URL of the server that another command runs; None where nothing answers there."""
    try:
        url = _address().read_text(encoding="utf-8")
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=ANSWERS):
            return url
    except (OSError, ValueError):
        return None


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

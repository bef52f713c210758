"""The embedded Elasticsearch as a command uses it: fetched with a progress bar, gone with the command."""

from __future__ import annotations

import atexit
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from anthropic_metrics import signals
from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config, ElasticsearchSettings
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.contents import contents
from anthropic_metrics.embedded import EmbeddedElasticsearch, cache_dir, download, is_downloaded
from anthropic_metrics.embedded.artifacts import require_extra
from anthropic_metrics.embedded.process import START_SECONDS, STOP_SECONDS
from anthropic_metrics.embedded.sharing import end_lock, run_lock, use_lock
from anthropic_metrics.errors import MetricsError, RetryLater
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.proxies import DIRECT

LOOK = 0.2  # seconds from one look for another command's server to the next
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
    with ExitStack() as held:
        url = _shared_or_owned(held)
        if url is None:
            require_extra()
            say("Starting the embedded Elasticsearch.")
            with embedded_cluster(config, data=own_data(), brief=shared) as settings:
                say(_used(settings))
                try:
                    yield settings
                finally:
                    if shared:
                        _let_others_end(held)
        elif shared:
            settings = _at(config, url)
            say(_used(settings))
            yield settings
        else:
            raise RetryLater(
                f"--embedded: another command runs the embedded Elasticsearch ({url}).",
                cure="End that command first, or use a cluster: set ELASTICSEARCH_URL and leave out "
                "--embedded.",
            )


def _shared_or_owned(held: ExitStack) -> str | None:
    """The URL of another command's server, which stays until `held` is closed, or the right to run one.

    A server that starts or ends is waited for. RetryLater if that goes on for minutes.
    """
    until, is_told = time.monotonic() + START_SECONDS + STOP_SECONDS, False
    while True:
        with ExitStack() as user:
            url = _running()
            if url and use_lock(cache_dir(), user) and _running() == url:
                held.push(user.pop_all())
                return url
        if run_lock(cache_dir(), held):
            return None
        if time.monotonic() > until:
            raise RetryLater(
                "--embedded: another command starts or ends the embedded Elasticsearch, for minutes now.",
                cure="End that command, then try again.",
            )
        if not is_told:
            say("Waiting for another command that starts or ends the embedded Elasticsearch.")
            is_told = True
        time.sleep(LOOK)


def _let_others_end(held: ExitStack) -> None:
    """Keep the server while other commands use it, unless this one was asked to end."""
    is_told = False
    with suppress(KeyboardInterrupt):
        while not signals.is_asked() and not end_lock(cache_dir(), held):
            if not is_told:
                say("Waiting for other commands that use the embedded Elasticsearch; Ctrl-C ends it at once.")
                is_told = True
            time.sleep(LOOK)


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

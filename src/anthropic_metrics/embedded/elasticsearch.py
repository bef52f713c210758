"""The embedded Elasticsearch, as the rest of the agent uses it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from anthropic_metrics.embedded.artifacts import Progress, cache_dir, not_writable, require_extra
from anthropic_metrics.embedded.layout import elasticsearch_home, home_dir
from anthropic_metrics.embedded.process import ServerProcess, Spec
from anthropic_metrics.embedded.users import Users

CHILD = (sys.executable, "-m", "anthropic_metrics.embedded.child")

# What differs from a server that somebody runs for good: one node, this machine only, any fill of the disk is
# fine, and room for the many small streams of a test session.
SETTINGS = {
    "cluster.name": "anthropic-metrics",
    "node.name": "embedded",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "transport.port": "0",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "cluster.max_shards_per_node": "10000",
    "logger.level": "warn",
}


def is_downloaded() -> bool:
    """Whether a start needs no network."""
    return home_dir(cache_dir()).is_dir()


def download(progress: Progress | None = None) -> Path:
    """Makes sure that a start needs no network; gives the folder. Raises RetryLater or ConfigError."""
    return elasticsearch_home(cache_dir(), progress)


class EmbeddedElasticsearch:
    """One Elasticsearch 8.19 on 127.0.0.1, in a child process that ends when this one does, however it ends.

    It has index templates, data streams (made by the first write; rollover), bulk, search, ES|QL of 8.19 and,
    with `users`, security. It lacks what Elastic publishes in no artifact: `GET /`, every `_data_stream`
    endpoint, ILM, scripts, delete and update by query, ingest processors (an empty pipeline can be stored),
    users and API keys made over HTTP, and the mapping types constant_keyword, wildcard and scaled_float.
    A template may ask for a lifecycle and a failure store, but retention never deletes and nothing is
    diverted: what does not fit the mapping is refused with 400.

    `data` names a folder that outlives the server, so that a later start finds the same documents; without
    it a temporary one is removed by `stop`. `http_port` 0 takes a free port and keeps it for later starts of
    this object. It takes 0.35 GB of memory at first, up to 0.8 GB with the default heap.

    `brief` leaves Java its light compiler alone: a third less processor time in the first minutes, slower
    later.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        data: Path | None = None,
        http_port: int = 0,
        heap: str = "512m",
        brief: bool = False,
        users: Users | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._home = home
        self._data = data.absolute() if data else None
        self._folder: Path | None = None
        self._port = http_port
        self._heap = heap
        self._brief = brief
        self._users = users
        self._progress = progress
        self._process: ServerProcess | None = None

    def start(self) -> str:
        """The URL, once the server answers.

        RetryLater when it cannot be downloaded or does not start (the message names the log and quotes its
        end); ConfigError when the extra `demo` is not installed or the folder cannot be written.
        """
        require_extra()
        home = self._home or download(self._progress)
        try:
            if self._folder is None:
                self._folder = self._data or Path(tempfile.mkdtemp(prefix="anthropic-metrics-"))
            self._process = ServerProcess(CHILD, self._spec(home, self._folder), self._folder / "server.log")
            self._port = self._process.start()
        except OSError as error:
            raise not_writable(self._folder or Path(tempfile.gettempdir()), error) from error
        return self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The child process; None when it is not running."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Ends the server in order. Harmless when it is not running."""
        if self._process:
            self._process.stop()
        if self._folder and not self._data:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """Ends the server at once (SIGKILL) and keeps its data, for a start that finds what a crash left."""
        if self._process:
            self._process.kill()

    def __enter__(self) -> EmbeddedElasticsearch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spec(self, home: Path, folder: Path) -> Spec:
        config = folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        if self._users:
            self._users.write(config)
        settings = {
            **SETTINGS,
            "path.home": str(home),
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
            "http.port": str(self._port),
            "xpack.security.enabled": "true" if self._users else "false",
        }
        return Spec(str(home), str(config), self._heap, settings, self._brief)

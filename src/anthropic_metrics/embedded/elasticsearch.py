"""The embedded Elasticsearch, as the rest of the agent uses it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from anthropic_metrics.embedded.artifacts import Progress, cache_dir, missing_extra
from anthropic_metrics.embedded.layout import elasticsearch_home, home_dir
from anthropic_metrics.embedded.process import ServerProcess, Spec
from anthropic_metrics.errors import ConfigError


def is_downloaded() -> bool:
    """Whether a start needs no network."""
    return home_dir(cache_dir()).is_dir()


def download(progress: Progress | None = None) -> Path:
    """Makes sure that a start needs no network; returns the folder. Raises RetryLater or ConfigError."""
    return elasticsearch_home(cache_dir(), progress)


@dataclass(frozen=True)
class Users:
    """Who may do what: passwords and role names by user, and the roles that are not built in.

    `roles` has the shape of Elasticsearch's roles.yml: {"writer": {"cluster": [...], "indices": [...]}}.
    """

    passwords: Mapping[str, str] = field(repr=False)
    roles_of: Mapping[str, Sequence[str]]
    roles: Mapping[str, Any] = field(default_factory=dict)


class EmbeddedElasticsearch:
    """One Elasticsearch on 127.0.0.1, in a child process that ends with this one."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        data: Path | None = None,
        http_port: int = 0,
        heap: str = "512m",
        users: Users | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._home = home
        self._kept = data
        self._data = data
        self._port = http_port
        self._heap = heap
        self._users = users
        self._progress = progress
        self._process: ServerProcess | None = None

    def start(self) -> str:
        home = self._home or download(self._progress)
        self._data = self._kept or Path(tempfile.mkdtemp(prefix="anthropic-metrics-"))
        for folder in ("config", "logs", "data"):
            (self._data / folder).mkdir(parents=True, exist_ok=True)
        self._write_users(home)
        spec = Spec(str(home), str(self._data / "config"), self._heap, self._settings(home, self._data))
        self._process = ServerProcess("anthropic_metrics.embedded.child", spec, self._data / "logs" / "server.log")
        self._port = self._process.start()
        return self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
        if self._data is not None and self._data != self._kept:
            shutil.rmtree(self._data, ignore_errors=True)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> EmbeddedElasticsearch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _settings(self, home: Path, data: Path) -> dict[str, str]:
        return {
            "path.home": str(home),
            "path.data": str(data / "data"),
            "path.logs": str(data / "logs"),
            "node.name": "embedded",
            "cluster.name": "anthropic-metrics",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": str(self._port),
            "transport.port": "0",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "cluster.max_shards_per_node": "10000",
            "xpack.security.enabled": "true" if self._users else "false",
        }

    def _write_users(self, home: Path) -> None:
        if self._users is None or self._data is None:
            return
        try:
            import bcrypt
        except ImportError as error:
            raise missing_extra(error) from error
        hashed = {
            name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(10, prefix=b"2a")).decode()
            for name, password in self._users.passwords.items()
        }
        config = self._data / "config"
        (config / "users").write_text("".join(f"{name}:{value}\n" for name, value in hashed.items()), "utf-8")
        by_role: dict[str, list[str]] = {}
        for name, roles in self._users.roles_of.items():
            for role in roles:
                by_role.setdefault(role, []).append(name)
        lines = (f"{role}:{','.join(names)}\n" for role, names in by_role.items())
        (config / "users_roles").write_text("".join(lines), "utf-8")
        (config / "roles.yml").write_text(yaml.safe_dump(dict(self._users.roles)), "utf-8")

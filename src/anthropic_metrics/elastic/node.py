"""The connection to one node: through a proxy where there is one, with TLS failures explained."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from elastic_transport import ConnectionError as ConnectionLost
from elastic_transport import NodeConfig, TransportError, Urllib3HttpNode

from anthropic_metrics.certificates import authorities, tls_cure, unverified
from anthropic_metrics.deadline import LimitedPool, LimitedTLSPool, limited_pool
from anthropic_metrics.errors import AnswerTooLarge, ConfigError
from anthropic_metrics.proxies import proxy_for, proxy_host, without_user

MOST_BYTES = 256 * 1024 * 1024  # ten times the largest page of documents
_PIECE = 65_536
ODD_CURE = "Check that `elasticsearch.hosts` names Elasticsearch itself, and what a proxy before it answers."
_PLAIN_CURE = "If this port speaks TLS, write https:// in `elasticsearch.hosts`."
_BROKEN_OFF = ("Connection aborted", "RemoteDisconnected", "BadStatusLine", "IncompleteRead")


class Node(Urllib3HttpNode):
    """A node as the client uses it; its connections keep to the deadline of a request.

    A failure carries its cure as `cure`, where its words tell one, and the proxy's host as `through`.

    `proxy` and `authority_given` come from the configuration by `node_class`.
    """

    proxy: str | None = None
    authority_given = False

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        limited_pool(self.pool)
        pool: Any = self.pool
        if proxy := proxy_for(_address(config), self.proxy):
            pool = _Proxied(config, proxy)
        self.pool = _Bounded(pool)  # type: ignore[assignment]  # it has all that the node uses of one

    def perform_request(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().perform_request(*arguments, **options)
        except TransportError as error:
            for reason in error.errors:
                if isinstance(reason, AnswerTooLarge):
                    raise reason from None
            error.cure = self._cure(error)  # type: ignore[attr-defined]  # read by elastic.failures
            error.through = proxy_host(_address(self.config), self.proxy)  # type: ignore[attr-defined]  # likewise
            raise

    def _cure(self, error: TransportError) -> str:
        said = str(error.message)
        cure = tls_cure(
            said, "`elasticsearch.hosts`", "`elasticsearch.ca_certs`", has_authority=self.authority_given
        )
        if not cure and self.config.scheme == "http" and isinstance(error, ConnectionLost):
            return _PLAIN_CURE if any(words in said for words in _BROKEN_OFF) else ""
        return cure


@dataclass(frozen=True)
class _Answer:
    """What the node uses of a response, its body read."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Bounded:
    """What the node uses of a pool: an answer has at most MOST_BYTES, however small it is on the wire."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def urlopen(self, *arguments: Any, **options: Any) -> _Answer:
        response = self._pool.urlopen(*arguments, preload_content=False, **options)
        body = bytearray()
        try:
            for piece in response.stream(_PIECE, decode_content=True):
                body += piece
                if len(body) > MOST_BYTES:
                    raise AnswerTooLarge(
                        f"An answer of Elasticsearch has more than {MOST_BYTES:,} bytes.", cure=ODD_CURE
                    )
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return _Answer(response.status, response.headers, bytes(body))

    def close(self) -> None:
        self._pool.close()


class _Proxied(urllib3.HTTPConnectionPool):
    """What the node uses of a pool, over a proxy."""

    def __init__(self, config: NodeConfig, proxy: str) -> None:
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"Elasticsearch cannot be reached through {without_user(proxy)}: elasticsearch.proxy or a "
                "proxy variable names it.",
                cure="Write http://host:port. Where no proxy is needed, set elasticsearch.proxy to none or "
                "name the host in NO_PROXY.",
            )
        super().__init__(config.host, config.port)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        self._base = _address(config)
        self._manager = urllib3.ProxyManager(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            proxy_headers=urllib3.make_headers(proxy_basic_auth=login) if parts.username else None,
            timeout=urllib3.Timeout(total=config.request_timeout),
            maxsize=config.connections_per_node,
            block=True,
            ssl_context=_context(config) if config.scheme == "https" else None,
        )
        self._manager.pool_classes_by_scheme = {"http": LimitedPool, "https": LimitedTLSPool}

    def urlopen(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        """One request by the full address; a redirect is an answer like any other."""
        return self._manager.urlopen(method, f"{self._base}{url}", redirect=False, **options)

    def close(self) -> None:
        self._manager.clear()


def _address(config: NodeConfig) -> str:
    """The node's URL, in which an IPv6 address has brackets."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{config.scheme}://{host}:{config.port}"


def _context(config: NodeConfig) -> ssl.SSLContext:
    if not config.verify_certs:
        return unverified()
    return authorities("elasticsearch.ca_certs", Path(config.ca_certs) if config.ca_certs else None)


def node_class(proxy: str | None, *, authority_given: bool) -> type[Node]:
    """Nodes as the configuration has them: the client makes them by class."""
    return type("ConfiguredNode", (Node,), {"proxy": proxy, "authority_given": authority_given})

"""How each server would be reached: address, proxy and authorities in force. No connection is made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from anthropic_metrics.checks.finding import Finding, Status
from anthropic_metrics.config import Config
from anthropic_metrics.proxies import proxy_for, without_user

_DEFAULT_AUTHORITIES = "the default authorities"


def admin_way(config: Config) -> Finding:
    """The line of the Admin API of one organization, without a request."""
    return _way("Address of the Admin API", config.anthropic.base_url, config.anthropic.ca_file)


def other_ways(config: Config) -> Iterator[Finding]:
    """A line for each other server of the configuration."""
    cluster, kibana = config.elasticsearch, config.kibana
    for host in cluster.hosts:
        yield _way(
            "Address of Elasticsearch",
            host,
            cluster.ca_certs,
            verified=cluster.verify_certs,
            setting=cluster.proxy,
        )
    if kibana.url:
        yield _way("Address of Kibana", kibana.url, kibana.ca_certs, verified=kibana.verify_certs)


def _way(
    what: str, url: str, authority: Path | None, *, verified: bool = True, setting: str | None = None
) -> Finding:
    proxy = proxy_for(url, setting)
    path = f"{url} through the proxy {without_user(proxy)}" if proxy else f"{url} directly"
    if not url.startswith("https:"):
        return Finding(what, Status.ok, f"{path}, without TLS")
    if not verified:
        return Finding(
            what,
            Status.warning,
            f"{path}, TLS not verified",
            "Set verify_certs to true and ca_certs instead.",
        )
    return Finding(what, Status.ok, f"{path}, TLS verified against {authority or _default_authorities()}")


def _default_authorities() -> str:
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or _DEFAULT_AUTHORITIES

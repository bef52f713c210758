"""Kibana: version, key, space, and whether links in alerts lead anywhere."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress

from anthropic_metrics.checks.finding import Finding, Status, attempt
from anthropic_metrics.config import Config
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError
from anthropic_metrics.kibana.client import SPACE_CURE, KibanaClient
from anthropic_metrics.kibana.install import check_version

_LINKS = "Links in Kibana's alerts"
_LINKS_CURE = (
    "Set server.publicBaseUrl in kibana.yml: without it context.link in an alert's message is a bare path."
)


def kibana_findings(config: Config) -> Iterator[Finding]:
    """Findings about Kibana; one that is skipped where none is configured."""
    if config.kibana.url is None:
        yield Finding("Kibana", Status.skipped, "no kibana.url")
        return
    try:
        client = KibanaClient(config.kibana)
    except MetricsError as error:
        yield Finding("Kibana", Status.failed, error.message, error.cure)
        return
    with client:
        reached = attempt("Kibana", lambda: _version(client))
        yield reached
        if reached.status is Status.ok:
            yield _space(client)
            yield _links(client)


def _version(client: KibanaClient) -> str:
    return f"version {'.'.join(map(str, check_version(client)))}"


def _space(client: KibanaClient) -> Finding:
    what, name = "Kibana space", client.space or "default"
    try:
        client.request("GET", "/api/alerting/rules/_find", params={"per_page": "1"})
    except BadRequest as error:
        if error.status == 404:
            return Finding(what, Status.failed, f"there is no space {name}", SPACE_CURE)
        return Finding(what, Status.failed, error.message, error.cure)
    except MetricsError as error:
        return Finding(what, Status.failed, error.message, error.cure)
    return Finding(what, Status.ok, f"{name}, its rules can be read")


def _links(client: KibanaClient) -> Finding:
    """What Kibana's own page says of `server.publicBaseUrl`; no API tells it."""
    try:
        page = client.text("GET", "/app/home")
    except (AuthError, BadRequest):
        return Finding(_LINKS, Status.skipped, "this key may not open Kibana's page", _LINKS_CURE)
    except MetricsError as error:
        return Finding(_LINKS, Status.skipped, error.message, _LINKS_CURE)
    known = re.search(r'<kbn-injected-metadata data="([^"]*)"', page)
    if not known:
        return Finding(_LINKS, Status.skipped, "Kibana's page does not say its public URL", _LINKS_CURE)
    with suppress(ValueError, AttributeError):
        if url := json.loads(html.unescape(known[1])).get("publicBaseUrl"):
            return Finding(_LINKS, Status.ok, f"begin with {url}")
    return Finding(_LINKS, Status.warning, "server.publicBaseUrl is not set", _LINKS_CURE)

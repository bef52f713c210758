"""Addresses of servers in a configuration: what a client can make a request to, and no secret in it."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from anthropic_metrics.quoting import WEBHOOK_HOSTS, looks_random


def check_url(value: object) -> str:
    """The URL of a server without its last slash; ValueError says what is wrong with it."""
    if not isinstance(value, str):
        raise ValueError("must be a URL such as https://host:9200")
    # No message quotes any of it: a key or a webhook may stand in the wrong place.
    if "@" in value:
        raise ValueError("must not contain a user or password; set them under their own keys")
    try:
        parts = urlsplit(value.strip())
        host = parts.hostname or ""
    except ValueError:
        raise ValueError("must be a URL such as https://host:9200") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must be a URL such as https://host:9200: it begins with https:// or http://")
    if not _is_host(host) or parts.query or parts.fragment or ("." not in host and looks_random(host)):
        raise ValueError("must be a URL such as https://host:9200")
    if host in WEBHOOK_HOSTS or any(map(looks_random, parts.path.split("/"))):
        raise ValueError("looks like a webhook, which belongs under alerts.webhooks or alerts.slack_webhooks")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("must have a port between 0 and 65535") from None
    return value.strip().rstrip("/")


def _is_host(host: str) -> bool:
    """Whether every client can make a request to it: an IPv6 address, or a name that DNS may have."""
    try:
        if ":" in host:
            return bool(IPv6Address(host))
        return bool(re.fullmatch(r"[\w.\-]+", host) and host.encode("idna").decode("idna"))
    except ValueError:  # also a UnicodeError
        return False

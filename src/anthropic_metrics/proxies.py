"""Which proxy a server is reached through, as the environment says (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY,
NO_PROXY)."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

DIRECT = "none"  # as a setting: no proxy, whatever the environment says


def proxy_for(url: str, setting: str | None = None) -> str | None:
    """The URL of the proxy for `url`: the setting if there is one, else the environment's; None is direct."""
    if setting is not None:
        return None if setting == DIRECT else setting
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host) or _is_excepted(str(parts.hostname), proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_excepted(host: str, exceptions: str) -> bool:
    """Whether NO_PROXY names an IPv6 address, with or without brackets. What is no host, such as a network in
    CIDR form, is passed over, as curl does."""
    return ":" in host and host in {entry.strip(" []") for entry in exceptions.split(",")}


def proxy_host(url: str, setting: str | None = None) -> str:
    """The host and port of the proxy for `url`, without user and password; empty where there is none."""
    proxy = proxy_for(url, setting)
    return urlsplit(proxy).netloc.rpartition("@")[2] if proxy else ""


def without_user(proxy: str) -> str:
    """The proxy's URL as it may be shown, without user and password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

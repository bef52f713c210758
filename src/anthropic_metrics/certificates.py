"""Files of certificate authorities, and what TLS failures mean."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from anthropic_metrics.errors import ConfigError


def authorities(key: str, path: Path | None) -> ssl.SSLContext:
    """A context that trusts the authorities in `path` only; without one, the usual ones, in which
    SSL_CERT_FILE and SSL_CERT_DIR count.

    ConfigError that names `key`, or the variable, for a file that cannot be read or holds no certificate.
    """
    where, file = (key, str(path)) if path else ("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE", ""))
    try:
        return ssl.create_default_context(cafile=path) if path else httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{where}: {file} holds no PEM certificate ({error}).",
            cure="Name a file that begins with -----BEGIN CERTIFICATE-----; "
            "`openssl x509 -inform der -in FILE` converts one in DER.",
        ) from None


def usual_authorities() -> ssl.SSLContext:
    """`authorities` without a path, in a context that clients share; none of them may change it.

    Reading them takes 20 ms and a megabyte. Another SSL_CERT_FILE or SSL_CERT_DIR has a context of its own.
    """
    return _shared(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _shared(*_variables: str | None) -> ssl.SSLContext:
    return authorities("", None)


def unverified() -> ssl.SSLContext:
    """A context that trusts whoever answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_cure(said: str, url_key: str, authority_key: str, *, has_authority: bool) -> str:
    """The cure for a failure of TLS by its words; empty if they are about something else.

    `has_authority`: an authority is configured, so it is the wrong one.
    """
    words = said.lower().replace("_", " ")
    if "wrong version number" in words or "record layer failure" in words or "packet length" in words:
        return f"The server speaks no TLS on this port: write http:// in {url_key}, or name its TLS port."
    if "hostname mismatch" in words or "doesn't match" in words or "ip address mismatch" in words:
        return f"Write in {url_key} a host name that the server's certificate is made for."
    if "certificate has expired" in words:
        return "Renew the server's certificate, or correct this machine's clock."
    if "certificate verify failed" in words or "self-signed" in words or "self signed" in words:
        if has_authority:
            return f"The authority in {authority_key} did not sign this certificate: name the one that did."
        return f"Name the authority that signed it in {authority_key} (PEM)."
    return ""

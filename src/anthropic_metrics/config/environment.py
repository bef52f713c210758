"""What the process's environment says beside the configuration, and what is wrong with it.

Three kinds: variables of ours that nothing reads, a file of certificate authorities that cannot be used, and
proxies that no client of ours can use. Each is found at the start, not in the middle of a poll.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from urllib.parse import unquote, urlsplit

from anthropic_metrics.links import page
from anthropic_metrics.redaction import redact

PREFIX = "ANTHROPIC_METRICS_"
# Read elsewhere: which file, and where the embedded server is kept.
OTHERS = ("CONFIG", "CACHE")
# Variables of other programs, or ours nearly, that a user may take for ours; none is read.
LOOKALIKES = {
    name: key
    for key, names in {
        ("anthropic", "admin_key"): "ANTHROPIC_ADMIN_KEY ADMIN_API_KEY ANTHROPIC_API_KEY",
        ("anthropic", "admin_key_file"): "ANTHROPIC_ADMIN_API_KEY_FILE",
        ("anthropic", "base_url"): "ANTHROPIC_BASE_URL",
        ("elasticsearch", "hosts"): "ELASTICSEARCH_HOST ELASTIC_URL ELASTIC_HOSTS ES_URL ES_HOST ES_HOSTS",
        ("elasticsearch", "api_key"): "ELASTIC_API_KEY ES_API_KEY",
        ("elasticsearch", "api_key_file"): "ELASTICSEARCH_API_KEY_FILE",
        ("elasticsearch", "username"): "ELASTICSEARCH_USER ELASTIC_USERNAME ES_USERNAME",
        ("elasticsearch", "password"): "ELASTIC_PASSWORD ES_PASSWORD",
        ("elasticsearch", "password_file"): "ELASTICSEARCH_PASSWORD_FILE",
        ("elasticsearch", "ca_certs"): "ELASTICSEARCH_CA_CERTS ELASTICSEARCH_SSL_CERTIFICATEAUTHORITIES",
        ("kibana", "url"): "KIBANA_HOST KIBANA_HOSTS",
        ("kibana", "api_key"): "KIBANA_USERNAME KIBANA_PASSWORD",
        ("kibana", "api_key_file"): "KIBANA_API_KEY_FILE",
        ("kibana", "ca_certs"): "KIBANA_CA_CERTS KIBANA_CA",
        ("kibana", "space"): "KIBANA_SPACE",
    }.items()
    for name in names.split()
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# What Kubernetes puts into every container for each service of its namespace.
_SERVICE_LINK = re.compile(
    r"([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


def is_service_link(name: str, value: str) -> bool:
    """Whether a variable is one of those that Kubernetes makes of a service's name."""
    rest = name.removeprefix(PREFIX)
    return _SERVICE_LINK.fullmatch(rest) is not None or (rest.endswith("PORT") and "://" in value)


def nearest(name: str, known: list[str]) -> str:
    """What to write instead of an unknown variable."""
    near = get_close_matches(name.removeprefix(PREFIX), [other.removeprefix(PREFIX) for other in known], n=1)
    if near:
        return f"is not known; did you mean {PREFIX}{near[0]}?"
    return f"is not known; {page('configuration.md')} lists every variable"


def faults(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that other programs read too and that are wrong, each with what to do."""
    yield from _authorities(environ)
    for name in PROXIES:
        for spelled in (name, name.lower()):
            if value := environ.get(spelled):
                _hide_user(value)
                if wrong := _proxy(value):
                    yield spelled, wrong


def _authorities(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if file := environ.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            why = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else str(error.strerror)
            yield "SSL_CERT_FILE", f"{file}: {why}; name a file of certificates, or unset the variable"


def _proxy(value: str) -> str:
    """What is wrong with a proxy's address; it is not quoted, for it may hold a password."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        if parts.scheme.lower().startswith("socks"):
            return "names a SOCKS proxy, which is not supported; name an HTTP proxy, such as http://host:port"
        usable = usable and parts.scheme.lower() in {"http", "https"}
    encode = "; write / @ : in a password as %2F %40 %3A" if "@" in value else ""
    return "" if usable else f"is not the address of a proxy, such as http://host:port{encode}"


def _hide_user(value: str) -> None:
    """A proxy's user and password are secrets, also where the address cannot be read."""
    user = value.partition("://")[2].rpartition("@")[0] or value.rpartition("@")[0]
    password = user.partition(":")[2]
    for secret in (user if password else "", password, unquote(password)):
        redact.add(secret)

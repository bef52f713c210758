"""The client for the user's cluster, and which Elasticsearch that is."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from elastic_transport import HttpHeaders, SerializationError, Transport, TransportApiResponse
from elasticsearch import ApiError, AuthenticationException, Elasticsearch
from elasticsearch.serializer import JsonSerializer
from pydantic_core import from_json

from anthropic_metrics.certificates import authorities
from anthropic_metrics.config import ElasticsearchSettings
from anthropic_metrics.deadline import TIMEOUTS, within
from anthropic_metrics.elastic.failures import NO_PRODUCT, reading
from anthropic_metrics.elastic.node import node_class
from anthropic_metrics.secrets import Secret

Client = Elasticsearch
"""A connected client, for modules that hand it on and ask it nothing themselves."""


@dataclass(frozen=True)
class ServerVersion:
    """`number` such as (8, 19, 21); `text` as the server says it."""

    number: tuple[int, ...]
    serverless: bool
    text: str

    @property
    def has_failure_store(self) -> bool:
        """Failure stores are generally available from 8.19 and from 9.1."""
        return self.serverless or (8, 19) <= self.number < (9, 0) or self.number >= (9, 1)


class RotatingTransport(Transport):
    """Signs each request; reads the secret again when the server refuses it, so that it can be rotated.

    A request is over after `seconds`, with all that the client tries again in it.
    """

    seconds = 120.0
    _secret: Secret | None = None
    _header: Callable[[str], str]

    def sign(self, secret: Secret, header: Callable[[str], str]) -> None:
        """From now on send `header(secret)` as Authorization."""
        self._secret, self._header = secret, header

    def perform_request(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        with within(self.seconds):
            return self._perform(method, target, options)

    def _perform(self, method: str, target: str, options: dict[str, Any]) -> TransportApiResponse:
        if self._secret is None:
            return _object(super().perform_request(method, target, **options), method)
        secret = self._secret
        answer = secret.present(
            lambda: self._signed(secret.get(), method, target, options),
            lambda answer: answer.meta.status == 401,
        )
        return _object(answer, method)

    def _signed(self, value: str, method: str, target: str, options: dict[str, Any]) -> TransportApiResponse:
        headers = HttpHeaders(options.get("headers") or {})
        headers["authorization"] = self._header(value)
        return super().perform_request(method, target, **{**options, "headers": headers})


class FastJson(JsonSerializer):
    """Reads answers by pydantic-core, in two thirds of the time; what it refuses, by the standard library."""

    def json_loads(self, data: bytes) -> Any:
        try:
            return from_json(data, cache_strings="keys")
        except ValueError:
            return super().json_loads(data)


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client for the configured cluster; makes no request yet.

    Lost connections are tried once more per node; everything else is for the caller. Raises ConfigError when
    the secret or the authority cannot be read, or the proxy's address is none.
    """
    es = Elasticsearch(
        list(settings.hosts),
        request_timeout=settings.timeout.total_seconds(),
        max_retries=len(settings.hosts),
        transport_class=RotatingTransport,
        node_class=node_class(settings.proxy, authority_given=settings.ca_certs is not None),
        serializers={FastJson.mimetype: FastJson()},
        **_tls(settings),
    )
    transport = es.transport
    assert isinstance(transport, RotatingTransport)
    transport.seconds = TIMEOUTS * settings.timeout.total_seconds()
    if secret := settings.secret():
        secret.get()
        transport.sign(secret, _header(settings.username))
    return es


def server_version(es: Elasticsearch) -> ServerVersion:
    """Which server answers; also where `GET /` is missing, as on the embedded one."""
    with reading("Asking Elasticsearch for its version"):
        try:
            version = es.info().body["version"]
        except AuthenticationException:
            raise
        except ApiError as error:
            nodes = _local_node(es)
            if not nodes:
                raise error from None
            version = {"number": next(iter(nodes.values()))["version"]}
        text = str(version["number"])
        number = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        return ServerVersion(number, version.get("build_flavor") == "serverless", text)


def _object(answer: TransportApiResponse, method: str) -> TransportApiResponse:
    """The answer, if it is what every API that the agent calls answers with: a JSON object."""
    if method != "HEAD" and answer.meta.status < 300 and not isinstance(answer.body, dict):
        product = answer.meta.headers.get("x-elastic-product")
        raise SerializationError("no JSON object", errors=() if product else (NO_PRODUCT,))
    return answer


def privileges(
    es: Elasticsearch, cluster: Sequence[str], names: Sequence[str], index: Sequence[str]
) -> dict[str, Any]:
    """Which of these privileges the user has: `cluster` and `index`, the latter by name."""
    with reading("Asking for this user's rights"):
        answer = es.security.has_privileges(
            cluster=list(cluster), index=[{"names": list(names), "privileges": list(index)}]
        ).body
        return {"cluster": dict(answer["cluster"]), "index": dict(answer["index"])}


def _local_node(es: Elasticsearch) -> dict[str, Any]:
    try:
        nodes: dict[str, Any] = es.nodes.info(node_id="_local", filter_path="nodes.*.version")["nodes"]
    except ApiError as error:
        if error.status_code == 403:
            raise
        return {}
    return nodes


def _tls(settings: ElasticsearchSettings) -> dict[str, Any]:
    if not any(host.startswith("https:") for host in settings.hosts):
        return {}
    if not settings.verify_certs:
        return {"verify_certs": False, "ssl_show_warn": False}
    authorities("elasticsearch.ca_certs", settings.ca_certs)  # an unusable file is a ConfigError here
    trusted = settings.ca_certs or os.environ.get("SSL_CERT_FILE")
    return {"ca_certs": str(trusted)} if trusted else {}


def _header(username: str | None) -> Callable[[str], str]:
    if username is None:
        return lambda key: f"ApiKey {key}"
    return lambda password: "Basic " + b64encode(f"{username}:{password}".encode()).decode()

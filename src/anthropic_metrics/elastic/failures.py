"""Elasticsearch's errors in the agent's own words: what happened and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elastic_transport import ConnectionError as ClientConnectionError
from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, UnsupportedProductError

from anthropic_metrics.elastic.node import ODD_CURE
from anthropic_metrics.errors import (
    AuthError,
    BadRequest,
    BrokenContract,
    MetricsError,
    RetryLater,
    SinkError,
)
from anthropic_metrics.redaction import excerpt

SETUP_CURE = "Run `anthropic-metrics setup` with a user who may manage index templates and pipelines."
NO_PRODUCT = UserWarning("no X-Elastic-Product header")
BLOCKED_CURE = (
    "Lift the block (`PUT <index>/_settings` with `index.blocks.write: null`, or free disk space); "
    "nothing is lost, the next poll writes what is missing."
)
_LOGIN_CURE = (
    "Check ELASTICSEARCH_API_KEY or `elasticsearch.api_key` (or username and password): it may be missing "
    "or have expired. Give an API key in its encoded form, `encoded` in the answer that created it, not as "
    "id:api_key."
)
_RIGHTS_CURE = "Give the agent's role one of the privileges named, or use a key that has it."
_HOST_CURE = "Check `elasticsearch.hosts` and that the cluster can be reached from this machine."
_PROXY_CURE = (
    "Check the proxy, which `elasticsearch.proxy` or HTTPS_PROXY names. Where none is needed, set "
    "`elasticsearch.proxy` to none or name the host in NO_PROXY."
)
_CERTIFICATE_CURE = "Name the authority that signed it in `elasticsearch.ca_certs`."


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn errors of the client into MetricsError; `doing` begins the message, such as "Looking up usage"."""
    try:
        yield
    except (ApiError, TransportError) as error:
        raise translate(error, doing) from error


@contextmanager
def reading(doing: str) -> Iterator[None]:
    """`translated`, around code that takes an answer apart; an unknown shape is BrokenContract."""
    try:
        with translated(doing):
            yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise odd_shape(doing, error) from error


def odd_shape(doing: str, error: Exception) -> BrokenContract:
    """The error for an answer that could not be taken apart."""
    return BrokenContract(
        f"{doing}: the answer does not have the documented structure ({type(error).__name__}: {error}).",
        cure=ODD_CURE,
    )


def translate(error: ApiError | TransportError, doing: str) -> MetricsError:
    """The agent's error for an error of the client."""
    if isinstance(error, UnsupportedProductError):
        return _no_product(doing)
    if isinstance(error, ApiError):
        return from_status(error.status_code, error_type(error.body), reason(error.body), doing)
    return _from_transport(error, doing)


def from_status(status: int, kind: str, why: str, doing: str) -> MetricsError:
    """The agent's error for an HTTP status, of a whole answer or of one item in it."""
    said = f"{doing}: Elasticsearch answered {status}: {why}"
    if status == 401:
        return AuthError(f"{doing}: Elasticsearch refused the credentials (401).", cure=_LOGIN_CURE)
    if kind == "cluster_block_exception" and status == 403:
        return SinkError(said, cure=BLOCKED_CURE)
    if status == 403:
        return AuthError(f"{doing}: Elasticsearch answered 403: {why}", status=status, cure=_RIGHTS_CURE)
    if status == 429 or status >= 500:
        return RetryLater(said)
    return BadRequest(said, status=status)


def error_type(body: Any) -> str:
    """`error.type` of an answer, or nothing."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("type", "")) if isinstance(error, dict) else ""


def reason(body: Any) -> str:
    """The most telling sentence of an error answer."""
    error = body.get("error", body) if isinstance(body, dict) else body
    return item_reason(error)


def item_reason(error: Any) -> str:
    """The reason of an `error` object, and its cause where that says more."""
    if not isinstance(error, dict):
        return excerpt(str(error), 500)
    why = str(error.get("reason") or error.get("type") or error)
    cause = error.get("caused_by")
    if isinstance(cause, dict) and cause.get("reason") and str(cause["reason"]) not in why:
        why = f"{why} ({cause['reason']})"
    return excerpt(why, 1000)


def _from_transport(error: TransportError, doing: str) -> MetricsError:
    cure = str(getattr(error, "cure", ""))  # elastic.node knows what was configured
    if isinstance(error, TlsError):
        return RetryLater(
            f"{doing}: the TLS connection failed: {error.message}", cure=cure or _CERTIFICATE_CURE
        )
    if isinstance(error, ConnectionTimeout):
        return RetryLater(
            f"{doing}: no answer in time.",
            cure="Check the cluster's health and load; if it is only slow, raise `elasticsearch.timeout`.",
        )
    if isinstance(error, ClientConnectionError) and (proxy := getattr(error, "through", "")):
        return RetryLater(
            f"{doing}: Elasticsearch cannot be reached through the proxy {proxy}: {error.message}",
            cure=cure or _PROXY_CURE,
        )
    if isinstance(error, ClientConnectionError):
        return RetryLater(f"{doing}: no connection: {error.message}", cure=cure or _HOST_CURE)
    if isinstance(error, SerializationError):
        if NO_PRODUCT in error.errors:
            return _no_product(doing)
        return RetryLater(f"{doing}: the answer was cut off or is not JSON.", cure=ODD_CURE)
    return RetryLater(f"{doing}: {error.message}")


def _no_product(doing: str) -> BadRequest:
    return BadRequest(
        f"{doing}: the answer has no X-Elastic-Product header, so it does not come from Elasticsearch.",
        cure="Check `elasticsearch.hosts`; a proxy before the cluster must pass on X-Elastic-Product.",
    )

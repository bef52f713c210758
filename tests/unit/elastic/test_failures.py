"""Every error of the client becomes one of ours, with a cure and without a secret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from elastic_transport import (
    ApiResponseMeta,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    SerializationError,
    TlsError,
    TransportError,
)
from elastic_transport import ConnectionError as ConnectionLost
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.steps import get
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError, RetryLater, SinkError

META = ApiResponseMeta(200, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))


def body(kind: str, reason: str) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": reason, "root_cause": [{"type": kind, "reason": reason}]}}


def api(status: int, answer: Any) -> ApiError:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))
    return ApiError("x", meta, answer)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (api(401, body("security_exception", "no")), AuthError, "elasticsearch.api_key"),
        (api(401, body("security_exception", "no")), AuthError, "encoded form, `encoded`"),
        (api(403, body("security_exception", "granted by [manage_ilm]")), AuthError, "manage_ilm"),
        (api(403, body("cluster_block_exception", "read-only")), SinkError, "index.blocks.write"),
        (api(400, body("parse_exception", "bad field")), BadRequest, "bad field"),
        (api(404, body("index_not_found_exception", "no such index")), BadRequest, "no such index"),
        (api(429, body("es_rejected_execution_exception", "full")), RetryLater, "full"),
        (api(503, "upstream"), RetryLater, "upstream"),
        (api(502, None), RetryLater, "502"),
        (ConnectionLost("refused"), RetryLater, "elasticsearch.hosts"),
        (ConnectionTimeout("slow"), RetryLater, "elasticsearch.timeout"),
        (TlsError("self-signed certificate"), RetryLater, "elasticsearch.ca_certs"),
        (SerializationError("half"), RetryLater, "cut off"),
        (UnsupportedProductError("x", META, None), BadRequest, "X-Elastic-Product"),
    ],
)
def test_errors_say_what_to_do(error: ApiError | TransportError, kind: type[MetricsError], says: str) -> None:
    with pytest.raises(MetricsError) as caught, translated("Doing it"):
        raise error
    assert type(caught.value) is kind
    assert str(caught.value).startswith("Doing it")
    assert says in str(caught.value)


def test_the_cause_behind_a_reason_is_told() -> None:
    answer = body("document_parsing_exception", "failed to parse")
    answer["error"]["caused_by"] = {"reason": "not a number"}
    with pytest.raises(BadRequest, match=r"failed to parse \(not a number\)"), translated("Doing it"):
        raise api(400, answer)


def test_a_message_names_the_path_without_the_parameters_that_select_what_is_read() -> None:
    def perform_request(*_: object, **__: object) -> None:
        raise ConnectionLost("refused")

    es = cast("Elasticsearch", SimpleNamespace(perform_request=perform_request))
    with pytest.raises(RetryLater, match=r"^GET /_index_template: no connection"):
        get(es, "/_index_template?filter_path=index_templates.name")


def test_a_cluster_that_does_not_answer_is_looked_at_before_its_timeout_is_raised() -> None:
    with pytest.raises(RetryLater) as caught, translated("Doing it"):
        raise ConnectionTimeout("slow")
    assert caught.value.cure.startswith("Check the cluster's health and load")

"""Spans as Elasticsearch gets them, in both layouts in which Elastic's ways in store OpenTelemetry traces.

`otel` is the layout of the collector's Elasticsearch exporter (mapping mode `otel`), of the managed OTLP
endpoint and of `/_otlp`; `apm` is what APM Server translates spans to. Field by field as their documentation
and reference outputs say; no exporter runs here.
"""

from __future__ import annotations

from typing import Any

from .spans import SpanData

OTEL, APM = "traces-generic.otel-default", "traces-apm-default"
_OUTCOMES = {"Ok": "success", "Error": "failure"}


def otel_document(span: SpanData) -> dict[str, Any]:
    """The document of mapping mode `otel`; the times are milliseconds and nanoseconds."""
    document: dict[str, Any] = {
        "@timestamp": f"{span.start // 1_000_000}.{span.start % 1_000_000}",
        "data_stream": {"type": "traces", "dataset": "generic.otel", "namespace": "default"},
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "duration": span.duration,
        "attributes": span.attributes,
        "resource": {"attributes": {"service.name": span.service}},
        "scope": {"name": span.scope, "version": "1.0.0"},
    }
    if span.parent_id:
        document["parent_span_id"] = span.parent_id
    if span.status:
        document["status"] = {"code": span.status} | ({"message": span.message} if span.message else {})
    return document


def apm_document(span: SpanData) -> dict[str, Any]:
    """The document of APM Server: a server span or a root is a transaction, any other a span.

    Attributes without a field of their own become labels, numbers `numeric_labels`, dots underscores. The
    message of the status is not kept.
    """
    labels: dict[str, Any] = {}
    numbers: dict[str, float] = {}
    http: dict[str, Any] = {}
    for name, value in span.attributes.items():
        label = name.replace(".", "_")
        if name == "http.response.status_code":
            http["response"] = {"status_code": value}
        elif name == "http.request.method":
            http["request"] = {"method": value}
        elif isinstance(value, bool):
            labels[label] = "true" if value else "false"
        elif isinstance(value, int | float):
            numbers[label] = float(value)
        else:
            labels[label] = value
    transaction = span.kind == "Server" or not span.parent_id
    event = "transaction" if transaction else "span"
    timed = {"id": span.span_id, "name": span.name, "duration": {"us": span.duration // 1000}}
    document: dict[str, Any] = {
        "@timestamp": span.start // 1_000_000,
        "data_stream": {"type": "traces", "dataset": "apm", "namespace": "default"},
        "processor": {"event": event},
        "trace": {"id": span.trace_id},
        event: timed,
        "service": {"name": span.service},
        "agent": {"name": "otlp"},
        "event": {"outcome": _outcome(span, http)},
        "labels": labels,
        "numeric_labels": numbers,
    }
    if transaction:
        document["span"] = {"id": span.span_id}
    if http:
        document["http"] = http
    if span.parent_id:
        document["parent"] = {"id": span.parent_id}
    return document


def _outcome(span: SpanData, http: dict[str, Any]) -> str:
    """Where the span does not say, the status code does."""
    code = http.get("response", {}).get("status_code")
    if span.status or code is None:
        return _OUTCOMES.get(span.status, "unknown")
    return "failure" if code >= 500 else "success"

"""Spans of the simulated traffic in Elasticsearch, in both layouts, and what figures over them should say.

The index templates are those that Elasticsearch brings for OpenTelemetry and APM data, as far as a server has
their field types: put only where the server does not bring them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import bulk

from anthropic_metrics.simulator.span_documents import apm_document, otel_document
from anthropic_metrics.simulator.spans import Call, SpanData

Layout = Callable[[SpanData], dict[str, Any]]
LAYOUTS: dict[str, tuple[str, Layout]] = {
    "otel": ("traces-generic.otel", otel_document),
    "apm": ("traces-apm", apm_document),
}
_KEYWORD = {"type": "keyword", "ignore_above": 1024}


def _passthrough(priority: int) -> dict[str, Any]:
    return {"type": "passthrough", "dynamic": True, "priority": priority, "time_series_dimension": True}


_OTEL = {
    "dynamic": False,
    "date_detection": False,
    "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}}],
    "properties": {
        "@timestamp": {"type": "date"},
        **dict.fromkeys(("trace_id", "span_id", "parent_span_id", "name", "kind"), _KEYWORD),
        "span": {"properties": {"id": {"type": "alias", "path": "span_id"}}},
        "duration": {"type": "long"},
        "status": {"properties": {"message": _KEYWORD, "code": _KEYWORD}},
        "attributes": _passthrough(20),
        "scope": {"properties": {"name": _KEYWORD, "version": _KEYWORD, "attributes": _passthrough(30)}},
        "resource": {"properties": {"attributes": _passthrough(40)}},
    },
}
_APM = {
    "date_detection": False,
    "dynamic_templates": [
        {"numbers": {"path_match": "numeric_labels.*", "mapping": {"type": "double"}}},
        {"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}},
    ],
}
# Elasticsearch's own names, patterns, priorities and hooks; the hook comes last.
_TEMPLATES = {
    "traces-otel": ("traces-*.otel-*", 120, _OTEL),
    "traces-apm": ("traces-apm-*", 210, _APM),
}


def put_templates(es: Elasticsearch) -> None:
    """What a complete Elasticsearch has from the start."""
    for name, (pattern, priority, mappings) in _TEMPLATES.items():
        try:
            es.indices.get_index_template(name=f"{name}@template")
        except NotFoundError:
            base, hook = f"{name}@mappings", f"{name}@custom"
            es.cluster.put_component_template(name=base, template={"mappings": mappings})
            es.indices.put_index_template(
                name=f"{name}@template",
                index_patterns=[pattern],
                priority=priority,
                data_stream={},
                composed_of=[base, hook],
                ignore_missing_component_templates=[hook],
            )


def load(es: Elasticsearch, namespace: str, layout: str, spans: Iterable[SpanData]) -> None:
    """Write the spans as one way in would, searchable at once."""
    put_templates(es)
    prefix, document = LAYOUTS[layout]
    stream = f"{prefix}-{namespace}"
    actions = ({"_op_type": "create", "_index": stream, "_source": document(span)} for span in spans)
    bulk(es, actions, chunk_size=2000, refresh=True)


def percentile_bounds(values: Sequence[float], percent: float, around: float = 2.0) -> tuple[float, float]:
    """Between what the `percent` percentile may come out: a sketch errs in rank, and doubles weigh twice."""
    ordered = sorted(values)
    last = len(ordered) - 1
    low, high = ((percent + by) / 100 * last for by in (-around, around))
    return ordered[max(0, int(low) - 1)], ordered[min(last, int(high) + 2)]


def kind_of(call: Call) -> str | None:
    """The type of a call's error by hand."""
    if not call.failed:
        return None
    if call.code == 402:
        return "spend limit"
    named = {429: "rate limit (429)", 529: "overloaded (529)", 200: "broken after 200"}
    return named.get(call.code, "server error" if call.code >= 500 else "refused request")


def destination(
    name: str, state: str = "enabled", *, why: str = "sustained_failure", **health: str | None
) -> dict[str, Any]:
    """A row of the list of telemetry destinations."""
    reason = {"reason": {"type": why}} if state == "disabled" else {}
    delivered = {"last_success_at": "2026-10-06T15:39:00Z", "last_error_at": None, "last_error": None}
    return {
        "type": "telemetry_destination",
        "id": f"tdst_{name}",
        "display_name": name,
        "endpoint_url": f"https://{name}.example/in",
        "header_names": ["Authorization"],
        "state": {"type": state, **reason},
        "traces": {
            "enabled": True,
            "content_mode": "metadata_only",
            "endpoint_url": None,
            "max_content_bytes": None,
        },
        "workspaces": {"type": "all"},
        "delivery_health": delivered | health,
        "created_at": "2026-10-01T00:00:00Z",
        "updated_at": "2026-10-01T00:00:00Z",
    }

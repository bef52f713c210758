"""Spans in the embedded Elasticsearch, which lacks the module that brings the index templates for traces.

The templates have the names, patterns, priorities and hooks of Elasticsearch's own, and their mappings as far
as the embedded server has the field types. They are put only where there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import bulk

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
# The hook comes last.
_TEMPLATES: Mapping[str, tuple[str, int, dict[str, Any]]] = {
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


def deliver(es: Elasticsearch, stream: str, spans: Iterable[Mapping[str, Any]]) -> int:
    """Write documents of spans as a way in would, searchable at once; how many there were."""
    put_templates(es)
    actions = ({"_op_type": "create", "_index": stream, "_source": span} for span in spans)
    count, _ = bulk(es, actions, chunk_size=2000, refresh=True, stats_only=True)
    return int(count)

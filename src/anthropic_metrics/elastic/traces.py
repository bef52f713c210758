"""The component templates of `setup --with-traces`: types of span fields, in hooks that Elastic leaves.

Elasticsearch's own templates for traces map an attribute by its first value. These hooks fix the types before
the first span comes. A hook that is there belongs to whoever wrote it: it is never replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.documents.mapping import with_fields
from anthropic_metrics.elastic.assets import VERSION
from anthropic_metrics.elastic.failures import reading
from anthropic_metrics.elastic.steps import OURS, Step, compared, get, owner, quoted
from anthropic_metrics.telemetry.spans import ATTRIBUTES, FIELDS

_META = {"managed_by": OURS, "version": VERSION}
_THEIRS = "exists and is not the agent's, so it stays unchanged; docs/requests.md lists the fields to add"


def plan_traces(es: Elasticsearch) -> list[Step]:
    """One step for each hook; only reads. Raises MetricsError."""
    with reading("Looking at component templates"):
        return list(_steps(es))


def _steps(es: Elasticsearch) -> Iterator[Step]:
    for name, body in hooks().items():
        path = f"/_component_template/{quoted(name)}"
        components = get(es, path).get("component_templates", [])
        stored = components[0]["component_template"] if components else None
        if stored is not None and owner(stored) != OURS:
            yield Step("component template", name, "skip", _THEIRS)
        else:
            yield compared("component template", name, path, stored, body)


def hooks() -> dict[str, dict[str, Any]]:
    """The component templates by name."""
    attributes = {name: {"type": kind} for name, kind in ATTRIBUTES.items()}
    # Elasticsearch's own parameters of the object, which a hook that names it has to repeat.
    passed = {"type": "passthrough", "dynamic": True, "priority": 20, "time_series_dimension": True}
    labels = {name: kind for name, kind in FIELDS.items() if name.startswith(("labels.", "numeric_labels."))}
    return {
        "traces-otel@custom": _component({"attributes": {**passed, "properties": attributes}}),
        "traces-apm@custom": _component(with_fields({}, labels)),
    }


def _component(properties: dict[str, Any]) -> dict[str, Any]:
    meta = {"description": "Types of the fields of the Claude API's spans.", **_META}
    return {"template": {"mappings": {"properties": properties}}, "_meta": meta}

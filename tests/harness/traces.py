"""Spans of the simulated traffic in Elasticsearch, in both layouts, and what figures over them should say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.embedded.traces import deliver
from anthropic_metrics.simulator.span_documents import apm_document, otel_document
from anthropic_metrics.simulator.spans import Call, SpanData

Layout = Callable[[SpanData], dict[str, Any]]
LAYOUTS: dict[str, tuple[str, Layout]] = {
    "otel": ("traces-generic.otel", otel_document),
    "apm": ("traces-apm", apm_document),
}


def load(es: Elasticsearch, namespace: str, layout: str, spans: Iterable[SpanData]) -> None:
    """Write the spans as one way in would, searchable at once."""
    prefix, document = LAYOUTS[layout]
    deliver(es, f"{prefix}-{namespace}", map(document, spans))


def percentile_bounds(values: Sequence[float], percent: float, around: float = 2.0) -> tuple[float, float]:
    """Between what the `percent` percentile may come out: a sketch errs in rank, and doubles weigh twice."""
    ordered = sorted(values)
    last = len(ordered) - 1
    low, high = ((percent + by) / 100 * last for by in (-around, around))
    return ordered[max(0, int(low) - 1)], ordered[min(last, int(high) + 2)]


def kind_of(call: Call, layout: str) -> str | None:
    """The type of a call's error by hand; the message that names a spend limit is kept in `otel` alone."""
    if not call.failed:
        return None
    if call.code == 402 or (call.message and layout == "otel"):
        return "spend limit"
    named = {429: "rate limit (429)", 529: "overloaded (529)", 200: "broken after 200"}
    return named.get(call.code, "server error" if call.code >= 500 else "refused request")

"""Names of datasets and of their data streams. `streams/` says everything else about them."""

from __future__ import annotations

PREFIX = "anthropic_metrics"
USAGE = f"{PREFIX}.usage"
USAGE_1M = f"{PREFIX}.usage_1m"
USAGE_1D = f"{PREFIX}.usage_1d"
COST = f"{PREFIX}.cost"
RATE_LIMIT = f"{PREFIX}.rate_limit"
HEADROOM = f"{PREFIX}.headroom"
SPEND = f"{PREFIX}.spend"
INVENTORY = f"{PREFIX}.inventory"
PEOPLE = f"{PREFIX}.people"
AGENT = f"{PREFIX}.agent"
ALERT = f"{PREFIX}.alert"


def template_name(dataset: str) -> str:
    """The name of a dataset's index template and of its ingest pipeline."""
    return f"metrics-{dataset}"


def stream_name(dataset: str, namespace: str) -> str:
    """The data stream of a dataset (such as `anthropic_metrics.usage`) in a namespace."""
    return f"{template_name(dataset)}-{namespace}"


def all_streams(namespace: str) -> str:
    """The pattern that matches every data stream of ours in a namespace."""
    return stream_name(f"{PREFIX}.*", namespace)

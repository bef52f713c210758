"""What tests of setup share: a configuration, a document, a count of steps."""

from __future__ import annotations

from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import Step

USAGE = "anthropic_metrics.usage"


def config(url: str, **options: Any) -> Config:
    elasticsearch = {"hosts": [url], **options.pop("elasticsearch", {})}
    return Config.model_validate({"elasticsearch": elasticsearch, **options})


def by_status(steps: list[Step]) -> dict[str | None, int]:
    found = [step.status for step in steps]
    return {status: found.count(status) for status in found}


def write(es: Elasticsearch, stream: str, **fields: Any) -> None:
    es.index(
        index=stream,
        op_type="create",
        document={"@timestamp": "2026-03-01T00:00:00Z", **fields},
        refresh=True,
    )

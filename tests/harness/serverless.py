"""A stand-in for Elastic Cloud Serverless: a real Elasticsearch that takes only what is documented there.

It refuses as the service does: 410 for an API that is not on the offering, 400 for an index setting. A bulk
takes a fifth of a second longer. Made from Elastic's documentation of November 2026; never compared
with the service.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from tests.harness.fault_proxy import JSON_HEADERS, FaultProxy, Passing, Reply

BULK_SECONDS = 0.2
SETTINGS = (
    "codec",
    "default_pipeline",
    "final_pipeline",
    "hidden",
    "mode",
    "query.default_field",
    "refresh_interval",
    "sort.*",
    "blocks.*",
    "mapping.coerce",
    "mapping.ignore_above",
    "mapping.ignore_malformed",
    "mapping.source.mode",
    "mapping.synthetic_source_keep",
    "mapping.total_fields.limit",
    "mapping.total_fields.ignore_dynamic_beyond_limit",
    "lifecycle.origination_date",
    "time_series.*",
    "look_ahead_time",
    "look_back_time",
    "routing_path",
    "similarity.*",
    "analysis.*",
)
_APIS = re.compile(
    r"/_bulk|/_mget|/_query|/_pit|/_search|/_aliases|/_field_caps|/_resolve/index/[^/]+"
    r"|/_(component|index)_template(/[^/]+)?|/_index_template/_simulate_index/[^/]+|/_ingest/pipeline(/[^/]+)?"
    r"|/_data_stream(/[^/_][^/]*)?(/_lifecycle|/_options|/_stats)?|/_security/user/_has_privileges"
    r"|/[^/_][^/]*(/_(bulk|search|msearch|count|mget|pit|field_caps|refresh|mapping|settings|rollover))?"
    r"|/[^/_][^/]*/_(doc|create|source|update)(/[^/]+)?|/[^/_][^/]*/_(update|delete)_by_query"
)
_GONE = {"type": "api_not_available_exception", "reason": "not available when running in serverless mode"}


def settings_of(body: Any, path: str = "") -> Iterator[str]:
    """Names of the index settings in a tree, without `index.`, as `mapping.total_fields.limit`."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from settings_of(value, f"{path}.{key}" if path else key)
    else:
        yield path.removeprefix("index.")


def not_allowed(body: Any) -> list[str]:
    """Index settings that Serverless refuses."""
    return [name for name in settings_of(body) if not any(fnmatchcase(name, each) for each in SETTINGS)]


@dataclass
class Serverless(FaultProxy):
    """Forwards what Serverless takes; `refused` has the rest, as `GET /_nodes`."""

    refused: list[str] = field(default_factory=list)
    bulks: int = 0

    def answer(self, request: Passing) -> Reply:
        path = urlsplit(request.path).path
        if path == "/":
            return self._info()
        if not _APIS.fullmatch(path):
            return self._refuse(request, 410, _GONE)
        if wrong := self._wrong_settings(request, path):
            reason = f"Settings {wrong} are not available when running in serverless mode"
            return self._refuse(request, 400, {"type": "illegal_argument_exception", "reason": reason})
        if path.endswith("_bulk"):
            self.bulks += 1
            threading.Event().wait(BULK_SECONDS)  # the latency of an object store
        if path.startswith("/_ingest/pipeline/") and request.method == "PUT":
            # The server behind has no processors; what the agent sends is held by its own tests.
            body = {**json.loads(request.body), "processors": []}
            body.pop("on_failure", None)
            return request.forward(json.dumps(body).encode())
        return super().answer(request)

    def _info(self) -> Reply:
        version = {"number": "8.11.0", "build_flavor": "serverless"}
        body = {
            "name": "serverless",
            "cluster_name": "project",
            "version": version,
            "tagline": "You Know, for Search",
        }
        headers = {**JSON_HEADERS, "x-elastic-product": "Elasticsearch"}
        return Reply(200, headers, json.dumps(body).encode())

    def _wrong_settings(self, request: Passing, path: str) -> list[str]:
        if request.method not in {"PUT", "POST"} or not request.body:
            return []
        if "_template" in path:
            return not_allowed(json.loads(request.body).get("template", {}).get("settings", {}))
        if path.endswith("/_settings"):
            return not_allowed(json.loads(request.body))
        return []

    def _refuse(self, request: Passing, status: int, error: dict[str, str]) -> Reply:
        self.refused.append(f"{request.method} {urlsplit(request.path).path}")
        headers = {**JSON_HEADERS, "x-elastic-product": "Elasticsearch"}
        return Reply(status, headers, json.dumps({"error": error, "status": status}).encode())

"""One thing that `setup` looks after: how it compares with what is wanted, and how it is put in place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.assets import VERSION, Body
from anthropic_metrics.elastic.failures import SETUP_CURE, translated
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError

Action = Literal["create", "update", "delete", "unchanged", "skip"]
Status = Literal["created", "updated", "deleted", "unchanged", "skipped", "failed"]
Kind = Literal[
    "ingest pipeline",
    "component template",
    "index template",
    "stream mapping",
    "stream settings",
    "stream lifecycle",
    "stream failure store",
    "data stream",
    "data view",
    "dashboard",
    "alert rule",
]
DONE: dict[Action, Status] = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "unchanged": "unchanged",
    "skip": "skipped",
}
_HEADERS = {"accept": "application/json", "content-type": "application/json"}
_SHOWN = 5


@dataclass(frozen=True)
class Step:
    """What is to be done with one asset; after `apply`, `status` says what was.

    `detail` says what changes, why it is left out or why it failed; `cure` what to do about a failure.
    """

    kind: Kind
    name: str
    action: Action
    detail: str = ""
    path: str = ""
    body: Body | None = None
    status: Status | None = None
    cure: str = ""


def compared(kind: Kind, name: str, path: str, stored: Body | None, wanted: Body, note: str = "") -> Step:
    """The step that makes `stored` hold `wanted`; a None in `wanted` means that the key must be absent."""
    if stored is None:
        return Step(kind, name, "create", note, path, _without_none(wanted))
    if (version := _version(stored)) > VERSION:
        return Step(kind, name, "skip", f"version {version} is installed, this agent brings {VERSION}")
    changes = list(differences(stored, wanted))
    if not changes:
        return Step(kind, name, "unchanged", note)
    listed = ", ".join(changes[:_SHOWN]) + (f" and {len(changes) - _SHOWN} more" if changes[_SHOWN:] else "")
    detail = f"{note}; changes {listed}" if note else f"changes {listed}"
    return Step(kind, name, "update", detail, path, _without_none(wanted))


def differences(stored: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Dotted names of what is wanted and not stored so. What only the server adds is no difference."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        for key, value in wanted.items():
            yield from differences(stored.get(key), value, f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(stored, list) and len(wanted) == len(stored):
        for item, value in zip(stored, wanted, strict=True):
            yield from differences(item, value, path)
    elif _scalar(stored) != _scalar(wanted):
        yield path


def apply(es: Elasticsearch, steps: list[Step]) -> list[Step]:
    """Carry the steps out, in order; one that fails does not keep the others back."""
    return [_apply(es, step) for step in steps]


def call(es: Elasticsearch, method: str, path: str, body: Body | None = None) -> Any:
    """One request by path, for APIs that not every server has; raises MetricsError."""
    with translated(f"{method} {path}"):
        return es.perform_request(method, path, headers=_HEADERS, body=body).body


def get(es: Elasticsearch, path: str) -> Any:
    """The answer to a GET, or nothing where the server has no such thing."""
    try:
        return call(es, "GET", path)
    except BadRequest as error:
        if error.status == 404:
            return {}
        raise


def lacks_api(error: BadRequest) -> bool:
    """Whether a refusal means that this server has no such API (405 and 410: serverless, embedded)."""
    lacking = "no handler found" in error.message or "api_not_available" in error.message
    return lacking or error.status in (405, 410)


def quoted(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="*")


def _apply(es: Elasticsearch, step: Step) -> Step:
    if step.body is None:
        return replace(step, status=DONE[step.action])
    try:
        detail = _put(es, step, step.body)
    except BadRequest as error:
        if lacks_api(error):
            return replace(step, status="skipped", detail="this server has no such API")
        return replace(step, status="failed", detail=error.message, cure=error.cure)
    except MetricsError as error:
        cure = SETUP_CURE if isinstance(error, AuthError) else error.cure
        return replace(step, status="failed", detail=error.message, cure=cure)
    return replace(step, status=DONE[step.action], detail=detail)


def _put(es: Elasticsearch, step: Step, body: Body) -> str:
    try:
        call(es, "PUT", step.path, body)
    except BadRequest as error:
        template = body.get("template", {})
        if "data_stream_options" not in template or "data_stream_options" not in error.message:
            raise
        rest = {name: value for name, value in template.items() if name != "data_stream_options"}
        call(es, "PUT", step.path, {**body, "template": rest})
        return f"{step.detail}; without a failure store, which this server refuses".lstrip("; ")
    return step.detail


def _version(stored: Body) -> int:
    meta = stored.get("_meta")
    version = meta.get("version", 0) if isinstance(meta, dict) else 0
    return version if isinstance(version, int) else 0


def _scalar(value: Any) -> str:
    """Settings come back as text, so `False` and `"false"` are the same."""
    return value.lower() if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _without_none(body: Body) -> Body:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }

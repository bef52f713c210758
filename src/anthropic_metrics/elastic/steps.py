"""One thing that `setup` looks after: how it compares with what is wanted, and how it is put in place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.assets import VERSION, Body
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.node import ODD_CURE
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, MetricsError
from anthropic_metrics.links import page

Action = Literal["create", "update", "delete", "unchanged", "skip", "refuse"]
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
    "refuse": "failed",
}
OURS = "anthropic-metrics"
_OWNED: tuple[Kind, ...] = ("ingest pipeline", "component template", "index template")
_HEADERS = {"accept": "application/json", "content-type": "application/json"}
_SHOWN = 5
TAKE_OVER_CURE = (
    "Remove Elastic's integration, or run `anthropic-metrics setup --take-over` to replace what others "
    f"installed under these names; {page('migration.md')} says what changes."
)

# Elasticsearch lists everything that would do, `all` among it; the request on the page asks for the least.
_TOO_MUCH = ", this action is granted by "


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


def owner(body: Body) -> str:
    """Who a template, a pipeline or a mapping says it belongs to: `anthropic-metrics`, `fleet` or another.

    `unknown` where it does not say.
    """
    meta = body.get("_meta")
    named = meta.get("managed_by") if isinstance(meta, dict) else None
    return named if isinstance(named, str) and named else "unknown"


def compared(
    kind: Kind,
    name: str,
    path: str,
    stored: Body | None,
    wanted: Body,
    note: str = "",
    *,
    take_over: bool = False,
) -> Step:
    """The step that makes `stored` hold `wanted`; a None in `wanted` means that the key must be absent.

    A template or pipeline of somebody else is refused unless `take_over`.
    """
    if stored is None:
        return Step(kind, name, "create", note, path, _without_none(wanted))
    if kind in _OWNED and (whose := owner(stored)) != OURS:
        if not take_over:
            return Step(kind, name, "refuse", f"not the agent's: its owner is {whose}", cure=TAKE_OVER_CURE)
        return Step(kind, name, "update", f"taken over from {whose}", path, _without_none(wanted))
    if (version := _version(stored)) > VERSION:
        return Step(kind, name, "skip", f"version {version} is installed; this agent has {VERSION}")
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
    """Carry the steps out, in order; one that fails does not keep the others back.

    One that is refused does: beside what belongs to others, nothing is written.
    """
    if any(step.action == "refuse" for step in steps):
        return [_kept_back(step) for step in steps]
    return [_apply(es, step) for step in steps]


def call(es: Elasticsearch, method: str, path: str, body: Body | None = None) -> Any:
    """One request by path, for APIs that not every server has; raises MetricsError."""
    with translated(f"{method} {_shown(path)}"):
        return es.perform_request(method, path, headers=_HEADERS, body=body).body


def get(es: Elasticsearch, path: str, *, method: str = "GET") -> Body:
    """The answer to a question, an object; an empty one where the server has no such thing.

    Raises what `call` raises, and BrokenContract for an answer that is no object.
    """
    try:
        answer = call(es, method, path)
    except BadRequest as error:
        if error.status == 404:
            return {}
        raise
    if not isinstance(answer, dict):
        raise BrokenContract(f"{method} {_shown(path)}: the answer is not an object.", cure=ODD_CURE)
    return answer


def _shown(path: str) -> str:
    """A path as messages have it, without the parameters that only select what is read."""
    return path.partition("?")[0]


def lacks_api(error: BadRequest) -> bool:
    """Whether a refusal means that this server has no such API (405 and 410: serverless, embedded)."""
    lacking = "no handler found" in error.message or "api_not_available" in error.message
    return lacking or error.status in (405, 410)


@contextmanager
def needs_setup_key() -> Iterator[None]:
    """Turn a missing right (AuthError, 403) into one that names the key with the rights of `setup`."""
    try:
        yield
    except AuthError as error:
        if error.status != 403:
            raise
        raise AuthError(
            f"These credentials lack the rights that `setup` needs: {error.message.split(_TOO_MUCH)[0]}.",
            status=403,
            cure="Run `anthropic-metrics setup` with the key that sets up: "
            f"{page('security.md', 'the-key-that-sets-up')}",
        ) from error


def quoted(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="*")


def _apply(es: Elasticsearch, step: Step) -> Step:
    if step.body is None:
        return replace(step, status=step.status or DONE[step.action])
    try:
        detail = _put(es, step, step.body)
    except BadRequest as error:
        if lacks_api(error):
            return replace(step, status="skipped", detail="this server has no such API")
        return replace(step, status="failed", detail=error.message, cure=error.cure)
    except MetricsError as error:
        return replace(step, status="failed", detail=error.message, cure=error.cure)
    return replace(step, status=DONE[step.action], detail=detail)


def _kept_back(step: Step) -> Step:
    if step.action in ("create", "update", "delete"):
        return replace(step, action="skip", status="skipped", detail="not written: see what is refused")
    return replace(step, status=step.status or DONE[step.action])


def _put(es: Elasticsearch, step: Step, body: Body) -> str:
    try:
        with needs_setup_key():
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
    """The version of an asset of ours; 0 where somebody else numbers it."""
    version = stored["_meta"].get("version", 0) if owner(stored) == OURS else 0
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

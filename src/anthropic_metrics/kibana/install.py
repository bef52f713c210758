"""Dashboards into a Kibana, object by object; and the empty streams that keep their panels from failing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from anthropic_metrics.config import KibanaSettings
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.steps import Kind, Step, lacks_api
from anthropic_metrics.elastic.upgrade import create_stream, existing_streams
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, MetricsError
from anthropic_metrics.kibana.bundle import FILE
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.kibana.definitions import kibana_folder
from anthropic_metrics.streams.registry import STREAMS
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

PATH = "/api/saved_objects/_import"
EXPORT = "/api/saved_objects/_export"
KINDS: dict[str, Kind] = {"dashboard": "dashboard", "index-pattern": "data view"}
_OWN_CURE = "Save what you changed under another name, or remove the object, and run setup again."


@dataclass(frozen=True)
class SavedObject:
    """What the file holds: a type, an id and a title."""

    type: str
    id: str
    title: str

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]


def saved_objects_text() -> str:
    """The file as Kibana takes it: `dashboards export` writes it for an import by hand."""
    return (kibana_folder() / FILE).read_text(encoding="utf-8")


def listed(text: str) -> list[SavedObject]:
    """The objects in the file."""
    objects = [json.loads(line) for line in text.splitlines()]
    return [SavedObject(saved["type"], saved["id"], saved["attributes"]["title"]) for saved in objects]


def plan_dashboards(settings: KibanaSettings) -> list[Step]:
    """What an import would bring, an existing object told from an absent one; only reads."""
    objects = listed(saved_objects_text())
    try:
        with KibanaClient(settings) as client:
            check_version(client)
            return [_planned(client, saved) for saved in objects]
    except MetricsError as error:
        return _all_failed(objects, error)


def _planned(client: KibanaClient, wanted: SavedObject) -> Step:
    if _stored(client, wanted) is None:
        return Step(wanted.kind, wanted.title, "create")
    return Step(wanted.kind, wanted.title, "update", "replaces the existing object")


def _stored(client: KibanaClient, wanted: SavedObject) -> Any:
    """What Kibana holds under this id, but for when it was written; None without one."""
    body = {
        "objects": [{"type": wanted.type, "id": wanted.id}],
        "includeReferencesDeep": False,
        "excludeExportDetails": True,
    }
    try:
        exported = client.text("POST", EXPORT, json=body)
    except AuthError as error:
        if error.status == 401:
            raise
        return None  # a key that may import but not export
    except BadRequest:
        return None
    try:
        stored = json.loads(exported)
    except ValueError:
        raise BrokenContract("POST /api/saved_objects/_export: the answer is not JSON.") from None
    return (
        {name: stored.get(name) for name in ("attributes", "references")}
        if isinstance(stored, dict)
        else stored
    )


def check_version(client: KibanaClient) -> tuple[int, ...]:
    """Kibana's version; MetricsError when it cannot read the dashboards."""
    version = client.version()
    if version[:2] < OLDEST_ELASTIC:
        raise MetricsError(
            f"Kibana {'.'.join(map(str, version))} is too old for the dashboards.",
            cure=f"Use Kibana {OLDEST_TEXT} or newer, or --no-kibana.",
        )
    return version


def install_dashboards(settings: KibanaSettings) -> list[Step]:
    """Import the dashboards, replacing what has their ids; a step for each object. Raises nothing of ours."""
    text = saved_objects_text()
    objects = listed(text)
    try:
        with KibanaClient(settings) as client:
            check_version(client)
            before = [_stored(client, saved) for saved in objects]
            answer = client.request(
                "POST",
                PATH,
                params={"overwrite": "true"},
                files={"file": (FILE, text.encode(), "application/ndjson")},
            )
            steps = [_outcome(saved, answer if isinstance(answer, dict) else {}) for saved in objects]
            return [
                _unless_same(client, saved, step, stored)
                for saved, step, stored in zip(objects, steps, before, strict=True)
            ]
    except MetricsError as error:
        return _all_failed(objects, error)


def _unless_same(client: KibanaClient, wanted: SavedObject, step: Step, before: Any) -> Step:
    """The step; unchanged where the import left what was there."""
    if step.status == "updated" and before is not None and before == _stored(client, wanted):
        return replace(step, action="unchanged", status="unchanged")
    return step


def _all_failed(objects: list[SavedObject], error: MetricsError) -> list[Step]:
    """One message and one cure, however many objects it keeps out."""
    first, *others = objects
    failed = [_failed(first, error.message, error.cure)]
    return [*failed, *(_failed(saved, "for the same reason") for saved in others)]


def missing_streams(es: Client, namespace: str) -> list[Step]:
    """Streams that the panels read and that no document has made yet.

    A panel over a stream that does not exist shows an error, over an empty one zero.
    """
    there = {name for _, name in existing_streams(es, namespace)}
    names = [stream.name(namespace) for stream in STREAMS if stream.panels]
    return [Step("data stream", name, "create", "empty") for name in names if name not in there]


def create_streams(es: Client, steps: list[Step]) -> list[Step]:
    """Make them; where that is not allowed the first document will."""
    return list(_created(es, steps))


def _created(es: Client, steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        try:
            create_stream(es, step.name)
        except AuthError:
            yield Step(
                step.kind, step.name, "skip", "not allowed; the first document creates it", status="skipped"
            )
        except BadRequest as error:
            if lacks_api(error):
                reason = "this server has no such API; the first document makes it"
                yield Step(step.kind, step.name, "skip", reason, status="skipped")
            else:
                yield Step(step.kind, step.name, "create", error.message, status="failed", cure=error.cure)
        except MetricsError as error:
            yield Step(step.kind, step.name, "create", error.message, status="failed", cure=error.cure)
        else:
            yield Step(step.kind, step.name, "create", step.detail, status="created")


def _outcome(wanted: SavedObject, answer: dict[str, Any]) -> Step:
    for error in _named(answer.get("errors"), wanted):
        reason, cure = _explained(error.get("error") or {})
        return _failed(wanted, reason, cure)
    for success in _named(answer.get("successResults"), wanted):
        taken = success.get("destinationId")
        detail = f"as {taken}, because another space has its id" if taken else ""
        replaced = bool(success.get("overwrite"))
        return Step(
            wanted.kind,
            wanted.title,
            "update" if replaced else "create",
            detail,
            status="updated" if replaced else "created",
        )
    return _failed(wanted, "Kibana did not report the result")


def _named(results: Any, wanted: SavedObject) -> Iterator[dict[str, Any]]:
    for result in results if isinstance(results, list) else []:
        if isinstance(result, dict) and (result.get("type"), result.get("id")) == (wanted.type, wanted.id):
            yield result


def _explained(error: dict[str, Any]) -> tuple[str, str]:
    """Reason and cure of an object's `error`."""
    kind = error.get("type")
    if kind == "missing_references":
        names = ", ".join(
            f"{reference.get('type')} {reference.get('id')}" for reference in error.get("references", [])
        )
        return (
            f"it needs objects that are not in this space: {names}",
            "Import the whole file, not a part of it.",
        )
    if kind in ("conflict", "ambiguous_conflict"):
        return "an object with its id exists and may not be replaced", _OWN_CURE
    if kind == "unsupported_type":
        return (
            "this Kibana does not import such objects",
            "Give the key's role Kibana's Saved Objects Management (all), or use a newer Kibana.",
        )
    said = error.get("message") or kind or "no reason given"
    return f"Kibana said: {said}", ""


def _failed(wanted: SavedObject, reason: str, cure: str = "") -> Step:
    return Step(wanted.kind, wanted.title, "create", reason, status="failed", cure=cure)

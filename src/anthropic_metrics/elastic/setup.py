"""Install and upgrade templates and pipelines; safe to repeat, says what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.config.values import format_duration
from anthropic_metrics.elastic.assets import (
    PRIORITY,
    VERSION,
    Assets,
    Body,
    empty_pipeline,
    load_assets,
)
from anthropic_metrics.elastic.connect import server_version
from anthropic_metrics.elastic.failures import SETUP_CURE, reading, translated
from anthropic_metrics.elastic.owners import (
    Applying,
    Templates,
    blocking,
    foreign_template,
    index_templates,
    require_ours,
)
from anthropic_metrics.elastic.steps import OURS, Step, apply, compared, get, needs_setup_key, owner, quoted
from anthropic_metrics.elastic.upgrade import ALL, plan_streams
from anthropic_metrics.errors import AuthError, SinkError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.logs import get_logger
from anthropic_metrics.streams.registry import BY_DATASET

__all__ = ["Step", "apply", "ensure", "plan_setup"]

_NO_PROCESSORS = "empty: this server has no ingest processors"
_log = get_logger(__name__)


def plan_setup(es: Elasticsearch, config: Config, *, take_over: bool = False) -> list[Step]:
    """What `apply` would do, in order; only reads. Raises MetricsError when it may not or cannot look.

    What belongs to others is refused; `take_over` replaces their templates and pipelines that have our
    names, never a template of another name that applies instead of ours. AuthError with status 403 names
    the key that sets up.
    """
    assets = load_assets()
    with needs_setup_key(), reading("Looking at templates and streams"):
        templates = _component_bodies(assets, config, failure_store=server_version(es).has_failure_store)
        stored = index_templates(es)
        return [
            *_blocked_steps(config.namespace, stored),
            *_pipeline_steps(es, assets, take_over=take_over),
            *_component_steps(es, templates, take_over=take_over),
            *_index_template_steps(es, assets, take_over=take_over),
            *plan_streams(es, config.namespace, templates, take_over=take_over),
        ]


def ensure(es: Elasticsearch, config: Config) -> list[Step]:
    """Before a run: install what is absent or older; returns the steps carried out, mostly none.

    An agent that may not look at templates goes on: its streams are then checked by what they map, and a
    stream without a template refuses its first document with the same advice. Raises SinkError naming
    `setup` when it is clear that the streams cannot work, or the template of somebody else that applies to
    one of them, and AuthError or RetryLater.
    """
    try:
        stored = index_templates(es)
    except AuthError:
        if not _check_streams(es, config.namespace):
            reason = "no right to look at index templates"
            _log.warning("templates_not_checked", reason=reason, cure=SETUP_CURE)
        return []
    _refuse_foreign(config.namespace, stored)
    steps = []
    current = {name: _version(body) for name, body in stored.bodies.items() if owner(body) == OURS}
    if not all(current.get(template_name(dataset), 0) >= VERSION for dataset in BY_DATASET):
        steps = _install(es, config, current)
        stored = index_templates(es)
    require_ours(es, config.namespace, stored)
    _check_streams(es, config.namespace)
    return steps


def _refuse_foreign(namespace: str, stored: Templates) -> None:
    """SinkError for a template of another name that would win, or one of our name that is not ours."""
    blocked = blocking(namespace, stored)
    blocked += [
        Applying(stream_name(dataset, namespace), name, int(stored.bodies[name].get("priority") or 0), whose)
        for dataset in BY_DATASET
        if (name := template_name(dataset)) in stored.bodies and (whose := stored.owner(name)) != OURS
    ]
    if blocked:
        raise foreign_template(blocked)


def _install(es: Elasticsearch, config: Config, current: dict[str, int]) -> list[Step]:
    try:
        steps = apply(es, plan_setup(es, config))
    except AuthError as error:
        steps, reason, cure = [], error.message, SETUP_CURE
    else:
        failed = [step for step in steps if step.status == "failed"]
        if not failed:
            return steps
        reason, cure = f"{failed[0].kind} {failed[0].name}: {failed[0].detail}", failed[0].cure or SETUP_CURE
    if all(template_name(dataset) in current for dataset in BY_DATASET):
        _log.warning("assets_not_upgraded", reason=reason, cure=cure)
        return steps
    raise SinkError(f"The index templates could not be installed: {reason}", cure=cure)


def _version(body: Body) -> int:
    version = body["_meta"].get("version", 0)
    return version if isinstance(version, int) else 0


def _check_streams(es: Elasticsearch, namespace: str) -> bool:
    """Whether a stream is there; SinkError unless `event.hash`, which the comparison reads, is a keyword.

    Needs only the right to read.
    """
    streams = [stream_name(dataset, namespace) for dataset in BY_DATASET]
    with translated(f"Looking at {ALL}-{namespace}"):
        answer = es.field_caps(
            index=streams, fields="event.hash", include_unmapped=True, ignore_unavailable=True
        )
    types = answer.get("fields", {}).get("event.hash", {})
    indices: list[str] = answer.get("indices", [])
    if wrong := sorted(types.keys() - {"keyword"}):
        where = types[wrong[0]].get("indices") or indices
        raise SinkError(
            f"{where[0] if where else f'{ALL}-{namespace}'} was created from another index template: "
            f"event.hash is {wrong[0]}, not keyword.",
            cure="Delete that data stream, or reindex it after `anthropic-metrics setup`; the agent writes "
            "its documents anew.",
        )
    return bool(indices)


def _blocked_steps(namespace: str, stored: Templates) -> Iterator[Step]:
    """A refusal for each template of others that applies instead of ours."""
    by_template: dict[str, list[Applying]] = {}
    for applied in blocking(namespace, stored):
        by_template.setdefault(str(applied.template), []).append(applied)
    for name, blocked in by_template.items():
        first, more = blocked[0], len(blocked) - 1
        detail = (
            f"priority {first.priority}, owner {first.owner}: applies to {first.stream}"
            f"{f' and {more} more streams' if more else ''}; the agent's has priority {PRIORITY}"
        )
        yield Step("index template", name, "refuse", detail, cure=first.cure)


def _component_bodies(assets: Assets, config: Config, *, failure_store: bool) -> dict[str, Body]:
    """Component templates by dataset, with what depends on configuration and server."""
    bodies = {}
    for dataset in BY_DATASET:
        body = deepcopy(assets.component_templates[f"{template_name(dataset)}@package"])
        retention = config.retention.of(dataset)
        body["template"]["lifecycle"]["data_retention"] = format_duration(retention) if retention else None
        if failure_store:
            body["template"]["data_stream_options"] = {"failure_store": {"enabled": True}}
        bodies[dataset] = body
    return bodies


def _pipeline_steps(es: Elasticsearch, assets: Assets, *, take_over: bool) -> Iterator[Step]:
    stored = get(es, f"/_ingest/pipeline/{quoted(ALL)}")
    works = _has_processors(es)
    for dataset in BY_DATASET:
        name = template_name(dataset)
        wanted = assets.pipelines[name] if works else empty_pipeline(BY_DATASET[dataset])
        note = "" if works else _NO_PROCESSORS
        path = f"/_ingest/pipeline/{quoted(name)}"
        yield compared("ingest pipeline", name, path, stored.get(name), wanted, note, take_over=take_over)


def _component_steps(es: Elasticsearch, bodies: dict[str, Body], *, take_over: bool) -> Iterator[Step]:
    components = get(es, f"/_component_template/{quoted(ALL)}").get("component_templates", [])
    stored = {component["name"]: component["component_template"] for component in components}
    for dataset, body in bodies.items():
        name = f"{template_name(dataset)}@package"
        path = f"/_component_template/{quoted(name)}"
        yield compared("component template", name, path, stored.get(name), body, take_over=take_over)


def _index_template_steps(es: Elasticsearch, assets: Assets, *, take_over: bool) -> Iterator[Step]:
    templates = get(es, f"/_index_template/{quoted(ALL)}").get("index_templates", [])
    stored = {template["name"]: template["index_template"] for template in templates}
    for name, body in assets.index_templates.items():
        path = f"/_index_template/{quoted(name)}"
        yield compared("index template", name, path, stored.get(name), body, take_over=take_over)


def _has_processors(es: Elasticsearch) -> bool:
    """Whether the server can stamp. Where that cannot be asked (serverless, few rights) it can."""
    try:
        answer = es.nodes.info(metric="ingest", filter_path="nodes.*.ingest.processors.type")
    except ApiError:
        return True
    nodes = answer.get("nodes", {}).values()
    return any(processor["type"] == "set" for node in nodes for processor in node["ingest"]["processors"])

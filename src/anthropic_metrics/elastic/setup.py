"""Install and upgrade templates and pipelines; safe to repeat, says what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.config.values import format_duration
from anthropic_metrics.documents.mapping import DATASETS
from anthropic_metrics.elastic.assets import VERSION, Assets, Body, empty_pipeline, load_assets
from anthropic_metrics.elastic.connect import server_version
from anthropic_metrics.elastic.failures import SETUP_CURE, translated
from anthropic_metrics.elastic.steps import Step, apply, compared, get, quoted
from anthropic_metrics.elastic.upgrade import ALL, plan_streams
from anthropic_metrics.errors import AuthError, SinkError
from anthropic_metrics.kernel.datasets import template_name
from anthropic_metrics.logs import get_logger

__all__ = ["Step", "apply", "ensure", "plan_setup"]

_NO_PROCESSORS = "empty: this server has no ingest processors"
_log = get_logger(__name__)


def plan_setup(es: Elasticsearch, config: Config) -> list[Step]:
    """What `apply` would do, in order; only reads. Raises MetricsError when it may not or cannot look."""
    assets = load_assets()
    templates = _component_bodies(assets, config, failure_store=server_version(es).has_failure_store)
    return [
        *_pipeline_steps(es, assets),
        *_component_steps(es, templates),
        *_index_template_steps(es, assets),
        *plan_streams(es, templates),
    ]


def ensure(es: Elasticsearch, config: Config) -> list[Step]:
    """Before a run: install what is absent or older; returns the steps carried out, mostly none.

    An agent that may not look at templates goes on: its streams are then checked by what they map, and a
    stream without a template refuses its first document with the same advice. Raises SinkError naming
    `setup` when it is clear that the streams cannot work, and AuthError or RetryLater.
    """
    try:
        current = _installed(es)
    except AuthError:
        _check_streams(es, config.namespace)
        return []
    if all(current.get(template_name(dataset), 0) >= VERSION for dataset in DATASETS):
        return []
    return _install(es, config, current)


def _install(es: Elasticsearch, config: Config, current: dict[str, int]) -> list[Step]:
    try:
        steps = apply(es, plan_setup(es, config))
    except AuthError as error:
        steps, reason = [], error.message
    else:
        failed = [step for step in steps if step.status == "failed"]
        if not failed:
            return steps
        reason = failed[0].detail
    if all(template_name(dataset) in current for dataset in DATASETS):
        _log.warning("assets_not_upgraded", reason=reason, cure=SETUP_CURE)
        return steps
    raise SinkError(f"The index templates could not be installed: {reason}", cure=SETUP_CURE)


def _installed(es: Elasticsearch) -> dict[str, int]:
    """Versions of our index templates by name."""
    found = get(es, f"/_index_template/{quoted(ALL)}").get("index_templates", [])
    return {each["name"]: each["index_template"].get("_meta", {}).get("version", 0) for each in found}


def _check_streams(es: Elasticsearch, namespace: str) -> None:
    """The comparison needs `event.hash` as a keyword; needs only the right to read."""
    streams = f"{ALL}-{namespace}"
    with translated(f"Looking at {streams}"):
        types = es.field_caps(index=streams, fields="event.hash").get("fields", {}).get("event.hash", {})
    if types.keys() - {"keyword"}:
        raise SinkError(f"{streams}: event.hash is mapped as {', '.join(sorted(types))}.", cure=SETUP_CURE)
    if not types:
        _log.warning("templates_not_checked", reason="no right to look at index templates", cure=SETUP_CURE)


def _component_bodies(assets: Assets, config: Config, *, failure_store: bool) -> dict[str, Body]:
    """Component templates by dataset, with what depends on configuration and server."""
    bodies = {}
    for dataset, info in DATASETS.items():
        body = deepcopy(assets.component_templates[f"{template_name(dataset)}@package"])
        kept = getattr(config.retention, info.retention_key)
        body["template"]["lifecycle"]["data_retention"] = format_duration(kept) if kept else None
        if failure_store:
            body["template"]["data_stream_options"] = {"failure_store": {"enabled": True}}
        bodies[dataset] = body
    return bodies


def _pipeline_steps(es: Elasticsearch, assets: Assets) -> Iterator[Step]:
    stored = get(es, f"/_ingest/pipeline/{quoted(ALL)}")
    works = _has_processors(es)
    for dataset in DATASETS:
        name = template_name(dataset)
        wanted = assets.pipelines[name] if works else empty_pipeline(dataset)
        note = "" if works else _NO_PROCESSORS
        path = f"/_ingest/pipeline/{quoted(name)}"
        yield compared("ingest pipeline", name, path, stored.get(name), wanted, note)


def _component_steps(es: Elasticsearch, bodies: dict[str, Body]) -> Iterator[Step]:
    found = get(es, f"/_component_template/{quoted(ALL)}").get("component_templates", [])
    stored = {each["name"]: each["component_template"] for each in found}
    for dataset, body in bodies.items():
        name = f"{template_name(dataset)}@package"
        yield compared(
            "component template", name, f"/_component_template/{quoted(name)}", stored.get(name), body
        )


def _index_template_steps(es: Elasticsearch, assets: Assets) -> Iterator[Step]:
    found = get(es, f"/_index_template/{quoted(ALL)}").get("index_templates", [])
    stored = {each["name"]: each["index_template"] for each in found}
    for name, body in assets.index_templates.items():
        yield compared("index template", name, f"/_index_template/{quoted(name)}", stored.get(name), body)


def _has_processors(es: Elasticsearch) -> bool:
    """Whether the server can stamp. Where that cannot be asked (serverless, few rights) it can."""
    try:
        answer = es.nodes.info(metric="ingest", filter_path="nodes.*.ingest.processors.type")
    except ApiError:
        return True
    nodes = answer.get("nodes", {}).values()
    return any(processor["type"] == "set" for node in nodes for processor in node["ingest"]["processors"])

"""Bring data streams that exist already up to what a new one would get: new fields, pipeline, retention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.assets import Body
from anthropic_metrics.elastic.failures import reading
from anthropic_metrics.elastic.steps import (
    OURS,
    TAKE_OVER_CURE,
    Kind,
    Step,
    compared,
    get,
    lacks_api,
    owner,
    quoted,
)
from anthropic_metrics.errors import BadRequest, SinkError
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.streams.registry import BY_DATASET

ALL = "metrics-anthropic_metrics.*"


def existing_streams(es: Elasticsearch, namespace: str) -> Iterator[tuple[str, str]]:
    """Dataset and name of each data stream of a namespace."""
    wanted = {stream_name(dataset, namespace): dataset for dataset in BY_DATASET}
    with reading("Looking for data streams"):
        streams = es.indices.resolve_index(name=f"{ALL}-{namespace}").get("data_streams", [])
        names = sorted(stream["name"] for stream in streams)
    for name in names:
        if name in wanted:
            yield wanted[name], name


def create_stream(es: Elasticsearch, name: str) -> None:
    """Make an empty data stream from its template."""
    with reading(f"Creating {name}"):
        es.indices.create_data_stream(name=name)


def plan_streams(
    es: Elasticsearch, namespace: str, templates: dict[str, Body], *, take_over: bool = False
) -> Iterator[Step]:
    """Steps for each existing stream of the namespace; `templates` are the component templates' bodies by
    dataset. A stream that cannot be read fails alone; a stream of another owner is refused."""
    usable = []
    for dataset, stream in existing_streams(es, namespace):
        template = templates[dataset]["template"]
        try:
            steps = list(_stream_steps(es, stream, template, take_over=take_over))
        except (BadRequest, SinkError) as error:
            yield Step("stream mapping", stream, "skip", error.message, status="failed", cure=error.cure)
            continue
        yield from steps
        usable.append((dataset, stream))
    if not usable:
        return
    lifecycles = {dataset: body["template"]["lifecycle"] for dataset, body in templates.items()}
    yield from _option_steps(es, namespace, usable, "stream lifecycle", "lifecycle", lifecycles)
    options = {
        dataset: body["template"]["data_stream_options"]
        for dataset, body in templates.items()
        if "data_stream_options" in body["template"]
    }
    if options:
        yield from _option_steps(es, namespace, usable, "stream failure store", "options", options)


def _stream_steps(es: Elasticsearch, stream: str, template: Body, *, take_over: bool) -> Iterator[Step]:
    path = f"/{quoted(stream)}/_mapping"
    stored = [index["mappings"] for index in get(es, path).values()]
    others = sorted({owner(mappings) for mappings in stored} - {OURS})
    if others and not take_over:
        detail = f"{len(stored)} backing indices, made of a template of {', '.join(others)}"
        yield Step("stream mapping", stream, "refuse", detail, cure=TAKE_OVER_CURE)
        return
    yield from _mapping_steps(stream, path, stored, template["mappings"])
    yield _settings_step(es, stream, template["settings"])


def missing(wanted: Body, stored: Body) -> Body:
    """The part of the properties `wanted` that `stored` does not have."""
    lacking: Body = {}
    for name, field in wanted.items():
        mapped = stored.get(name)
        if mapped is None:
            lacking[name] = field
        elif "properties" in field and "properties" in mapped:
            below = missing(field["properties"], mapped["properties"])
            if below:
                lacking[name] = {"properties": below}
    return lacking


def clashes(wanted: Body, stored: Body, prefix: str = "") -> Iterator[str]:
    """Names of fields that `stored` has with another type, with both types."""
    for name, field in wanted.items():
        mapped = stored.get(name)
        if mapped is None:
            continue
        types = field.get("type", "object"), mapped.get("type", "object")
        if types[0] != types[1]:
            yield f"{prefix}{name} ({types[1]}, not {types[0]})"
        yield from clashes(field.get("properties", {}), mapped.get("properties", {}), f"{prefix}{name}.")


def _mapping_steps(stream: str, path: str, stored: list[Body], wanted: Body) -> Iterator[Step]:
    lacking: Body = {}
    for mappings in stored:
        _merge(lacking, missing(wanted["properties"], mappings.get("properties", {})))
    rules = {key: value for key, value in wanted.items() if key != "properties"}
    steps = [compared("stream mapping", stream, path, mappings, rules) for mappings in stored]
    step = next((step for step in steps if step.action != "unchanged"), None)
    if lacking and not (step and step.action == "skip"):
        detail = f"new fields: {', '.join(sorted(_leaves(lacking)))}"
        yield Step("stream mapping", stream, "update", detail, path, {**rules, "properties": lacking})
    else:
        yield step or Step("stream mapping", stream, "unchanged")
    other = {
        clash
        for mappings in stored
        for clash in clashes(wanted["properties"], mappings.get("properties", {}))
    }
    if other:
        detail = (
            f"types never change in place, `POST {stream}/_rollover` starts anew: {', '.join(sorted(other))}"
        )
        yield Step("stream mapping", stream, "skip", detail)


def _settings_step(es: Elasticsearch, stream: str, wanted: Body) -> Step:
    path = f"/{quoted(stream)}/_settings"
    rule = {"index": {"default_pipeline": wanted["index"]["default_pipeline"]}}
    steps = [
        compared("stream settings", stream, path, index["settings"], rule) for index in get(es, path).values()
    ]
    changed = (step for step in steps if step.action != "unchanged")
    return next(changed, Step("stream settings", stream, "unchanged"))


def _option_steps(
    es: Elasticsearch,
    namespace: str,
    streams: list[tuple[str, str]],
    kind: Kind,
    option: str,
    wanted: dict[str, Body],
) -> Iterator[Step]:
    """Steps for what `_data_stream/<name>/_<option>` holds."""
    try:
        answer = get(es, f"/_data_stream/{quoted(f'{ALL}-{namespace}')}/_{option}")
    except BadRequest as error:
        if not lacks_api(error):
            raise
        for _, stream in streams:
            yield Step(kind, stream, "skip", "the server lacks the API; new streams get it by template")
        return
    stored = {described["name"]: described.get(option) or {} for described in answer.get("data_streams", [])}
    for dataset, stream in streams:
        path = f"/_data_stream/{quoted(stream)}/_{option}"
        yield compared(kind, stream, path, stored.get(stream, {}), wanted[dataset])


def _merge(into: Body, other: Body) -> None:
    for name, field in other.items():
        if name not in into:
            into[name] = field
        elif "properties" in into[name] and "properties" in field:
            _merge(into[name]["properties"], field["properties"])


def _leaves(properties: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _leaves(field["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name

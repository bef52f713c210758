"""Setup against a real Elasticsearch: install, repeat, upgrade in place, and refuse to go on blindly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.elastic import assets
from anthropic_metrics.elastic.connect import connect, server_version
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.elastic.steps import call
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.streams.registry import BY_DATASET
from tests.harness.setup_samples import USAGE, by_status, config, write

PACKAGE = f"/_component_template/{template_name(USAGE)}@package"


@pytest.fixture
def settings(elasticsearch_url: str, namespace: str) -> Config:
    return config(elasticsearch_url, namespace=namespace)


@pytest.fixture
def clean(es: Elasticsearch, settings: Config) -> Iterator[None]:
    """Whatever a test does to the templates, the next one finds them current."""
    yield
    apply(es, plan_setup(es, settings))


def usage_package(es: Elasticsearch) -> dict[str, Any]:
    (found,) = call(es, "GET", PACKAGE)["component_templates"]
    template: dict[str, Any] = found["component_template"]
    return template


def test_a_repeated_setup_changes_nothing(es: Elasticsearch, settings: Config) -> None:
    first = apply(es, plan_setup(es, settings))
    assert not [step for step in first if step.status == "failed"]
    again = apply(es, plan_setup(es, settings))
    assert set(by_status(again)) <= {"unchanged", "skipped"}
    assert {step.name for step in again if step.kind == "index template"} == {
        template_name(d) for d in BY_DATASET
    }


def test_retention_comes_from_the_configuration(
    es: Elasticsearch, elasticsearch_url: str, settings: Config, clean: None
) -> None:
    apply(es, plan_setup(es, settings))
    assert usage_package(es)["template"]["lifecycle"]["data_retention"] == "400d"
    for kept, stored in (("50d", "50d"), ("none", None)):
        other = config(elasticsearch_url, retention={"usage": kept})
        (step,) = (step for step in plan_setup(es, other) if step.action == "update")
        assert step.detail == "changes template.lifecycle.data_retention"
        apply(es, [step])
        lifecycle = usage_package(es)["template"]["lifecycle"]
        assert lifecycle["enabled"] is True
        assert lifecycle.get("data_retention") == stored


def test_an_existing_stream_gets_a_new_field_and_keeps_its_data(
    es: Elasticsearch, settings: Config, clean: None
) -> None:
    """An older template, a field less; then data; then setup."""
    apply(es, plan_setup(es, settings))
    older = usage_package(es)
    usage = older["template"]["mappings"]["properties"]["anthropic"]["properties"]["usage"]["properties"]
    del usage["speed"]
    older["_meta"]["version"] = older["template"]["mappings"]["_meta"]["version"] = 0
    call(es, "PUT", PACKAGE, older)
    stream = stream_name(USAGE, settings.namespace)
    write(es, stream, anthropic={"usage": {"speed": "fast", "model": "a"}})
    es.indices.rollover(alias=stream)
    write(es, stream, anthropic={"usage": {"speed": "slow", "model": "b"}})

    steps = [step for step in apply(es, plan_setup(es, settings)) if step.name == stream]
    (mapped,) = (step for step in steps if step.kind == "stream mapping")
    assert (mapped.status, mapped.detail) == ("updated", "new fields: anthropic.usage.speed")
    mappings = es.indices.get_mapping(index=stream)
    assert len(mappings) == 2
    for index in mappings.values():
        properties = index["mappings"]["properties"]["anthropic"]["properties"]["usage"]["properties"]
        assert properties["speed"]["type"] == "keyword"
    write(es, stream, anthropic={"usage": {"speed": "new"}})
    assert es.count(index=stream)["count"] == 3
    assert es.count(index=stream, query={"term": {"anthropic.usage.speed": "new"}})["count"] == 1
    assert set(by_status([s for s in apply(es, plan_setup(es, settings)) if s.name == stream])) <= {
        "unchanged",
        "skipped",
    }


def test_a_field_of_another_type_is_named_with_its_cure_and_keeps_nothing_back(
    es: Elasticsearch, settings: Config, clean: None
) -> None:
    apply(es, plan_setup(es, settings))
    other = usage_package(es)
    other["template"]["mappings"]["properties"]["anthropic"]["properties"]["usage"]["properties"]["speed"] = {
        "type": "long"
    }
    call(es, "PUT", PACKAGE, other)
    stream = stream_name(USAGE, settings.namespace)
    write(es, stream)
    steps = [step for step in apply(es, plan_setup(es, settings)) if step.name == stream]
    (clash,) = (step for step in steps if "types never change" in step.detail)
    assert clash.status == "skipped"
    assert "anthropic.usage.speed (long, not keyword)" in clash.detail
    assert f"{stream}/_rollover" in clash.detail
    assert not [step for step in steps if step.status == "failed"]


def test_a_stream_that_was_made_without_our_pipeline_gets_it(
    es: Elasticsearch, settings: Config, clean: None
) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, settings.namespace)
    write(es, stream)
    es.indices.put_settings(index=stream, settings={"index.default_pipeline": "_none"})
    steps = apply(es, plan_setup(es, settings))
    (step,) = (step for step in steps if step.kind == "stream settings" and step.name == stream)
    assert step.status == "updated"
    for index in es.indices.get_settings(index=stream).values():
        assert index["settings"]["index"]["default_pipeline"] == template_name(USAGE)


def test_the_users_custom_template_wins_over_ours(es: Elasticsearch, settings: Config) -> None:
    apply(es, plan_setup(es, settings))
    name = f"{template_name('anthropic_metrics.cost')}@custom"
    call(
        es,
        "PUT",
        f"/_component_template/{name}",
        {"template": {"settings": {"index.refresh_interval": "77s"}}},
    )
    try:
        stream = stream_name("anthropic_metrics.cost", settings.namespace)
        write(es, stream)
        (index,) = es.indices.get_settings(index=stream).values()
        assert index["settings"]["index"]["refresh_interval"] == "77s"
    finally:
        # A template in use cannot go: the empty one is like none.
        call(es, "PUT", f"/_component_template/{name}", {"template": {}})


def test_tags_and_labels_become_keywords_and_other_unknown_fields_stay_unmapped(
    es: Elasticsearch, settings: Config
) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, settings.namespace)
    write(
        es, stream, labels={"team": "7"}, anthropic={"workspace": {"tags": {"cost.center": "x"}}}, other="y"
    )
    (index,) = es.indices.get_mapping(index=stream).values()
    properties = index["mappings"]["properties"]
    assert properties["labels"]["properties"]["team"]["type"] == "keyword"
    assert "other" not in properties
    assert es.count(index=stream, query={"term": {"anthropic.workspace.tags.cost.center": "x"}})["count"] == 1


def test_figures_and_digests_can_be_filtered_by_without_an_index_of_their_own(
    es: Elasticsearch, settings: Config
) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, settings.namespace)
    for tokens in (10, 20):
        write(es, stream, event={"hash": f"h{tokens}"}, anthropic={"usage": {"total_tokens": tokens}})
    field = "anthropic.usage.total_tokens"
    assert es.count(index=stream, query={"range": {field: {"gt": 10}}})["count"] == 1
    assert es.count(index=stream, query={"exists": {"field": field}})["count"] == 2
    assert es.count(index=stream, query={"term": {"event.hash": "h10"}})["count"] == 1
    rows = es.esql.query(query=f"FROM {stream} | WHERE {field} > 10 | KEEP {field} | LIMIT 5")["values"]
    assert rows == [[20]]


def test_a_tag_whose_name_begins_like_another_is_no_clash(es: Elasticsearch, settings: Config) -> None:
    apply(es, plan_setup(es, settings))
    stream = stream_name(USAGE, settings.namespace)
    for tags in ({"cost": "a"}, {"cost.center": "b"}, {"cost": "7", "cost.center.code": "2026-01-01"}):
        write(es, stream, anthropic={"workspace": {"tags": tags}})
    assert es.count(index=stream, query={"term": {"anthropic.workspace.tags.cost": "7"}})["count"] == 1
    day = {"term": {"anthropic.workspace.tags.cost.center.code": "2026-01-01"}}
    assert es.count(index=stream, query=day)["count"] == 1


def test_newer_assets_than_ours_are_left_alone(
    es: Elasticsearch, settings: Config, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(es, plan_setup(es, settings))
    newer = usage_package(es)
    newer["_meta"]["version"] = assets.VERSION + 1
    call(es, "PUT", PACKAGE, newer)
    step = next(
        s for s in plan_setup(es, settings) if s.kind == "component template" and USAGE + "@" in s.name
    )
    assert step.action == "skip"
    newer["_meta"]["version"] = assets.VERSION
    call(es, "PUT", PACKAGE, newer)


def test_a_server_without_processors_gets_empty_pipelines_and_is_told_so(
    es: Elasticsearch, settings: Config
) -> None:
    processors = es.nodes.info(metric="ingest", filter_path="nodes.*.ingest.processors.type")
    steps = [step for step in plan_setup(es, settings) if step.kind == "ingest pipeline"]
    assert len(steps) == len(BY_DATASET)
    for step in steps:
        assert ("no ingest processors" in step.detail) is ("'set'" not in str(processors))


def test_an_unreachable_host_is_retried_later_and_says_where_to_look() -> None:
    with connect(config("http://127.0.0.1:9").elasticsearch) as es, pytest.raises(RetryLater) as caught:
        server_version(es)
    assert "elasticsearch.hosts" in str(caught.value)

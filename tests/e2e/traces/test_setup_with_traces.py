"""`setup --with-traces`: the types of span fields before the first span, in hooks that belong to the user."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.steps import apply
from anthropic_metrics.elastic.traces import hooks, plan_traces
from anthropic_metrics.embedded.traces import put_templates


def test_the_hooks_are_kept_up_to_date_and_never_replace_those_of_others(es: Elasticsearch) -> None:
    put_templates(es)
    theirs = {"mappings": {"_meta": {"whose": "theirs"}}}
    es.cluster.put_component_template(name="traces-otel@custom", template=theirs)
    older = {"managed_by": "anthropic-metrics", "version": 0}
    es.cluster.put_component_template(name="traces-apm@custom", template={"mappings": {}}, meta=older)
    try:
        steps = {step.name: step for step in apply(es, plan_traces(es))}
        assert steps["traces-otel@custom"].status == "skipped"
        assert "stays" in steps["traces-otel@custom"].detail
        assert steps["traces-apm@custom"].status == "updated"
        (kept,) = es.cluster.get_component_template(name="traces-otel@custom")["component_templates"]
        assert kept["component_template"]["template"] == theirs
        ours = hooks()["traces-otel@custom"]
        # In the hooks of Elastic's templates they decide before any value does.
        es.cluster.put_component_template(
            name="traces-otel@custom",
            template=ours["template"],
            meta=ours["_meta"],
        )
        assert {step.status for step in apply(es, plan_traces(es))} == {"unchanged"}
        mapped = es.indices.simulate_index_template(name="traces-generic.otel-hooked")["template"]
        attributes = mapped["mappings"]["properties"]["attributes"]
        assert attributes["type"] == "passthrough"
        first = attributes["properties"]["gen_ai.response.time_to_first_chunk"]
        assert first["type"] == "double"
    finally:
        for name in hooks():
            es.cluster.put_component_template(name=name, template={"mappings": {}})

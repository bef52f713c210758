"""Queries over spans: what is added to them, and that no field is named which nobody maps."""

from __future__ import annotations

import re

from anthropic_metrics.elastic.assets import component_template
from anthropic_metrics.elastic.traces import hooks
from anthropic_metrics.streams import agent
from anthropic_metrics.telemetry.rpm import BY_GROUP
from anthropic_metrics.telemetry.spans import COLUMNS, FIELDS, IS_CALL, SOURCES, expanded

AGENT = "metrics-anthropic_metrics.agent-default"


def test_a_query_of_calls_reads_spans_and_the_stream_that_maps_their_fields() -> None:
    query = expanded("FROM calls\n| STATS n = COUNT_DISTINCT(call_id)", AGENT)
    assert query.splitlines() == [
        f"FROM {SOURCES}, {AGENT}",
        f"| WHERE {IS_CALL}",
        f"| EVAL call_id = {COLUMNS['call_id']}",
        "| STATS n = COUNT_DISTINCT(call_id)",
    ]


def test_streams_beside_calls_are_limited_to_this_agents_documents() -> None:
    query = expanded(f"FROM calls, metrics-a-x, {AGENT}\n| STATS n = COUNT(*)", AGENT)
    assert query.splitlines() == [
        f"FROM {SOURCES}, {AGENT}, metrics-a-x",
        f'| WHERE agent.name == "anthropic-metrics" OR {IS_CALL}',
        "| STATS n = COUNT(*)",
    ]


def test_only_the_columns_that_a_query_names_are_computed_with_what_they_are_made_of() -> None:
    query = expanded('FROM calls\n| WHERE error_kind == "seconds" AND x.seconds > 1\n| LIMIT 1', AGENT)
    computed = re.findall(r"(?:EVAL |, )(\w+) = ", query.splitlines()[2])
    assert computed[-1] == "error_kind"
    assert {"code_otel", "code_apm", "code", "has_failed", "failed"} < set(computed)
    assert not {"seconds", "call_model", "streamed"} & set(computed)


def test_a_case_has_one_condition_and_with_coalesce_it_takes_columns_and_literals_only() -> None:
    # Anything else is evaluated row by row.
    for name, how in COLUMNS.items():
        if match := re.fullmatch(r"(?:CASE|COALESCE)\((.*)\)", re.sub(r'"[^"]*"', "text", how)):
            arguments = [each.strip() for each in match[1].split(", ")]
            assert not any("(" in each for each in arguments[1:]), name
            assert not how.startswith("CASE") or len(arguments) == 3, name


def test_the_share_of_the_rpm_limit_is_computed_without_any_case() -> None:
    # Over a month of spans each took seconds.
    assert not [command for command in BY_GROUP if "CASE(" in command]


def test_every_field_that_a_column_reads_is_mapped_where_no_traces_are() -> None:
    texts = re.sub(r'"[^"]*"', "", " ".join([*COLUMNS.values(), IS_CALL]))
    named = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+", texts)) | {"span_id", "name", "kind", "duration"}
    assert named - {"event.outcome"} <= FIELDS.keys()
    properties = component_template(agent.STREAM)["template"]["mappings"]["properties"]
    for name, kind in {**FIELDS, "event.outcome": "keyword", "agent.name": "keyword"}.items():
        *parents, last = name.split(".")
        level = properties
        for parent in parents:
            level = level[parent]["properties"]
        assert level[last]["type"] == kind, name


def test_the_hooks_fix_the_types_that_the_queries_expect() -> None:
    bodies = hooks()
    attributes = bodies["traces-otel@custom"]["template"]["mappings"]["properties"]["attributes"]
    assert attributes["type"] == "passthrough"
    wanted = {
        name.removeprefix("attributes."): kind for name, kind in FIELDS.items() if "attributes." in name
    }
    wanted.pop("resource.attributes.service.name")
    assert {name: each["type"] for name, each in attributes["properties"].items()} == wanted
    apm = bodies["traces-apm@custom"]["template"]["mappings"]["properties"]
    assert apm["labels"]["properties"]["gen_ai_request_model"] == {"type": "keyword"}
    assert apm["numeric_labels"]["properties"]["gen_ai_usage_input_tokens"] == {"type": "double"}

"""The simulated spans agree with the simulated usage, and are lost and doubled on purpose."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.span_documents import apm_document, otel_document
from anthropic_metrics.simulator.spans import MESSAGES, SpanData, Spans, Trouble
from tests.unit.simulator.conftest import NOW

START = NOW.replace(hour=13, minute=10, second=0)
END = START + timedelta(minutes=10)


@pytest.fixture
def spans(simulation: Simulation) -> Spans:
    return Spans(simulation)


def own(span: SpanData) -> bool:
    return span.scope == "com.anthropic.claude-platform" and span.kind == "Server"


def test_the_calls_of_a_minute_have_its_tokens_by_model_and_workspace_without_batches(
    simulation: Simulation, spans: Spans
) -> None:
    used: Counter[tuple[str, str, int]] = Counter()
    rows = simulation.usage_rows(START, END, "1m", ("model", "workspace_id", "service_tier"))
    for row in rows:
        if row["service_tier"] != "batch":
            key = row["model"], row["workspace_id"] or "Default"
            writes = row["cache_creation"]
            whole = row["uncached_input_tokens"] + row["cache_read_input_tokens"] + sum(writes.values())
            used[*key, 0] += whole
            used[*key, 1] += row["output_tokens"]
    called: Counter[tuple[str, str, int]] = Counter()
    for call in spans.calls(START, END):
        called[call.model, call.workspace_id, 0] += call.input_tokens
        called[call.model, call.workspace_id, 1] += call.tokens[4]
        assert START.timestamp() <= call.start < END.timestamp()
    assert +called == +used


def test_some_spans_are_lost_some_come_twice_and_some_calls_are_traced_by_the_sdk_too(spans: Spans) -> None:
    calls = list(spans.calls(START, END))
    assert len({call.id for call in calls}) == len(calls)
    arrived = Counter(span.span_id for span in spans.delivered(START, END) if own(span))
    assert 0.01 < 1 - len(arrived) / len(calls) < 0.04
    assert 0.01 < sum(count == 2 for count in arrived.values()) / len(arrived) < 0.06
    assert {call.id for call in spans.arrived(START, END)} == arrived.keys()
    callers = [span for span in spans.delivered(START, END) if span.kind == "Client"]
    assert callers
    by_id = {span.span_id: span for span in spans.delivered(START, END)}
    children = {span.parent_id: span for span in by_id.values() if own(span) and span.parent_id}
    for caller in callers:
        child = children[caller.span_id]
        assert child.trace_id == caller.trace_id
        assert child.attributes.get("gen_ai.usage.input_tokens") == caller.attributes.get(
            "gen_ai.usage.input_tokens"
        )


def test_a_refused_attempt_has_no_tokens_and_a_broken_stream_is_an_error_with_code_200(spans: Spans) -> None:
    calls = list(spans.calls(START, END))
    for call in calls:
        if call.code != 200:
            assert call.failed
            assert not any(call.tokens)
    broken = [call for call in calls if call.failed and call.code == 200]
    assert broken
    assert all(call.streamed and any(call.tokens) for call in broken)


def test_a_trouble_refuses_or_slows_the_calls_of_its_time_and_model(spans: Spans) -> None:
    model = "claude-haiku-5-5"
    half = START + timedelta(minutes=5)
    before = list(spans.calls(START, END))
    spans.troubles = [
        Trouble(START, half, code=429, error="rate_limit_error", share=0.5, model=model),
        Trouble(START, half, slower=4.0, model=model),
    ]
    after = list(spans.calls(START, END))
    answered = {call.id: call for call in before if call.code == 200}
    for call in after:
        if call.code == 200:
            inside = call.model == model and call.start < half.timestamp()
            assert call.seconds == pytest.approx(answered[call.id].seconds * (4 if inside else 1))
    more = Counter((call.model, call.code) for call in after) - Counter((c.model, c.code) for c in before)
    assert set(more) == {(model, 429)}


def test_sampling_keeps_or_drops_a_whole_trace(simulation: Simulation) -> None:
    whole = {span.trace_id for span in Spans(simulation).delivered(START, END)}
    kept = list(Spans(simulation, sampled=0.2).delivered(START, END))
    assert 0.1 < len({span.trace_id for span in kept}) / len(whole) < 0.3


def span(**changed: Any) -> SpanData:
    given: dict[str, Any] = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "parent_id": "",
        "name": MESSAGES,
        "kind": "Server",
        "start": 1_791_300_123_456_789_012,
        "duration": 1_234_567_890,
        "status": "Ok",
        "service": "claude-platform",
        "scope": "com.anthropic.claude-platform",
        "attributes": {
            "gen_ai.request.model": "m",
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 12,
            "http.response.status_code": 200,
        },
    }
    return SpanData(**(given | changed))


def test_the_otel_layout_keeps_attributes_and_counts_nanoseconds() -> None:
    document = otel_document(span())
    assert document["@timestamp"] == "1791300123456.789012"
    assert (document["duration"], document["kind"], document["status"]) == (
        1_234_567_890,
        "Server",
        {"code": "Ok"},
    )
    assert document["attributes"]["gen_ai.usage.input_tokens"] == 12
    assert document["resource"]["attributes"] == {"service.name": "claude-platform"}
    assert "status" not in otel_document(span(status=""))
    assert otel_document(span(parent_id="a1"))["parent_span_id"] == "a1"


def test_the_apm_layout_makes_a_transaction_of_a_server_span_and_labels_of_attributes() -> None:
    document = apm_document(span(parent_id="a1"))
    assert document["processor"] == {"event": "transaction"}
    assert document["transaction"] == {
        "id": "b7ad6b7169203331",
        "name": MESSAGES,
        "duration": {"us": 1_234_567},
    }
    assert document["labels"] == {"gen_ai_request_model": "m", "gen_ai_request_stream": "true"}
    assert document["numeric_labels"] == {"gen_ai_usage_input_tokens": 12.0}
    assert document["http"] == {"response": {"status_code": 200}}
    assert document["event"] == {"outcome": "success"}
    inner = apm_document(span(kind="Internal", parent_id="a1"))
    assert inner["processor"] == {"event": "span"}
    assert "transaction" not in inner


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [("Error", 200, "failure"), ("Ok", 500, "success"), ("", 200, "success"), ("", 529, "failure")],
)
def test_the_outcome_of_apm_is_the_spans_status_else_the_code(status: str, code: int, outcome: str) -> None:
    document = apm_document(span(status=status, attributes={"http.response.status_code": code}))
    assert document["event"] == {"outcome": outcome}

"""What queries read of a span, with one document for each condition that only this condition tells."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.simulator.spans import SpanData
from anthropic_metrics.telemetry.spans import ORGANIZATION, expanded
from tests.harness.traces import LAYOUTS, load

# When nobody else has documents: a query reads the traces of all namespaces.
BEGINS = {"otel": datetime(2017, 5, 1, tzinfo=UTC), "apm": datetime(2017, 5, 2, tzinfo=UTC)}
STREAM, WORKSPACE, CODE = "gen_ai.request.stream", "anthropic.workspace.id", "http.response.status_code"
ERROR, MODEL, ORGANIZATION_ID = "error.type", "gen_ai.request.model", "anthropic.organization.id"
CALL = SpanData(
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="",
    parent_id="00000000000000aa",
    name="anthropic.messages.create",
    kind="Server",
    start=0,
    duration=1_500_000_000,
    status="Ok",
    service="claude-platform",
    scope="com.anthropic.claude-platform",
    attributes={
        MODEL: "claude-x",
        STREAM: True,
        WORKSPACE: "wrkspc_1",
        ORGANIZATION_ID: "org_1",
        CODE: 200,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
    },
)
READ: dict[str, Any] = {
    "is_call": True,
    "call_model": "claude-x",
    "call_workspace": "wrkspc_1",
    "seconds": 1.5,
    "first_token": 0.25,
    "streamed": True,
    "input_tokens": 12,
    "output_tokens": 3,
    "failed": False,
    "code": 200,
    "error_kind": None,
    "whose": "org_1",
}
SPENT = "enforced_spend_limit_reached: try again next month"


def refused(code: int | None, error: str | None = None, **other: Any) -> SpanData:
    return with_attributes({CODE: code, ERROR: error}, status="Error", **other)


def with_attributes(attributes: dict[str, Any], **other: Any) -> SpanData:
    """The call with other attributes; None takes one away."""
    changed = {name: value for name, value in (CALL.attributes | attributes).items() if value is not None}
    return replace(CALL, attributes=changed, **other)


def error(kind: str, code: int | None) -> dict[str, Any]:
    return {"failed": True, "error_kind": kind, "code": code}


Cases = dict[str, tuple[SpanData, dict[str, Any]]]
# Of calls: what is read otherwise than of CALL.
CALLS: Cases = {
    "as it is": (CALL, {}),
    "plain": (with_attributes({STREAM: None}), {"streamed": False}),
    "of no model": (with_attributes({MODEL: None}), {"call_model": "unknown"}),
    "of the default workspace": (with_attributes({WORKSPACE: None}), {"call_workspace": "Default"}),
    "closed by the caller": (replace(CALL, status=""), {}),
    "refused, status unset": (with_attributes({CODE: 400}, status=""), {"code": 400}),
    "broken": (refused(200, "api_error"), error("broken after 200", 200)),
    "400": (refused(400, "invalid_request_error"), error("refused request", 400)),
    "413": (refused(413, "request_too_large"), error("refused request", 413)),
    "429": (refused(429, "rate_limit_error"), error("rate limit (429)", 429)),
    "499": (refused(499, "client_error"), error("refused request", 499)),
    "500": (refused(500, "api_error"), error("server error", 500)),
    "529": (refused(529, "overloaded_error"), error("overloaded (529)", 529)),
    "no answer": (refused(None, "connection_error"), error("no answer", None)),
    "402 alone": (refused(402), error("spend limit", 402)),
    "spend limit by its word": (refused(429, "contract_spend_limit_reached"), error("spend limit", 429)),
    "billing by its word": (refused(403, "billing_error"), error("spend limit", 403)),
}
# The one keeps the message of a status, the other makes an outcome of the code where there is no status.
IN_ONE: dict[str, Cases] = {
    "otel": {
        "spend limit by its message": (
            refused(429, "rate_limit_error", message=SPENT),
            error("spend limit", 429),
        ),
        "billing by its message": (
            refused(400, "invalid_request_error", message="a billing problem"),
            error("spend limit", 400),
        ),
        "500, status unset": (with_attributes({CODE: 500}, status=""), {"code": 500}),
    },
    "apm": {"500, status unset": (with_attributes({CODE: 500}, status=""), error("server error", 500))},
}
OTHERS = {
    "the caller's span": replace(CALL, kind="Client"),
    "a run inside": replace(CALL, kind="Internal"),
    "of another service": replace(CALL, service="assistant"),
    "of another method": replace(CALL, name="anthropic.messages.count_tokens"),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def read(es: Elasticsearch, layout: str) -> dict[str, dict[str, Any]]:
    """What a query of calls reads, by the name of the document."""
    return columns(es, layout, put(es, layout))


def put(es: Elasticsearch, layout: str) -> str:
    """Write the documents; the name of the agent stream beside them."""
    namespace = f"t{uuid.uuid4().hex[:8]}"
    ensure(es, Config(namespace=namespace))
    spans = {name: span for name, (span, _) in (CALLS | IN_ONE[layout]).items()} | OTHERS
    if layout == "otel":
        spans["of another scope"] = replace(CALL, scope="com.anthropic.sdk.python")
    begins = int(BEGINS[layout].timestamp()) * 10**9
    load(es, namespace, layout, (replace(span, span_id=name, start=begins) for name, span in spans.items()))
    if layout == "apm":
        _put_error(es, namespace)
    agent = f"metrics-anthropic_metrics.agent-{namespace}"
    own = {"@timestamp": BEGINS[layout].isoformat(), "agent": {"name": "anthropic-metrics"}}
    es.create(index=agent, id="own", document=own | {"organization": {"id": "org_2"}}, refresh=True)
    return agent


def columns(es: Elasticsearch, layout: str, agent: str) -> dict[str, dict[str, Any]]:
    query = expanded(
        f"FROM calls, {agent}\n| EVAL whose = {ORGANIZATION}\n| KEEP call_id, {', '.join(READ)}", agent
    )
    rows = ask(es, query, BEGINS[layout], BEGINS[layout] + timedelta(minutes=1)).records()
    return {row.pop("call_id") or "own": row for row in rows}


def _put_error(es: Elasticsearch, namespace: str) -> None:
    """An error document of APM Server, which has the id and the name of the transaction it happened in."""
    prefix, document = LAYOUTS["apm"]
    begins = int(BEGINS["apm"].timestamp()) * 10**9
    source = document(replace(CALL, span_id="an error inside", start=begins))
    source["processor"] = {"event": "error"}
    es.index(index=f"{prefix}-{namespace}", document=source, op_type="create", refresh=True)


def test_only_server_spans_of_the_messages_api_are_calls(read: dict[str, Any], layout: str) -> None:
    assert read.keys() - {"own"} == {*CALLS, *IN_ONE[layout]}


def test_each_column_says_what_the_span_says(read: dict[str, Any], layout: str) -> None:
    for name, (_, differs) in (CALLS | IN_ONE[layout]).items():
        assert read[name] == READ | differs, name


def test_a_document_of_the_agents_own_is_no_call(read: dict[str, Any]) -> None:
    flags = {"is_call": False, "streamed": False, "failed": False, "whose": "org_2"}
    assert read["own"] == dict.fromkeys(READ) | flags

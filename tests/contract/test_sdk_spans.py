"""The vendor's own SDK makes spans: the simulated ones have its names, types, statuses and errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.span_documents import apm_document, otel_document
from anthropic_metrics.simulator.spans import Call, Spans
from anthropic_metrics.simulator.spans import SpanData as Simulated
from anthropic_metrics.telemetry.spans import ATTRIBUTES
from tests.unit.simulator.conftest import NOW

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
    "output_tokens": 7,
    "service_tier": "standard",
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


class Recorded(trace.Span):
    """A span that remembers what it was told."""

    def __init__(self, name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue]) -> None:
        self.name, self.kind, self.attributes = name, kind, dict(attributes)
        self.status = StatusCode.UNSET

    def end(self, end_time: int | None = None) -> None: ...

    def get_span_context(self) -> trace.SpanContext:
        return trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.attributes |= attributes

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None: ...

    def update_name(self, name: str) -> None:
        self.name = name

    def is_recording(self) -> bool:
        return True

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self.status = status.status_code if isinstance(status, Status) else status

    def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None: ...


class Recorder(trace.TracerProvider, trace.Tracer):
    """Provider and tracer in one."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        self.scope = ""

    def get_tracer(self, instrumenting_module_name: str, *_: Any, **__: Any) -> trace.Tracer:
        self.scope = instrumenting_module_name
        return self

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Recorded:
        self.spans.append(Recorded(name, kind, attributes or {}))
        return self.spans[-1]

    def start_as_current_span(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class _Messages(BaseHTTPRequestHandler):
    """Answers by the model that is asked for."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {"request-id": "req_1", "anthropic-workspace-id": "wrkspc_1"}
        headers["anthropic-organization-id"] = "org_1"
        if asked["model"] == "limited":
            error = {"type": "rate_limit_error", "message": "slow down"}
            self._send(429, {"type": "error", "error": error}, headers)
        elif asked.get("stream"):
            self.send_response(200)
            for name, value in {**headers, "content-type": "text/event-stream"}.items():
                self.send_header(name, value)
            self.end_headers()
            for event in _events(broken=asked["model"] == "broken"):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        else:
            self._send(200, MESSAGE, headers)

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


def _events(*, broken: bool) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
    if broken:
        yield {"type": "error", "error": {"type": "overloaded_error", "message": "in mid-stream"}}
        return
    yield {"type": "content_block_stop", "index": 0}
    usage = {"output_tokens": 7}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": usage,
    }
    yield {"type": "message_stop"}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Recorded]:
    """The SDK's span of each kind of call."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Messages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found: dict[str, Recorded] = {}
    for what, model in (("plain", "m"), ("stream", "m"), ("limited", "limited"), ("broken", "broken")):
        recorder = Recorder()
        with anthropic.Anthropic(
            api_key="sk-ant-api03-unused",
            base_url=f"http://127.0.0.1:{server.server_port}",
            max_retries=0,
            open_telemetry={"tracer_provider": recorder},
        ) as client:
            asked: dict[str, Any] = {
                "model": model,
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "Hi"}],
            }
            with suppress(anthropic.APIError):
                if what in ("plain", "limited"):
                    client.messages.create(**asked)
                else:
                    for _ in client.messages.create(**asked, stream=True):
                        pass
        assert recorder.scope == "com.anthropic.sdk.python"
        (found[what],) = recorder.spans
    server.shutdown()
    server.server_close()
    return found


def simulated(**call: Any) -> Simulated:
    """The platform's span of a call."""
    given: dict[str, Any] = {
        "id": "b7ad6b7169203331",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "start": 0.0,
        "seconds": 1.0,
        "model": "m",
        "workspace_id": "wrkspc_1",
        "streamed": False,
        "code": 200,
        "tokens": (10, 30, 3, 2, 7, 0),
    }
    spans = Spans(Simulation(SettableClock(NOW), days=1), in_sdk=0.0)
    (made,) = spans.of_call(Call(**(given | call)))
    return made


CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stream": {"streamed": True, "first_chunk": 0.1},
    "limited": {
        "model": "limited",
        "code": 429,
        "error": "rate_limit_error",
        "outcome": "Error",
        "tokens": (0,) * 6,
    },
    "broken": {
        "model": "broken",
        "streamed": True,
        "first_chunk": 0.1,
        "error": "overloaded_error",
        "outcome": "Error",
    },
}


@pytest.mark.parametrize("what", CALLS)
def test_a_simulated_span_has_the_sdks_names_types_and_values(
    recorded: dict[str, Recorded], what: str
) -> None:
    theirs, ours = recorded[what], simulated(**CALLS[what])
    assert ours.name == theirs.name == "anthropic.messages.create"
    assert theirs.kind is SpanKind.CLIENT
    statuses = {StatusCode.OK: "Ok", StatusCode.ERROR: "Error", StatusCode.UNSET: ""}
    assert statuses[theirs.status] == ours.status
    unlike = {
        *("anthropic.organization.id", "anthropic.request.id", "gen_ai.response.id", "gen_ai.response.model"),
        "gen_ai.response.time_to_first_chunk",
    }
    for name, value in ours.attributes.items():
        if what == "broken" and name not in theirs.attributes:
            continue  # a stream that broke has told no usage yet
        assert name in theirs.attributes, name
        assert type(theirs.attributes[name]) is type(value), name
        if name not in unlike:
            assert theirs.attributes[name] == value, name


def test_every_attribute_that_the_queries_read_is_one_that_the_sdk_sets(
    recorded: dict[str, Recorded],
) -> None:
    named = {name for span in recorded.values() for name in span.attributes}
    assert named >= ATTRIBUTES.keys()
    # In both layouts they are where the queries look for them.
    otel, apm = otel_document(simulated(**CALLS["stream"])), apm_document(simulated(**CALLS["stream"]))
    for name in ATTRIBUTES.keys() - {"error.type", "http.response.status_code"}:
        assert name in otel["attributes"]
        assert name.replace(".", "_") in apm["labels"] | apm["numeric_labels"]

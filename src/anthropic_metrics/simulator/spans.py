"""The spans that the Claude API would export of the simulated traffic, and what they should add up to.

A request of the Messages API is a `Call`: its tokens are a part of one minute of one series, so that the
calls of a minute add up to its usage. Batches have no calls. What is delivered differs from what happened:
some spans are lost, some come twice, and a few calls are traced by the caller's SDK as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from .clock import MINUTE, epoch, floor
from .identity import digest, share, tagged
from .series import DIMENSIONS
from .simulation import Simulation
from .traffic import ZERO, Cell, portion, subtract

Kind = Literal["Server", "Client", "Internal"]
Status = Literal["Ok", "Error", ""]

PLATFORM, PLATFORM_SCOPE = "claude-platform", "com.anthropic.claude-platform"
MESSAGES = "anthropic.messages.create"
TOKENS_OF_A_CALL = 20_000
_SDK_SCOPE = "com.anthropic.sdk.python"
# Of a thousand attempts: HTTP status, the API's word for it and the message of the span's status. None used
# any tokens. A reached spend limit may keep the word of a rate limit, so that only the message names it.
_REFUSED = (
    (4, 429, "rate_limit_error", ""),
    (3, 529, "overloaded_error", ""),
    (2, 400, "invalid_request_error", ""),
    (1, 500, "api_error", ""),
    (1, 402, "linked_organization_spend_limit_reached", ""),
    (1, 429, "rate_limit_error", "enforced_spend_limit_reached"),
)
_BROKEN, _CANCELLED = 0.004, 0.004  # of the streams, after a 200


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request of the Messages API. Times are seconds; `code` is the HTTP status.

    A stream that broke is `failed` with code 200; one that the caller closed has no `outcome`.
    """

    id: str
    trace_id: str
    start: float
    seconds: float
    model: str
    workspace_id: str
    streamed: bool
    code: int
    error: str = ""
    message: str = ""
    outcome: Status = "Ok"
    first_chunk: float | None = None
    tokens: Cell = ZERO

    @property
    def failed(self) -> bool:
        return self.outcome == "Error"

    @property
    def input_tokens(self) -> int:
        """All input, cached or not, as spans count it."""
        return sum(self.tokens[:4])


@dataclass(frozen=True, slots=True)
class SpanData:
    """One span as it is delivered; times are nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    start: int
    duration: int
    status: Status
    service: str
    scope: str
    attributes: dict[str, Any]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """From `start` to `end`, a `share` of further attempts is refused with `code`, and all calls of the model
    (None: of every model) take `slower` times as long."""

    start: datetime
    end: datetime
    code: int = 200
    error: str = ""
    message: str = ""
    share: float = 0.0
    slower: float = 1.0
    model: str | None = None

    def holds(self, at: int, model: str) -> bool:
        return epoch(self.start) <= at < epoch(self.end) and self.model in (None, model)


@dataclass
class Spans:
    """The spans of a simulation. `missing`, `doubled` and `in_sdk` are shares of the calls.

    `sampled` keeps that share of all traces, as a collector does that samples.
    """

    simulation: Simulation
    missing: float = 0.02
    doubled: float = 0.03
    in_sdk: float = 0.1
    sampled: float = 1.0
    troubles: list[Trouble] = field(default_factory=list)

    def calls(self, start: datetime, end: datetime) -> Iterator[Call]:
        """Every attempt that began in the whole minutes of [start, end), delivered or not."""
        return self._calls(start, end, 1.0)

    def _calls(self, start: datetime, end: datetime, sampled: float) -> Iterator[Call]:
        dimensions = self.simulation.edits.dimensions
        for begin, cells in self.simulation.usage_cells(
            floor(start, MINUTE), floor(end, MINUTE), MINUTE, None
        ):
            for place, cell in enumerate(cells):
                series = dict(zip(DIMENSIONS, dimensions[place], strict=True))
                if cell is not None and series["service_tier"] != "batch":
                    model, workspace = str(series["model"]), series["workspace_id"]
                    yield from self._minute(begin, place, cell, model, workspace, sampled)

    def delivered(self, start: datetime, end: datetime) -> Iterator[SpanData]:
        """What arrives of them: one span a call, with losses, doubles and the spans of the SDK."""
        for call in self._calls(start, end, self.sampled):
            chance = share("fate", call.id)
            if chance >= self.missing:
                yield from self.of_call(call)
                if chance >= 1 - self.doubled:
                    yield from self.of_call(call)

    def arrived(self, start: datetime, end: datetime) -> list[Call]:
        """The calls with a span of the platform's own, each once: what figures over spans should say."""
        spans = {
            span.span_id for span in self.delivered(start, end) if span.name == MESSAGES and _is_own(span)
        }
        return [call for call in self.calls(start, end) if call.id in spans]

    def _minute(
        self, begin: int, place: int, cell: Cell, model: str, workspace: str | None, sampled: float
    ) -> Iterator[Call]:
        seed = self.simulation.seed
        troubles = [trouble for trouble in self.troubles if trouble.holds(begin, model)]
        slower = max([trouble.slower for trouble in troubles], default=1.0)
        count = 1 + sum(cell[:5]) // TOKENS_OF_A_CALL
        for number in range(count):
            key = (seed, "call", place, begin, number)
            trace_id = digest("trace", *key, size=16).hex()
            # Decided first: most of what a sampled month costs is calls that nobody keeps.
            if sampled < 1 and share("sampled", trace_id) >= sampled:
                continue
            tokens = subtract(portion(cell, number + 1, count), portion(cell, number, count))
            call = _answered(key, trace_id, begin, model, workspace or "Default", tokens, slower)
            yield call
            refused = [(rate / 1000, code, error, message) for rate, code, error, message in _REFUSED]
            refused += [(each.share, each.code, each.error, each.message) for each in troubles if each.share]
            for attempt, (rate, code, error, message) in enumerate(refused):
                if share(*key, attempt, code) < rate:
                    yield _refusal((*key, attempt), call, code, error, message)

    def of_call(self, call: Call) -> Iterator[SpanData]:
        """Its spans, where all of them arrive."""
        own = _span(call, self.simulation.organization().id)
        if share("sdk", call.id) >= self.in_sdk:
            yield own
            return
        # The caller's span is the parent of the platform's; both have the same tokens.
        caller = digest("caller", call.id, size=8).hex()
        yield replace(own, span_id=caller, kind="Client", service="assistant", scope=_SDK_SCOPE)
        yield replace(own, parent_id=caller)
        if call.code != 200:
            return
        # A model run inside the request, under the same name: only its kind tells.
        run = digest("run", call.id, size=8).hex()
        yield replace(own, span_id=run, parent_id=call.id, kind="Internal")


def _is_own(span: SpanData) -> bool:
    return span.kind == "Server" and span.scope == PLATFORM_SCOPE


def _answered(
    key: tuple[object, ...],
    trace_id: str,
    begin: int,
    model: str,
    workspace: str,
    tokens: Cell,
    slower: float,
) -> Call:
    streamed = share(*key, "streamed") < 0.6
    seconds = (0.4 + tokens[4] / 90 + 3 * share(*key, "seconds") ** 4) * slower
    first = (0.25 + 1.5 * share(*key, "first") ** 3) * slower if streamed else None
    if first is not None:
        seconds += first
    fate = share(*key, "fate")
    broken = streamed and fate < _BROKEN
    cancelled = streamed and _BROKEN <= fate < _BROKEN + _CANCELLED
    return Call(
        id=digest(*key, size=8).hex(),
        trace_id=trace_id,
        start=begin + MINUTE * share(*key, "start"),
        seconds=seconds,
        model=model,
        workspace_id=workspace,
        streamed=streamed,
        code=200,
        error="api_error" if broken else "",
        outcome="Error" if broken else "" if cancelled else "Ok",
        first_chunk=first,
        tokens=tokens,
    )


def _refusal(key: tuple[object, ...], call: Call, code: int, error: str, message: str) -> Call:
    """An attempt before the one that was answered: a span of its own in the same trace."""
    return replace(
        call,
        id=digest(*key, code, error, size=8).hex(),
        seconds=0.05 + 0.2 * share(*key, code),
        code=code,
        error=error,
        message=message,
        outcome="Error",
        first_chunk=None,
        tokens=ZERO,
    )


def _span(call: Call, organization_id: str) -> SpanData:
    return SpanData(
        trace_id=call.trace_id,
        span_id=call.id,
        parent_id="",
        name=MESSAGES,
        kind="Server",
        start=round(call.start * 1e9),
        duration=round(call.seconds * 1e9),
        status=call.outcome,
        message=call.message,
        service=PLATFORM,
        scope=PLATFORM_SCOPE,
        attributes={"anthropic.organization.id": organization_id, **_attributes(call)},
    )


def _attributes(call: Call) -> dict[str, Any]:
    """Under the names of the vendor's SDK, which the reference of the API's spans shares."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": True if call.streamed else None,
        "anthropic.workspace.id": call.workspace_id,
        "anthropic.request.id": tagged("req", call.id),
        "http.request.method": "POST",
        "http.route": "/v1/messages",
        "http.response.status_code": call.code,
        "error.type": call.error or None,
        "gen_ai.response.time_to_first_chunk": call.first_chunk,
    }
    if call.code == 200:
        attributes |= {
            "gen_ai.response.model": call.model,
            "gen_ai.response.id": tagged("msg", call.id),
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.cache_read.input_tokens": call.tokens[1],
            "gen_ai.usage.cache_write.input_tokens": call.tokens[2] + call.tokens[3],
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": call.tokens[2],
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": call.tokens[3],
            "gen_ai.usage.output_tokens": call.tokens[4],
        }
    return {name: value for name, value in attributes.items() if value is not None}

"""How ES|QL reads the spans of the Claude API, whichever way they came into Elasticsearch.

Two layouts: `traces-*.otel-*` (the managed OTLP endpoint, `/_otlp`, a collector) keeps attributes under their
names, `traces-apm-*` (APM Server) turns them into labels. A pattern that no index matches is no error beside
a stream that exists; a field that no index maps is one. So every query also reads the agent stream, whose
template maps `FIELDS` though none of its documents has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from anthropic_metrics.documents.base import OWN

SOURCES = "traces-*.otel-*, traces-apm-*"
MESSAGES = "anthropic.messages.create"
_PLATFORM, _SCOPE = "claude-platform", "com.anthropic.claude-platform"
_STATUS_CODE = "http.response.status_code"
_SPENT = ".*(spend_limit|billing).*"

_ATTRIBUTES = {
    "gen_ai.request.model": "keyword",
    "gen_ai.request.stream": "boolean",
    "gen_ai.response.time_to_first_chunk": "double",
    "gen_ai.usage.input_tokens": "long",
    "gen_ai.usage.cache_read.input_tokens": "long",
    "gen_ai.usage.output_tokens": "long",
    "anthropic.organization.id": "keyword",
    "anthropic.workspace.id": "keyword",
    "error.type": "keyword",
    _STATUS_CODE: "long",
}
ATTRIBUTES: Mapping[str, str] = _ATTRIBUTES


def _label(attribute: str) -> str:
    """Where APM Server puts an attribute; the status code has a field of its own."""
    if attribute == _STATUS_CODE:
        return attribute
    numeric = _ATTRIBUTES[attribute] in ("long", "double")
    return f"{'numeric_labels' if numeric else 'labels'}.{attribute.replace('.', '_')}"


def _label_type(attribute: str) -> str:
    kinds = {"long": "double", "boolean": "keyword"}
    return "long" if attribute == _STATUS_CODE else kinds.get(_ATTRIBUTES[attribute], _ATTRIBUTES[attribute])


# Every field that a query names, with its Elasticsearch type.
FIELDS: Mapping[str, str] = {
    "resource.attributes.service.name": "keyword",
    "scope.name": "keyword",
    "span_id": "keyword",
    "name": "keyword",
    "kind": "keyword",
    "duration": "long",
    "status.code": "keyword",
    "status.message": "keyword",
    **{f"attributes.{name}": kind for name, kind in _ATTRIBUTES.items()},
    "service.name": "keyword",
    "processor.event": "keyword",
    "transaction.id": "keyword",
    "transaction.name": "keyword",
    "transaction.duration.us": "long",
    **{_label(name): _label_type(name) for name in _ATTRIBUTES},
}

# One request of the Messages API is one server span of the platform: spans of the caller's SDK and of runs
# inside a request repeat its tokens.
IS_CALL = (
    f'((resource.attributes.service.name == "{_PLATFORM}" AND scope.name == "{_SCOPE}" AND kind == "Server" '
    f'AND name == "{MESSAGES}") OR (service.name == "{_PLATFORM}" AND processor.event == "transaction" '
    f'AND transaction.name == "{MESSAGES}"))'
)


def _two(name: str, attribute: str, cast: str) -> dict[str, str]:
    """A column of an attribute in either layout; cast, for the way in and the first value decide the type."""
    return {
        f"{name}_otel": f"{cast}(attributes.{attribute})",
        f"{name}_apm": f"{cast}({_label(attribute)})",
        name: f"COALESCE({name}_otel, {name}_apm)",
    }


# The types of errors, the first that fits.
_KINDS = (
    ("is_spent", "spend limit"),
    ("code == 429", "rate limit (429)"),
    ("code == 529", "overloaded (529)"),
    ("code >= 500", "server error"),
    ("code >= 400", "refused request"),
    ("code == 200", "broken after 200"),
)
# What a query may name of a call; in the agent's own documents all but the flags are null. Each may use those
# before it. Elasticsearch evaluates a CASE of several conditions, and one of expressions, row by row, which
# takes several times as long: so each has one condition, and its arguments are columns or literals.
COLUMNS: Mapping[str, str] = {
    "call_id": "COALESCE(span_id, transaction.id)",
    "is_call": "call_id IS NOT NULL",
    **_two("model_named", "gen_ai.request.model", "TO_STRING"),
    "model_unnamed": 'CASE(is_call, "unknown", null)',
    "call_model": "COALESCE(model_named, model_unnamed)",
    **_two("workspace_named", "anthropic.workspace.id", "TO_STRING"),
    "workspace_unnamed": 'CASE(is_call, "Default", null)',
    "call_workspace": "COALESCE(workspace_named, workspace_unnamed)",
    "seconds_otel": "TO_DOUBLE(duration) / 1.0E9",
    "seconds_apm": "TO_DOUBLE(transaction.duration.us) / 1.0E6",
    "seconds": "COALESCE(seconds_otel, seconds_apm)",
    **_two("first_token", "gen_ai.response.time_to_first_chunk", "TO_DOUBLE"),
    **_two("stream_flag", "gen_ai.request.stream", "TO_BOOLEAN"),
    "streamed": "COALESCE(stream_flag, false)",
    **_two("input_tokens", "gen_ai.usage.input_tokens", "TO_LONG"),
    **_two("output_tokens", "gen_ai.usage.output_tokens", "TO_LONG"),
    # A stream that breaks after its 200 is an error, so the status of the span counts, not that of HTTP. The
    # outcome of APM Server falls back on HTTP only where the span has no status.
    "has_failed": 'status.code == "Error" OR event.outcome == "failure"',
    "failed": "COALESCE(has_failed, false)",
    **_two("code", _STATUS_CODE, "TO_LONG"),
    **_two("error_type", "error.type", "TO_STRING"),
    # A 429 is a rate limit unless the API's word for it says that a spend limit was reached.
    "is_spent": f'code == 402 OR error_type RLIKE "{_SPENT}" OR status.message RLIKE "{_SPENT}"',
    **{
        f"kind_{number}": f'CASE({condition}, "{kind}", null)'
        for number, (condition, kind) in enumerate(_KINDS)
    },
    "kind_known": f'COALESCE({", ".join(f"kind_{number}" for number in range(len(_KINDS)))}, "no answer")',
    "error_kind": "CASE(failed, kind_known, null)",
}
# Whose call, or whose document, it is.
_ORGANIZATION = "anthropic.organization.id"
ORGANIZATION = (
    f"COALESCE(organization.id, TO_STRING(attributes.{_ORGANIZATION}), TO_STRING({_label(_ORGANIZATION)}))"
)
_SUBJECT = re.compile(r"FROM calls(?:,\s*(?P<streams>[^\n|]+))?")


def is_of_calls(query: str) -> bool:
    """Whether a query begins with `FROM calls`."""
    return _SUBJECT.match(query) is not None


def expanded(query: str, agent_stream: str) -> str:
    """A query that begins with `FROM calls`, as Elasticsearch takes it.

    `FROM calls, <streams>` also reads the agent's own documents in these streams. The columns of `COLUMNS`
    that the rest names are computed. `agent_stream` lends the fields that no index of traces may have.
    """
    match = _SUBJECT.match(query)
    assert match is not None
    streams, rest = match["streams"], query[match.end() :].lstrip("\n| ")
    of_own = [] if streams is None else [name.strip() for name in streams.split(",")]
    sources = dict.fromkeys([SOURCES, agent_stream, *of_own])
    documents = f"{OWN} OR {IS_CALL}" if of_own else IS_CALL
    needed = _needed(rest)
    computed = ", ".join(f"{name} = {how}" for name, how in COLUMNS.items() if name in needed)
    evaluated = f"\n| EVAL {computed}" if computed else ""
    return f"FROM {', '.join(sources)}\n| WHERE {documents}{evaluated}\n| {rest}"


def _needed(text: str) -> set[str]:
    """The columns that a text names, and those that they are made of."""
    named = re.sub(r'"[^"]*"', "", text)
    found = {name for name in COLUMNS if re.search(rf"(?<![\w.]){name}(?![\w.])", named)}
    for name in list(found):
        found |= _needed(COLUMNS[name])
    return found

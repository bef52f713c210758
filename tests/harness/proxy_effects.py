"""What a fault proxy does to a request and to its answer."""

from __future__ import annotations

import json
from typing import Any

from tests.harness.fault_proxy import JSON_HEADERS, LOST, Effect, Passing, Reply


def lost_before(request: Passing) -> Reply:
    """The connection breaks before Elasticsearch has heard anything."""
    return LOST


def lost_after(request: Passing) -> Reply:
    """Elasticsearch has done it, its answer is lost."""
    request.forward()
    return LOST


def lost_within(request: Passing) -> Reply:
    """Elasticsearch has done it, half of its answer arrives."""
    reply = request.forward()
    return Reply(reply.status, reply.headers, reply.body, cut=0.5)


def delayed(request: Passing) -> Reply:
    """The network keeps the request and delivers it when the agent has long given it up."""
    request.proxy.delayed.append(request)
    return LOST


def refusing(status: int, *, done: bool = False) -> Effect:
    """An error status for the whole request; `done`: a gateway says so, Elasticsearch has done it."""

    def effect(request: Passing) -> Reply:
        if done:
            request.forward()
        error = {"type": "es_rejected_execution_exception", "reason": "simulated overload"}
        return Reply(status, dict(JSON_HEADERS), json.dumps({"error": error, "status": status}).encode())

    return effect


def refusing_items(status: int, *, every: int = 3, done: bool = False) -> Effect:
    """Each `every`th item of an accepted bulk is answered with `status`; `done`: it was done all the same."""
    error = {"type": "es_rejected_execution_exception", "reason": "simulated overload"}
    return _items(every, {"status": status, "error": error}, done=done)


def diverting_items(*, every: int = 4) -> Effect:
    """Each `every`th item lands in the failure store."""
    return _items(every, {"status": 201, "result": "created", "failure_store": "used"}, done=False)


def full_failure_store(*, every: int = 4) -> Effect:
    """Each `every`th item fails, and the failure store cannot take it either."""
    error = {"type": "document_parsing_exception", "reason": "simulated"}
    return _items(every, {"status": 400, "error": error, "failure_store": "failed"}, done=False)


def _items(every: int, verdict: dict[str, Any], *, done: bool) -> Effect:
    def effect(request: Passing) -> Reply:
        operations = _operations(request.body)
        hit = {n for n in range(len(operations)) if n % every == every - 1}
        sent = [lines for n, (_, lines) in enumerate(operations) if done or n not in hit]
        if not sent:
            reply = Reply(200, dict(JSON_HEADERS), b'{"items":[]}')
        else:
            reply = request.forward(b"".join(sent))
        if reply.status != 200:
            return reply
        items = iter(json.loads(reply.body)["items"])
        out = []
        for number, (action, _) in enumerate(operations):
            item = next(items) if done or number not in hit else None
            out.append({action: verdict} if number in hit else item)
        body = json.dumps({"took": 1, "errors": True, "items": out}).encode()
        return Reply(200, reply.headers, body)

    return effect


def _operations(body: bytes) -> list[tuple[str, bytes]]:
    lines = iter(body.splitlines(keepends=True))
    found = []
    for line in lines:
        (action,) = json.loads(line)
        found.append((action, line if action == "delete" else line + next(lines)))
    return found

"""Rows of the Admin API as the agent parses them, with what it could not read."""

from __future__ import annotations

from typing import Any

from anthropic_metrics.admin_api.reply import Reply, parse_rows
from anthropic_metrics.kernel.problems import Problems


def parsed(model: type[Reply], *rows: Any) -> tuple[list[Any], Problems]:
    problems = Problems()
    return parse_rows(model, rows, "here", problems), problems


def one(model: type[Reply], row: Any) -> Any:
    (reply,), problems = parsed(model, row)
    assert problems == Problems()
    return reply

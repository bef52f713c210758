"""Holds what commands print against the schemas in docs/schemas."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from anthropic_metrics.cli import schemas
from anthropic_metrics.cli.render import Answer, Layout


def hold(answer: Answer) -> None:
    """Fail where a table of an answer is not what the schema of its layout says."""
    for table in answer.tables:
        _rows(table.layout).validate(table.objects())


def validate(command: str, printed: str) -> dict[str, Any]:
    """What a command printed as JSON; fail where it is not what the published schema says."""
    found: dict[str, Any] = json.loads(printed)
    published = json.loads((schemas.FOLDER / schemas.file_name(command)).read_text("utf-8"))
    Draft202012Validator(published).validate(found)
    patterns = published.get("patternProperties", ())
    unknown = found.keys() - published["properties"].keys()
    assert {name for name in unknown if not any(re.search(pattern, name) for pattern in patterns)} == set()
    return found


@cache
def _rows(layout: Layout) -> Draft202012Validator:
    return Draft202012Validator(schemas.rows_schema(layout))

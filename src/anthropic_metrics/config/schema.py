"""The configuration as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from anthropic_metrics.config.problems import KEYS
from anthropic_metrics.config.values import Backfill

_DURATION = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}
# `${NAME}` may stand for a value of any kind.
_REFERENCE = {"type": "string", "pattern": r"\$\{"}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file; every section refuses unknown keys."""
    properties: dict[str, Any] = {}
    for key, field in KEYS.items():
        holder = properties
        if len(key) > 1:
            empty = {"type": ["object", "null"], "additionalProperties": False, "properties": {}}
            holder = properties.setdefault(key[0], empty)["properties"]
        holder[key[-1]] = {"description": field.description or "", **_type(field)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "anthropic-metrics configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _type(field: FieldInfo) -> dict[str, Any]:
    kind = _of(field.annotation)
    return kind if kind.get("type") == "string" and "pattern" not in kind else {"anyOf": [kind, _REFERENCE]}


def _of(annotation: Any) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [_of(kind) for kind in arguments if kind is not type(None)]
        if timedelta in arguments:
            kinds.append({"enum": ["none", None]})
        if any(get_origin(kind) is Literal for kind in arguments):
            kinds.append({"type": "null"})
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if origin is Literal:
        # YAML reads a bare off as false.
        return {"enum": [*arguments, *([False] if "off" in arguments else [])]}
    if origin is tuple:
        return {"anyOf": [{"type": "array"}, {"type": "string"}]}
    if origin is dict:
        return {"type": "object"}
    plain: dict[Any, dict[str, Any]] = {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"anyOf": [{"type": "number"}, {"const": ""}]},
        str: {"type": "string"},
        Path: {"type": "string"},
        SecretStr: {"type": "string"},
        timedelta: _DURATION,
        Backfill: {"type": "string"},
    }
    return plain.get(annotation, {})

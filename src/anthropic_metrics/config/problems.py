"""What pydantic found wrong, in words that say what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from anthropic_metrics import quoting
from anthropic_metrics.config.models import Config

Key = tuple[str, ...]

_TEXTS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be text: put it in quotes",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
}


@dataclass(frozen=True)
class Problem:
    """One thing to mend: `config.yaml: usage.group_by: at most 5 dimensions ...`."""

    origin: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.key}: {self.text}" if self.key else f"{self.origin}: {self.text}"


def dotted(key: Key) -> str:
    """The key as messages name it; a name that is not known and may be a secret is left out."""
    return ".".join(
        part if part in _NAMES or (place > 1 and key[:2] not in SECRET_KEYS) else _unknown_name(part)
        for place, part in enumerate(map(quoting.name, key))
    )


def _unknown_name(name: str) -> str:
    harmless = re.fullmatch(r"[A-Za-z_]{1,32}", name) or get_close_matches(name, _NAMES, n=1, cutoff=0.75)
    return name if harmless else "(a name)"


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model behind a field that is a section, None for a plain key."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _item_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the items of a list of sections."""
    kinds = (kind for kind in get_args(field.annotation) if isinstance(kind, type))
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), None)


def known_keys() -> Iterator[tuple[Key, FieldInfo]]:
    """Every key a user can set, in the order of the documentation."""
    for name, field in Config.model_fields.items():
        section = section_of(field)
        if section is None:
            yield (name,), field
            continue
        for inner, inner_field in section.model_fields.items():
            yield (name, inner), inner_field


def is_secret(field: FieldInfo) -> bool:
    """Whether the value, or each item of it, is a secret."""
    return field.annotation in (SecretStr | None, tuple[SecretStr, ...])


KEYS: dict[Key, FieldInfo] = dict(known_keys())
_NAMES = frozenset(name for key in KEYS for name in key)
SECTIONS = frozenset((name,) for name, field in Config.model_fields.items() if section_of(field))
SECRET_KEYS = frozenset(key for key, field in KEYS.items() if is_secret(field))


def explain(error: ValidationError) -> Iterator[tuple[Key, str]]:
    """Each problem's key and what to do about it; never a value, save those that our own checks quote."""
    for detail in error.errors(include_url=False, include_input=True):
        context = detail.get("ctx", {})
        key = tuple(part for part in detail["loc"] if isinstance(part, str))
        if "key" in context:
            key = (*key, str(context["key"]))
        # Of several organizations, which; other lists name their entry themselves.
        entry = next((f"entry {part + 1}: " for part in detail["loc"] if isinstance(part, int)), "")
        yield key, (entry if key[0] == "organizations" else "") + _text(key, detail, context)


def _text(key: Key, detail: ErrorDetails, context: dict[str, Any]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(key)
    if kind == "missing":
        return "is missing"
    if kind == "model_type":
        return f"must be a section with keys under it: {', '.join(_siblings(key))}"
    if detail["input"] is None:
        return "is empty: give it a value or leave the key out"
    if kind == "value_error":
        return str(context["error"])
    if kind in _TEXTS:
        return _TEXTS[kind].format(**context)
    return detail["msg"]


def _unknown(key: Key) -> str:
    siblings = _siblings(key[:-1])
    if near := get_close_matches(key[-1], siblings, n=1, cutoff=0.6):
        return f"is not a known key; did you mean {dotted((*key[:-1], near[0]))}?"
    elsewhere = [text for known, text in _dotted_keys().items() if known[-1] == key[-1]]
    if not elsewhere:
        elsewhere = get_close_matches(dotted(key), _dotted_keys().values(), n=1, cutoff=0.75)
    if elsewhere:
        return f"is not a known key; did you mean {' or '.join(elsewhere)}?"
    return f"is not a known key; known here: {', '.join(siblings)}"


@cache
def _dotted_keys() -> dict[Key, str]:
    """Every key as messages name it."""
    return {key: dotted(key) for key in KEYS}


def _siblings(section: Key) -> list[str]:
    """The keys that may stand under `section`."""
    model: type[BaseModel] | None = Config
    for name in section:
        field = model.model_fields.get(name) if model else None
        model = (section_of(field) or _item_of(field)) if field else None
    return list(model.model_fields) if model else []

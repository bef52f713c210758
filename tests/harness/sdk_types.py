"""Whether an answer is what the SDK's types say."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def complaints(value: Any, where: str = "") -> list[str]:
    """What differs from the SDK's types, at any depth: missing, unexpected and ill-typed fields."""
    if isinstance(value, list):
        return [each for n, item in enumerate(value) for each in complaints(item, f"{where}[{n}]")]
    if not isinstance(value, BaseModel):
        return []
    fields = set(type(value).model_fields)
    found = [f"{where}: no {name}" for name in fields - value.model_fields_set]
    found += [f"{where}: unexpected {name}" for name in value.model_extra or ()]
    for name in fields & value.model_fields_set:
        found += complaints(getattr(value, name), f"{where}.{name}")
    return found


def checked(values: list[Any], wanted: type[BaseModel]) -> list[Any]:
    """The values, after each was found to be what the SDK says it is."""
    assert values
    for value in values:
        assert isinstance(value, wanted)
        wanted.model_validate(value.model_dump(by_alias=True, warnings=False))
        assert complaints(value, wanted.__name__) == []
    return values

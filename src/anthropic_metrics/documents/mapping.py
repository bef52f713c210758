"""Elasticsearch mappings derived from the document models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from anthropic_metrics.documents.base import Document, Mapped


@dataclass(frozen=True)
class MappedField:
    """A leaf of a document: its dotted name, how it is mapped and what it means."""

    name: str
    mapped: Mapped
    description: str


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[MappedField]:
    """Every leaf field of a document model, in the model's order."""
    for name, info in model.model_fields.items():
        dotted = prefix + (info.alias or name)
        mapped, part = _mapped(info), _part(info.annotation)
        if mapped is not None:
            yield MappedField(dotted, mapped, info.description or "")
        elif part is not None:
            yield from fields(part, f"{dotted}.")
        else:
            raise TypeError(f"{model.__name__}.{name} has no Elasticsearch type")


def mapping(model: type[Document]) -> dict[str, Any]:
    """The `properties` of the index mapping of a document model."""
    properties: dict[str, Any] = {}
    for leaf in fields(model):
        *parents, last = leaf.name.split(".")
        level = properties
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[last] = {"type": leaf.mapped.type, **dict(leaf.mapped.parameters)}
    return properties


def with_fields(properties: dict[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    """`properties` with further fields, dotted names with their Elasticsearch types; the same object."""
    for name, kind in types.items():
        *parents, last = name.split(".")
        level = properties
        for parent in parents:
            level = level.setdefault(parent, {}).setdefault("properties", {})
        level[last] = {"type": kind}
    return properties


def _mapped(info: FieldInfo) -> Mapped | None:
    notes = (item for item in (*info.metadata, *_annotations(info.annotation)) if isinstance(item, Mapped))
    return next(notes, None)


def _annotations(annotation: Any) -> Iterator[Any]:
    """Metadata of `Annotated` types inside a union such as `Keyword | None`."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _annotations(member)


def _part(annotation: Any) -> type[BaseModel] | None:
    """The model in `Part`, `Part | None` or `list[Part]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for member in get_args(annotation) if (part := _part(member))), None)

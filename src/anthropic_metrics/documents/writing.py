"""Documents written straight from values that were checked when they were read.

The models of this package say which fields there are, in which order and in which form. Here that is read off
a model once; then values become the same JSON and the same digest that validating and dumping the model would
make (`documents.identity.prepare`), at a third of the cost. Nothing is validated again: where the values come
from has done so. `tests/property/test_writing_properties.py` holds both ways against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from anthropic_metrics.documents.base import Document
from anthropic_metrics.documents.forms import Form, marks, texts
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.digests import Digest
from anthropic_metrics.kernel.ranges import EPOCH
from anthropic_metrics.redaction import redact

Values = Mapping[str, Any]
Way = Callable[[Any], Any]
Parts = tuple[tuple[str, Way], ...]


class Layout:
    """The fields of one model, in its order, by the names that stand in a document."""

    __slots__ = ("_fields",)

    def __init__(self, model: type[BaseModel]) -> None:
        self._fields = tuple(
            (name, info.serialization_alias or name, _form(info), _default(info))
            for name, info in model.model_fields.items()
        )

    def object(self, values: Values) -> dict[str, Any]:
        """The JSON object for `values`: defaults filled in, what is None left out."""
        written: dict[str, Any] = {}
        for name, key, form, default in self._fields:
            value = values.get(name)
            if value is not None:
                written[key] = value if form is None else form(value)
            elif default is not None:
                written[key] = default
        return written


@cache
def layout(model: type[BaseModel]) -> Layout:
    """The layout of a model, read once."""
    return Layout(model)


def _form(info: FieldInfo) -> Way | None:
    """How a value of the field is written; None: as it is."""
    for kind in _kinds(info.annotation):
        inner = _form_of(get_args(kind)[0]) if get_origin(kind) is list else None
        if inner is not None:
            return partial(_each_item, inner)
        if form := _form_of(kind):
            return form
    return None


def _each_item(form: Way, items: Iterable[Any]) -> list[Any]:
    return [form(item) for item in items]


def _form_of(kind: Any) -> Way | None:
    if kind is Decimal:
        return float
    return layout(kind).object if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation, without what `Annotated` adds."""
    if hasattr(annotation, "__metadata__"):
        return _kinds(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in _kinds(part))
    return (annotation,)


def _default(info: FieldInfo) -> Any:
    """What stands there where no value is given; None: nothing, or there is always a value."""
    if info.is_required():
        return None
    default = info.get_default(call_default_factory=True)
    return default.model_dump(mode="json", exclude_none=True) if isinstance(default, BaseModel) else default


class Envelope:
    """What the documents of one stream and organization share, written once; only when differs by bucket."""

    __slots__ = ("_before", "_said", "after")

    def __init__(self, values: Values) -> None:
        fields = {name: value for name, value in values.items() if value is not None}
        shell = Document.model_validate({**fields, "timestamp": EPOCH})
        source = redact.scrub_all(shell.model_dump(mode="json", by_alias=True, exclude_none=True))
        stamp, created = marks(2)
        source["@timestamp"], source["event"]["created"] = stamp, created
        said = {name: value for name, value in source.items() if name != "agent"}
        said["event"] = {name: value for name, value in source["event"].items() if name != "created"}
        self._said = Form(to_json(said)[:-1], texts=(stamp,))
        names = list(source)
        place = names.index("event") + 1
        before = to_json({name: source[name] for name in names[:place]})[:-2] + b',"hash":"'
        self._before = Form(before, texts=(stamp, created))
        self.after = b'"},' + to_json({name: source[name] for name in names[place:]})[1:-1]

    def at(self, start: datetime, created: datetime) -> tuple[bytes, bytes]:
        """What is digested of it and what stands before the digest, for a bucket read at `created`."""
        stamp, read = texts(start, created)
        return self._said.fill((stamp,)), self._before.fill((stamp, read))


def kept_envelope(
    written: MutableMapping[tuple[Hashable, ...], Any],
    key: tuple[Hashable, ...],
    values: Callable[[], Values],
) -> Envelope:
    """The envelope under `key` of what was written before, else made of `values` and kept there."""
    key = *key, redact.version
    envelope: Envelope | None = written.get(key)
    if envelope is None:
        envelope = written[key] = Envelope(values())
    return envelope


class Writer:
    """Writes the documents of one model that have their envelope in common: one bucket's."""

    __slots__ = ("_after", "_before", "_digest", "_parts")

    def __init__(self, model: type[Document], envelope: Envelope, start: datetime, created: datetime) -> None:
        said, self._before = envelope.at(start, created)
        self._after = envelope.after
        self._digest = Digest(said)
        self._parts = _parts(model)

    def write(self, id_: str, **parts: Values) -> Prepared:
        """The document with these parts of its own; they replace nothing of the envelope."""
        return self._document(id_, _tail(self._parts, parts))

    def fill(self, id_: str, form: Form, values: tuple[bytes | int, ...]) -> Prepared:
        """The document with a form of `form_of`, filled in, as its own parts."""
        return self._document(id_, form.fill(values))

    def _document(self, id_: str, tail: bytes) -> Prepared:
        said = self._digest.with_more(tail)
        return Prepared(id_, said, b"".join((self._before, said.encode(), self._after, tail)))


def form_of(model: type[Document], texts: Sequence[int], numbers: Sequence[int], **parts: Values) -> Form:
    """The parts of a document of its own as a form, in which the marks `texts` and `numbers` leave room."""
    return Form(_tail(_parts(model), parts), texts, numbers)


def _tail(forms: Parts, parts: Mapping[str, Values]) -> bytes:
    """The parts as the end of a document's JSON, without a secret that a server has put into a text."""
    own = {name: form(parts[name]) for name, form in forms}
    tail = to_json(own)
    if redact.holds(tail.decode()):
        tail = to_json(redact.scrub_all(own))
    return b"," + tail[1:]


@cache
def _parts(model: type[Document]) -> Parts:
    """How the parts that the envelope does not have are written."""
    return tuple(
        (name, form)
        for name, info in model.model_fields.items()
        if name not in Document.model_fields and (form := _form(info))
    )

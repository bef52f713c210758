"""Corrections: what changed upstream after we had shipped it as complete."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from pydantic_core import to_json

from anthropic_metrics.documents.agent import AgentDocument, agent_writer
from anthropic_metrics.documents.forms import Form, marks
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.writing import Writer, form_of
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.outcome import Change
from anthropic_metrics.redaction import redact

Written = dict[tuple[Hashable, ...], Any]

# Numbers that a document also has as the text that was received.
_EXACT = {"anthropic.cost.amount": "anthropic.cost.amount_exact"}
# What a correction takes over from the document, besides its dimensions.
_SHARED = ("model", "workspace", "api_key")


def value_at(source: dict[str, Any] | None, dotted: str) -> Any:
    """The value of a dotted field, None where it is absent."""
    value: Any = source
    for name in _names(dotted):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


@cache
def _names(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))


def corrections(
    changes: Sequence[Change],
    stream: str,
    numbers: Sequence[str],
    now: datetime,
    written: Written | None = None,
) -> Iterator[Prepared]:
    """One agent document per number that a change alters.

    The `_id` is the digest of the revision itself, so writing it again after a crash, or from a second agent,
    makes no second one. `written` hands what several calls for one stream and `now` have in common from one
    to the next.
    """
    written = {} if written is None else written
    shown = _shown(tuple(numbers))
    for change in changes:
        before = change.before
        was, becomes = shown(before), shown(change.after or {})
        if change.after and was == becomes:
            continue
        writer = _writer(before, now, written)
        for number, earlier, later in zip(numbers, was, becomes, strict=True):
            if change.after and earlier == later:
                continue
            old, new = _figure(earlier), _figure(later)
            if old is None or (old == new if change.after else old == 0):
                continue
            identity = digest_of_values(
                stream, change.id, change.index, change.seq_no, number, value_at(change.after, number)
            )
            own = _own(change, before, number, old, new)
            form = _form(before, stream, number, tuple(own), written)
            yield writer.fill(identity, form, tuple(own.values()))


@cache
def _shown(numbers: tuple[str, ...]) -> Callable[[dict[str, Any]], list[Any]]:
    """What reads these numbers off a source: the text as received where there is one, None where nothing is.

    Those that follow each other in one object are read together.
    """
    groups = groupby(map(_place, numbers), itemgetter(0))
    objects = [(path, tuple(name for _, name in group)) for path, group in groups]
    exact = [(place, _EXACT[number]) for place, number in enumerate(numbers) if number in _EXACT]

    def read(source: dict[str, Any]) -> list[Any]:
        values: list[Any] = []
        for path, names in objects:
            part = source
            for name in path:
                part = part.get(name) or {}
            values += map(part.get, names)
        for place, dotted in exact:
            if (text := value_at(source, dotted)) is not None:
                values[place] = text
        return values

    return read


def _place(dotted: str) -> tuple[tuple[str, ...], str]:
    """The object that a field stands in, and its name there."""
    *path, name = _names(dotted)
    return tuple(path), name


def _figure(shown: Any) -> Decimal | None:
    return None if shown is None else Decimal(str(shown))


def _writer(before: dict[str, Any], now: datetime, written: Written) -> Writer:
    """What writes corrections of this document: those of one namespace and organization share it."""
    namespace, organization = before["data_stream"]["namespace"], before.get("organization")
    key = "writer", namespace, *(organization or {}).items(), redact.version
    writer: Writer | None = written.get(key)
    if writer is None:
        writer = agent_writer("correction", now=now, namespace=namespace, organization=organization)
        written[key] = writer
    return writer


def _own(
    change: Change, before: dict[str, Any], number: str, old: Decimal, new: Decimal | None
) -> dict[str, bytes]:
    """What no other correction has, as JSON, in the order of the document."""
    delta = (new or Decimal(0)) - old
    figures = {"old": old, "new": new, "delta": delta}
    own = {
        "document_id": to_json(redact.scrub(change.id)),
        "bucket_start_time": _time_text(before["@timestamp"]),
        **{name: to_json(float(figure)) for name, figure in figures.items() if figure is not None},
    }
    if number in _EXACT:
        exact = {f"{name}_exact": figure for name, figure in figures.items() if figure is not None}
        own |= {name: to_json(format(figure, "f")) for name, figure in exact.items()}
    own["why"] = b'"vanished"' if change.after is None else b'"late"' if delta > 0 else b'"revised"'
    return own


def _form(before: dict[str, Any], stream: str, number: str, own: tuple[str, ...], written: Written) -> Form:
    """A correction of this number of a document with these dimensions, with room for `own`."""
    shipped = before["anthropic"]
    fields = shipped.get("usage") or shipped.get("cost") or {}
    dimensions = tuple([item for item in fields.items() if item[1].__class__ is str and _dimension(item[0])])
    shared = [shipped.get(name) for name in _SHARED]
    key = number, own, dimensions, to_json(shared), redact.version
    form: Form | None = written.get(key)
    if form is None:
        places = marks(len(own))
        said = {
            "stream": stream,
            "dimensions": [f"{name}={value}" for name, value in dimensions],
            "field": number,
            **dict(zip(own, places, strict=True)),
        }
        content = {name: value for name, value in zip(_SHARED, shared, strict=True) if value}
        form = written[key] = form_of(AgentDocument, places, (), anthropic=content | {"correction": said})
    return form


@cache
def _dimension(name: str) -> bool:
    return not name.startswith(("bucket_", "amount", "currency"))


@lru_cache(maxsize=1024)
def _time_text(time: str) -> bytes:
    """A time of a document as the JSON of another."""
    return to_json(datetime.fromisoformat(time))

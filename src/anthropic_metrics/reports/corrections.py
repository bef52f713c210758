"""Corrections: what changed upstream after we had shipped it as complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic_core import to_json

from anthropic_metrics.documents.agent import agent_writer
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.writing import Writer
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.outcome import Change

# Numbers that a document also has as the text that was received.
_EXACT = {"anthropic.cost.amount": "anthropic.cost.amount_exact"}


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
    changes: Sequence[Change], stream: str, numbers: Sequence[str], now: datetime
) -> Iterator[Prepared]:
    """One agent document per number that a change alters.

    Growth of a bucket that was shipped as incomplete is no correction. The `_id` is the digest of the
    revision itself, so writing it again after a crash, or from a second agent, makes no second one.
    """
    writers: dict[bytes, Writer] = {}
    for change in changes:
        before = change.before or {}
        if value_at(before, "anthropic.usage.bucket_complete") is False:
            continue
        for number in numbers:
            if change.after and _as_shown(before, number) == _as_shown(change.after, number):
                continue
            old, new = _figure(before, number), _figure(change.after, number)
            if old is None or (old == new if change.after else old == 0):
                continue
            identity = digest_of_values(
                stream, change.id, change.index, change.seq_no, number, value_at(change.after, number)
            )
            writer = _writer(before, now, writers)
            yield writer.write(identity, anthropic=_correction(change, before, stream, number, old, new))


def _as_shown(source: dict[str, Any], number: str) -> tuple[Any, Any]:
    """The figure as it stands there, with its exact text: a quick look at what has not changed."""
    return value_at(source, number), value_at(source, _EXACT[number]) if number in _EXACT else None


def _figure(source: dict[str, Any] | None, number: str) -> Decimal | None:
    """The exact figure: the text as received where there is one, else the number."""
    exact = value_at(source, _EXACT[number]) if number in _EXACT else None
    value = value_at(source, number) if exact is None else exact
    return None if value is None else Decimal(str(value))


def _writer(before: dict[str, Any], now: datetime, writers: dict[bytes, Writer]) -> Writer:
    """What writes corrections of this document: those of one namespace and organization share it."""
    namespace, organization = before["data_stream"]["namespace"], before.get("organization")
    key = to_json([namespace, organization])
    if key not in writers:
        writers[key] = agent_writer("correction", now=now, namespace=namespace, organization=organization)
    return writers[key]


def _correction(
    change: Change,
    before: dict[str, Any],
    stream: str,
    number: str,
    old: Decimal,
    new: Decimal | None,
) -> dict[str, Any]:
    """`anthropic` of a correction."""
    shipped = before["anthropic"]
    delta = (new or Decimal(0)) - old
    exact = {"old_exact": old, "new_exact": new, "delta_exact": delta} if number in _EXACT else {}
    fields = shipped.get("usage") or shipped.get("cost") or {}
    return {name: shipped[name] for name in ("model", "workspace", "api_key") if shipped.get(name)} | {
        "correction": {
            "stream": stream,
            "document_id": change.id,
            "bucket_start_time": datetime.fromisoformat(before["@timestamp"]),
            "dimensions": [f"{k}={v}" for k, v in fields.items() if isinstance(v, str) and _dimension(k)],
            "field": number,
            "old": float(old),
            "new": None if new is None else float(new),
            "delta": float(delta),
            **{name: format(figure, "f") for name, figure in exact.items() if figure is not None},
            "why": "vanished" if change.after is None else "late" if delta > 0 else "revised",
        }
    }


def _dimension(name: str) -> bool:
    return not name.startswith(("bucket_", "amount", "currency"))

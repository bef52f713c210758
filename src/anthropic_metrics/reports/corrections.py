"""Corrections: what changed upstream after we had shipped it as complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.outcome import Change

# Numbers that a document also has as the text that was received.
_EXACT = {"anthropic.cost.amount": "anthropic.cost.amount_exact"}


def value_at(source: dict[str, Any] | None, dotted: str) -> Any:
    """The value of a dotted field, None where it is absent."""
    value: Any = source
    for name in dotted.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def corrections(
    changes: Sequence[Change], stream: str, numbers: Sequence[str], now: datetime
) -> Iterator[Prepared]:
    """One agent document per number that a change alters.

    Growth of a bucket that was shipped as incomplete is no correction. The `_id` is the digest of the
    revision itself, so writing it again after a crash, or from a second agent, makes no second one.
    """
    for change in changes:
        before = change.before or {}
        if value_at(before, "anthropic.usage.bucket_complete") is False:
            continue
        for number in numbers:
            old, new = _figure(before, number), _figure(change.after, number)
            if old is None or (old == new if change.after else old == 0):
                continue
            yield _correction(change, before, stream, number, old, new, now)


def _figure(source: dict[str, Any] | None, number: str) -> Decimal | None:
    """The exact figure: the text as received where there is one, else the number."""
    exact = value_at(source, _EXACT[number]) if number in _EXACT else None
    value = value_at(source, number) if exact is None else exact
    return None if value is None else Decimal(str(value))


def _correction(
    change: Change,
    before: dict[str, Any],
    stream: str,
    number: str,
    old: Decimal,
    new: Decimal | None,
    now: datetime,
) -> Prepared:
    shipped = before["anthropic"]
    delta = (new or Decimal(0)) - old
    exact = {"old_exact": old, "new_exact": new, "delta_exact": delta} if number in _EXACT else {}
    fields = shipped.get("usage") or shipped.get("cost") or {}
    anthropic = {name: shipped[name] for name in ("model", "workspace", "api_key") if shipped.get(name)} | {
        "correction": {
            "stream": stream,
            "document_id": change.id,
            "bucket_start_time": before["@timestamp"],
            "dimensions": [f"{k}={v}" for k, v in fields.items() if isinstance(v, str) and _dimension(k)],
            "field": number,
            "old": old,
            "new": new,
            "delta": delta,
            **{name: format(figure, "f") for name, figure in exact.items() if figure is not None},
            "why": "vanished" if change.after is None else "late" if delta > 0 else "revised",
        }
    }
    document = agent_document(
        "correction",
        at=now,
        now=now,
        namespace=before["data_stream"]["namespace"],
        organization=before.get("organization"),
        anthropic=anthropic,
    )
    identity = digest_of_values(
        stream, change.id, change.index, change.seq_no, number, value_at(change.after, number)
    )
    return prepare(identity, document)


def _dimension(name: str) -> bool:
    return not name.startswith(("bucket_", "amount", "currency"))

"""Spend documents from shares, estimates and the rest of the bill. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.spend import SpendDocument
from anthropic_metrics.documents.writing import Values, Writer
from anthropic_metrics.kernel.frame import Frame, paid_fields
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.allocate import Allocation, Parts, Share, Unattributed
from anthropic_metrics.spend.billed import BilledHour, BilledShare, Unmatched
from anthropic_metrics.spend.estimate import Estimate, Prices, at_list_price, estimate, saved_by_cache
from anthropic_metrics.spend.inputs import HOUR, Row, Shared
from anthropic_metrics.spend.money import Usd, usd_text
from anthropic_metrics.spend.rows import PART_NAMES, Used

UNATTRIBUTED = "Unattributed"


class _Writers(dict[datetime, Writer]):
    """What writes the documents of one `@timestamp`, made when it is asked for; the rest is the frame's."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.frame = frame

    def __missing__(self, start: datetime) -> Writer:
        at = replace(self.frame, bucket=Range(start, self.frame.bucket.end))
        writer = self[start] = at.writer(SpendDocument)
        return writer


def estimated_documents(
    rows: Iterable[tuple[Row, Estimate]], prices: Prices, frame: Frame
) -> Iterator[Prepared]:
    """Rows of usage whose day is not settled."""
    writers = _Writers(frame)
    for row, estimated in rows:
        yield _document(row, _estimated(estimated, prices), writers)


def billed_documents(
    hour: datetime, billed: BilledHour, rows: Iterable[Row], prices: Prices, frame: Frame
) -> Iterator[Prepared]:
    """An hour of the analytics reports: every row of its usage, and what no row can carry.

    A row that the reports do not have yet stays an estimate.
    """
    writers = _Writers(replace(frame, bucket=Range(hour, hour + HOUR)))
    for row in rows:
        share = billed.shares.get(row.used.id)
        yield _document(row, _of_report(row.used, share, prices), writers)
    for line in billed.unmatched:
        yield _unmatched(line, writers)


def _of_report(used: Used, share: BilledShare | None, prices: Prices) -> dict[str, Any]:
    if share is not None and share.has_cost:
        return {
            "basis": "billed",
            "requests": share.requests,
            **_tokens(used, 0, 0),
            **_money(share.amount, tuple(share.parts)),
            "list_usd": share.listed,
            "cache_saved_usd": saved_by_cache(used, tuple(share.parts), prices),
        }
    early = _estimated(estimate(used, prices), prices)
    if early["priority_tokens"] is not None:
        # Paid by a commitment: there is no bill to wait for.
        early |= {"basis": "billed", "price_source": None}
    return early | {"requests": None if share is None else share.requests}


def _estimated(estimated: Estimate, prices: Prices) -> dict[str, Any]:
    return {
        "basis": "estimated",
        "price_source": estimated.source,
        "blended": _blended(estimated.used, prices) or None,
        **_tokens(estimated.used, estimated.priority_tokens, estimated.unpriced_tokens),
        **_money(estimated.amount, estimated.parts),
        **_beside(estimated.used, estimated.amount, estimated.parts, prices),
    }


def allocated_documents(
    allocation: Allocation,
    rows: Mapping[str, Row],
    workspaces: Mapping[str, Shared],
    prices: Prices,
    frame: Frame,
) -> Iterator[Prepared]:
    """Every row of a settled day's usage by its `_id`, and what no row can carry.

    `workspaces` has the shared fields of each workspace on the bill.
    """
    writers = _Writers(frame)
    for share in allocation.shares:
        yield _document(rows[share.used.id], _allocated(share, prices), writers)
    for line in allocation.unattributed:
        yield _rest(line, workspaces.get(line.dimensions["workspace_id"] or "", {}), writers)


def _allocated(share: Share, prices: Prices) -> dict[str, Any]:
    return {
        "basis": "allocated",
        "blended": share.blended or _blended(share.used, prices) or None,
        **_tokens(share.used, share.priority_tokens, share.unpriced_tokens),
        **_money(share.amount, share.parts),
        **_beside(share.used, share.amount, share.parts, prices),
    }


def _document(row: Row, own: Values, writers: _Writers) -> Prepared:
    """A row's document has the `_id` that the row's own has in the usage stream: one each, in every stage."""
    spend = {**row.bucket, **row.used.dimensions, **own}
    return _prepared(row.used.id, row.used.start, {**row.shared, "spend": spend}, writers)


def _rest(line: Unattributed, shared: Shared, writers: _Writers) -> Prepared:
    frame = writers.frame
    dimensions = {"api_key_id": UNATTRIBUTED, "cost_type": line.cost_type, **line.dimensions}
    spend = {
        "bucket_start_time": frame.bucket.start,
        "bucket_end_time": frame.bucket.end,
        "bucket_width": "1d",
        "bucket_complete": True,
        "basis": "allocated",
        "total_tokens": 0,
        "output_tokens": 0,
        **dimensions,
        **_money(line.amount, line.parts),
    }
    anthropic = {
        **shared,
        "model": line.dimensions["model"],
        "api_key": {"id": UNATTRIBUTED, "name": UNATTRIBUTED},
        "spend": spend,
    }
    return _prepared(frame.identity(dimensions), frame.bucket.start, anthropic, writers)


def _unmatched(line: Unmatched, writers: _Writers) -> Prepared:
    """A row of the report by itself, in the frame of its hour; without a key it is `Unattributed`."""
    frame = writers.frame
    key = line.dimensions.get("api_key_id")
    known = {**line.dimensions, "api_key_id": key or UNATTRIBUTED}
    spend = {
        "bucket_start_time": frame.bucket.start,
        "bucket_end_time": frame.bucket.end,
        "bucket_width": "1h",
        "bucket_complete": True,
        "basis": "billed",
        "total_tokens": 0,
        "output_tokens": 0,
        **known,
        "cost_type": line.cost_type,
        **_money(line.amount, line.parts),
        "list_usd": line.listed,
    }
    anthropic = {**paid_fields(known, frame.names), "spend": spend}
    if key is None:
        anthropic["api_key"] = {"id": UNATTRIBUTED, "name": UNATTRIBUTED}
    identity = frame.identity({**known, "cost_type": line.cost_type or ""})
    return _prepared(identity, frame.bucket.start, anthropic, writers)


def _prepared(id_: str, start: datetime, anthropic: Values, writers: _Writers) -> Prepared:
    gen_ai = {"request": {"model": anthropic.get("model")}}
    return writers[start].write(id_, anthropic=anthropic, gen_ai=gen_ai)


def _tokens(used: Used, priority: int, unpriced: int) -> dict[str, int | None]:
    return {
        "total_tokens": used.counts.tokens,
        "output_tokens": used.counts.output,
        "priority_tokens": priority or None,
        "unpriced_tokens": unpriced or None,
    }


def _money(amount: Usd | None, parts: Parts) -> dict[str, Any]:
    """The amount and its parts; nothing where there is no amount."""
    if amount is None:
        return {}
    by_name = {f"{name}_usd": part for name, part in zip(PART_NAMES, parts, strict=True)}
    return {"amount_usd": amount, "amount_exact": usd_text(amount), **by_name}


def _beside(used: Used, amount: Usd | None, parts: Parts, prices: Prices) -> dict[str, Usd | None]:
    if amount is None:
        return {}
    return {
        "list_usd": at_list_price(used, prices),
        "cache_saved_usd": saved_by_cache(used, parts, prices),
    }


def _blended(used: Used, prices: Prices) -> bool:
    """Whether the model's price depends on something that usage cannot be split by."""
    return prices.listed.tiered(used.dimensions.get("model"), prices.day)

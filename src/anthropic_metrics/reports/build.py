"""Documents from report rows. Pure: the same rows, names and moment make the same documents."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context
from typing import Any

from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.documents.writing import Values
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE, MEANING_OF_NULL, Frame, paid_fields

# More digits than an amount can have: dividing it by a hundred rounds nothing.
EXACT = Context(prec=80)
# The parts of a description that the API parses out; they tell line items apart with it.
COST_DIMENSIONS = (
    "workspace_id",
    "description",
    "currency",
    "cost_type",
    "model",
    "token_type",
    "service_tier",
    "context_window",
    "inference_geo",
)


def usage_documents(frame: Frame, rows: Sequence[UsageRow]) -> list[Prepared]:
    """One document per row of a usage bucket."""
    bucket = {
        "bucket_start_time": frame.bucket.start,
        "bucket_end_time": frame.bucket.end,
        "bucket_width": frame.width,
        "bucket_complete": frame.complete,
    }

    def build(row: UsageRow) -> tuple[dict[str, str | None], Values, Values]:
        grouped = {name: getattr(row, name) for name in frame.group_by}
        dimensions = {name: value or MEANING_OF_NULL.get(name) for name, value in grouped.items()}
        numbers = _usage_numbers(row)
        anthropic = paid_fields(dimensions, frame.names) | {"usage": bucket | dimensions | numbers}
        gen_ai = {
            "request": {"model": dimensions.get("model")},
            "usage": {"input_tokens": numbers["input_tokens"], "output_tokens": row.output_tokens},
        }
        return grouped, anthropic, gen_ai

    return frame.prepared(UsageDocument, map(build, rows))


def is_usd(currency: str) -> bool:
    """Whether an amount is in US dollars, in which budgets and rules count."""
    return currency.strip().upper() == "USD"


def cost_documents(frame: Frame, rows: Sequence[CostRow]) -> list[Prepared]:
    """One document per line item of a cost day."""

    def build(row: CostRow) -> tuple[dict[str, str | None], Values, Values]:
        grouped = {name: getattr(row, name) for name in COST_DIMENSIONS}
        dimensions = grouped | {"workspace_id": grouped["workspace_id"] or DEFAULT_WORKSPACE}
        anthropic = paid_fields(dimensions, frame.names) | {
            "cost": {
                "bucket_start_time": frame.bucket.start,
                "bucket_end_time": frame.bucket.end,
                "amount": row.amount,
                "amount_usd": row.amount.scaleb(-2, EXACT) if is_usd(row.currency) else None,
                "amount_exact": row.amount_text,
                **dimensions,
            }
        }
        return grouped, anthropic, {"request": {"model": row.model}}

    return frame.prepared(CostDocument, map(build, rows))


def _usage_numbers(row: UsageRow) -> dict[str, Any]:
    short = row.cache_creation.ephemeral_5m_input_tokens
    long = row.cache_creation.ephemeral_1h_input_tokens
    # Lifetimes that this version does not know count in the sums all the same.
    created = short + long + row.cache_creation.other_input_tokens
    input_tokens = row.uncached_input_tokens + row.cache_read_input_tokens + created
    return {
        "uncached_input_tokens": row.uncached_input_tokens,
        "cached_input_tokens": row.cache_read_input_tokens,
        "cache_creation_input_tokens": created,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": row.output_tokens,
        "server_tool_use": {"web_search_requests": row.server_tool_use.web_search_requests},
        "input_tokens": input_tokens,
        "total_tokens": input_tokens + row.output_tokens,
    }

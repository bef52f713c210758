"""Documents from report rows. Pure: the same rows, names and moment make the same documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Context
from operator import attrgetter
from typing import Any

from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.forms import Form, marks, texts
from anthropic_metrics.documents.identity import Prepared, named
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.documents.writing import Values, form_of
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.kernel.frame import (
    DEFAULT_WORKSPACE,
    MEANING_OF_NULL,
    Dimensions,
    Frame,
    paid_fields,
    told_apart,
)
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.redaction import redact

# About 1 kB each.
MOST_FORMS = 8_192
# What stands in a form for the bucket's values and for the figures.
_BUCKET, _FIGURES = marks(4), marks(11, first=4)
Forms = dict[tuple[str | None, ...], tuple[bytes, Form]]

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
    writer, identities = frame.writer(UsageDocument), frame.identities
    bucket = texts(*_bucket(frame).values())
    forms, dimensions_of = _forms(frame), _dimensions(frame.group_by)

    def written() -> Iterator[tuple[bytes, Prepared]]:
        for row in rows:
            dimensions = dimensions_of(row)
            name, form = forms.get(dimensions) or _form(frame, dimensions, forms)
            yield name, writer.fill(identities.of(name), form, bucket + _figures(row))

    return told_apart(identities, written())


def usage_content(
    grouped: Dimensions, names: Names, bucket: Mapping[str, Any], figures: Sequence[int]
) -> dict[str, Values]:
    """`anthropic` and `gen_ai` of a usage row with these dimensions, values of its bucket and figures."""
    dimensions = {name: value or MEANING_OF_NULL.get(name) for name, value in grouped.items()}
    uncached, cached, created, short, long, output, searches, input_tokens, total, *again = figures
    usage = {
        "uncached_input_tokens": uncached,
        "cached_input_tokens": cached,
        "cache_creation_input_tokens": created,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": searches},
        "input_tokens": input_tokens,
        "total_tokens": total,
    }
    return {
        "anthropic": paid_fields(dimensions, names) | {"usage": {**bucket, **dimensions, **usage}},
        "gen_ai": {
            "request": {"model": dimensions.get("model")},
            "usage": dict(zip(("input_tokens", "output_tokens"), again, strict=True)),
        },
    }


def _figures(row: UsageRow) -> tuple[int, ...]:
    """The figures of a row in the order in which its document shows them."""
    creation, output = row.cache_creation, row.output_tokens
    short, long = creation.ephemeral_5m_input_tokens, creation.ephemeral_1h_input_tokens
    # Lifetimes that this version does not know count in the sums all the same.
    created = short + long + creation.other_input_tokens
    uncached, cached = row.uncached_input_tokens, row.cache_read_input_tokens
    taken = uncached + cached + created
    searches = row.server_tool_use.web_search_requests
    return uncached, cached, created, short, long, output, searches, taken, taken + output, taken, output


def _bucket(frame: Frame) -> dict[str, Any]:
    return {
        "bucket_start_time": frame.bucket.start,
        "bucket_end_time": frame.bucket.end,
        "bucket_width": frame.width,
        "bucket_complete": frame.complete,
    }


def _forms(frame: Frame) -> Forms:
    """What is kept of rows' dimensions, while names and secrets stay the same."""
    forms: Forms = frame.names.written.setdefault(("usage", frame.group_by, redact.version), {})
    return forms


def _form(frame: Frame, dimensions: tuple[str | None, ...], forms: Forms) -> tuple[bytes, Form]:
    """The dimensions as an id reads them, and the document's form for them."""
    if len(forms) >= MOST_FORMS:
        forms.clear()
    grouped = dict(zip(frame.group_by, dimensions, strict=True))
    stands = dict(zip(_bucket(frame), _BUCKET, strict=True))
    content = usage_content(grouped, frame.names, stands, _FIGURES)
    form = forms[dimensions] = named(grouped), form_of(UsageDocument, _BUCKET, _FIGURES, **content)
    return form


def _dimensions(names: tuple[str, ...]) -> Callable[[UsageRow], tuple[str | None, ...]]:
    """What reads these dimensions off a row."""
    return attrgetter(*names) if len(names) > 1 else lambda row: tuple(getattr(row, name) for name in names)


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

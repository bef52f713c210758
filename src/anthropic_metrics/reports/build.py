"""Documents from report rows. Pure: the same rows, names and moment make the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from anthropic_metrics.admin_api.pages import Bucket
from anthropic_metrics.admin_api.replies import CostRow, RateLimitGroup, UsageRow
from anthropic_metrics.documents.base import DataStream, Event, Organization
from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.documents.rate_limit import KNOWN_LIMITS, RateLimitDocument
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.reports.names import Names

if TYPE_CHECKING:
    from anthropic_metrics.reports.views import View

# What a null in a grouped field stands for (Admin API reference).
DEFAULT_WORKSPACE = "Default"
CONSOLE = "Console"
MEANING_OF_NULL = {"workspace_id": DEFAULT_WORKSPACE, "api_key_id": CONSOLE}
# "Data usually appear within 5 minutes of a request's end."
DOCUMENTED_LAG = timedelta(minutes=5)

USAGE_NUMBERS = (
    "anthropic.usage.uncached_input_tokens",
    "anthropic.usage.cached_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "anthropic.usage.output_tokens",
    "anthropic.usage.server_tool_use.web_search_requests",
)
COST_NUMBERS = ("anthropic.cost.amount",)
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


def usage_documents(
    view: View, bucket: Bucket, rows: Sequence[UsageRow], names: Names, now: datetime
) -> list[Prepared]:
    """One document per row of a usage bucket."""
    common = envelope(view.dataset, view.namespace, bucket.start, names, now)
    frame = {
        "bucket_start_time": bucket.start,
        "bucket_end_time": bucket.end,
        "bucket_width": view.width,
        "bucket_complete": now >= bucket.end + DOCUMENTED_LAG,
    }

    def build(row: UsageRow) -> tuple[dict[str, str | None], UsageDocument]:
        asked = {name: getattr(row, name) for name in view.group_by}
        dimensions = {name: value or MEANING_OF_NULL.get(name) for name, value in asked.items()}
        numbers = _usage_numbers(row)
        anthropic = _shared(dimensions, names) | {"usage": frame | dimensions | numbers}
        gen_ai = {
            "request": {"model": dimensions.get("model")},
            "usage": {"input_tokens": numbers["input_tokens"], "output_tokens": row.output_tokens},
        }
        return asked, UsageDocument.model_validate({**common, "anthropic": anthropic, "gen_ai": gen_ai})

    return _prepared(view.dataset, bucket, names, (build(row) for row in rows))


def cost_documents(
    view: View, bucket: Bucket, rows: Sequence[CostRow], names: Names, now: datetime
) -> list[Prepared]:
    """One document per line item of a cost day."""
    common = envelope(view.dataset, view.namespace, bucket.start, names, now)

    def build(row: CostRow) -> tuple[dict[str, str | None], CostDocument]:
        asked = {name: getattr(row, name) for name in COST_DIMENSIONS}
        dimensions = asked | {"workspace_id": asked["workspace_id"] or DEFAULT_WORKSPACE}
        anthropic = _shared(dimensions, names) | {
            "cost": {
                "bucket_start_time": bucket.start,
                "bucket_end_time": bucket.end,
                "amount": float(row.amount),
                "amount_usd": float(row.amount / Decimal(100)) if row.currency == "USD" else None,
                "amount_exact": row.amount_text,
                **dimensions,
            }
        }
        gen_ai = {"request": {"model": row.model}}
        return asked, CostDocument.model_validate({**common, "anthropic": anthropic, "gen_ai": gen_ai})

    return _prepared(view.dataset, bucket, names, (build(row) for row in rows))


def rate_limit_documents(
    dataset: str,
    namespace: str,
    groups: Iterable[RateLimitGroup],
    names: Names,
    slot: datetime,
    now: datetime,
) -> list[Prepared]:
    """One document per limit group at the poll of `slot`, the poll's time snapped to its interval.

    The slot, not the second, is part of the identity: two agents and a repeated poll keep one document.
    """
    bucket = Bucket(start=slot, end=slot, rows=[])
    common = envelope(dataset, namespace, slot, names, now, category="configuration")

    def build(group: RateLimitGroup) -> tuple[dict[str, str | None], RateLimitDocument]:
        models = list(group.models or [])
        scope = "workspace" if group.workspace_id else "organization"
        limits = {limit.type: limit.value for limit in group.limits if limit.type in KNOWN_LIMITS}
        anthropic = workspace_fields(group.workspace_id, names) | {
            "model": models or None,
            "rate_limit": {
                "type": group.type,
                "scope": scope,
                "workspace_id": group.workspace_id,
                "group_id": group.group_id,
                "group_type": group.group_type,
                "group_name": group.group_name or (", ".join(models) or group.group_type),
                "models": models or None,
                "limits": [
                    {
                        "type": limit.type,
                        "value": limit.value,
                        "organization_value": limit.organization_value,
                        "source": limit.source,
                    }
                    for limit in group.limits
                ],
                **limits,
            },
        }
        asked = {
            "scope": scope,
            "workspace_id": group.workspace_id,
            "group": group.group_id or f"{group.group_type}:{','.join(sorted(models))}",
        }
        return asked, RateLimitDocument.model_validate({**common, "anthropic": anthropic, "gen_ai": {}})

    return _prepared(dataset, bucket, names, (build(group) for group in groups))


def _prepared(
    dataset: str,
    bucket: Bucket,
    names: Names,
    built: Iterable[tuple[dict[str, str | None], UsageDocument | CostDocument | RateLimitDocument]],
) -> list[Prepared]:
    """Identities for a bucket's documents; dimensions that come twice are told apart by an ordinal.

    Twins are ordered by what they say, so that the order of rows in an answer does not matter.
    """
    alike: dict[str, list[tuple[dict[str, str | None], Prepared]]] = {}
    for asked, document in built:
        identity = document_id(names.organization_id, dataset, bucket.start, asked)
        alike.setdefault(identity, []).append((asked, prepare(identity, document)))
    prepared = []
    for twins in alike.values():
        if len(twins) > 1:
            twins.sort(key=lambda twin: twin[1].hash)
        prepared.append(twins[0][1])
        for ordinal, (asked, twin) in enumerate(twins[1:], start=1):
            own = document_id(names.organization_id, dataset, bucket.start, asked, ordinal)
            prepared.append(replace(twin, id=own))
    return prepared


def _usage_numbers(row: UsageRow) -> dict[str, Any]:
    short = row.cache_creation.ephemeral_5m_input_tokens
    long = row.cache_creation.ephemeral_1h_input_tokens
    given = row.uncached_input_tokens + row.cache_read_input_tokens + short + long
    return {
        "uncached_input_tokens": row.uncached_input_tokens,
        "cached_input_tokens": row.cache_read_input_tokens,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": row.output_tokens,
        "server_tool_use": {"web_search_requests": row.server_tool_use.web_search_requests},
        "input_tokens": given,
        "total_tokens": given + row.output_tokens,
    }


def envelope(
    dataset: str, namespace: str, timestamp: datetime, names: Names, now: datetime, category: str = "api"
) -> dict[str, Any]:
    """What the documents of one bucket have in common, validated once."""
    return {
        "timestamp": timestamp,
        "data_stream": DataStream(dataset=dataset, namespace=namespace),
        "event": Event(dataset=dataset, category=[category], created=now),
        "organization": Organization(id=names.organization_id, name=names.organization_name),
    }


def _shared(dimensions: Mapping[str, str | None], names: Names) -> dict[str, Any]:
    """The fields that every stream has, from whichever of them were grouped by."""
    shared: dict[str, Any] = {"model": dimensions.get("model")}
    shared |= workspace_fields(dimensions.get("workspace_id"), names)
    if key := dimensions.get("api_key_id"):
        shared["api_key"] = {"id": key, "name": CONSOLE if key == CONSOLE else names.api_keys.get(key)}
    return shared


def workspace_fields(workspace_id: str | None, names: Names) -> dict[str, Any]:
    if workspace_id is None:
        return {}
    if workspace_id == DEFAULT_WORKSPACE:
        return {"workspace": {"id": DEFAULT_WORKSPACE, "name": DEFAULT_WORKSPACE}}
    named = names.workspaces.get(workspace_id)
    if named is None:
        return {"workspace": {"id": workspace_id}}
    return {"workspace": {"id": workspace_id, "name": named.name, "tags": dict(named.tags) or None}}

"""The analytics reports of a large organization, answered in this process, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from pydantic_core import to_json

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import UsageRow
from anthropic_metrics.admin_api.rows import COST_PATH
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.spend.rows import TOKEN_TYPES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CENTS_PER_MILLION: Mapping[str, int] = dict(zip(TOKEN_TYPES, (400, 20, 500, 800, 2000), strict=True))
PAGE = 1000

Rows = Callable[[datetime], Sequence[UsageRow]]


class Reports:
    """`rows` gives the rows of usage of an hour; the reports are made of them, at the same prices.

    The pages of one answer are cut from one computation of it.
    """

    def __init__(self, rows: Rows, loaded: datetime) -> None:
        self._rows = rows
        self._loaded = loaded
        self._answered: dict[str, tuple[object, list[dict[str, Any]]]] = {}
        self.requests = 0
        self.bytes = 0

    def client(self) -> AdminClient:
        """A client without a network; reading and parsing are what they are."""
        settings = AnthropicSettings.model_validate(
            {
                "base_url": "http://admin.bench",
                "admin_key": "sk-ant-admin01-bench",
                "requests_per_minute": 60_000,
            }
        )
        return AdminClient(settings, transport=httpx.MockTransport(self._answer), sleep=lambda _: None)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        start, end = (datetime.fromisoformat(params[name]) for name in ("starting_at", "ending_at"))
        width = DAY if params["time_bucket_width"] == "1d" else HOUR
        asked = start, min(end, self._loaded), width, tuple(params.get_list("group_by[]"))
        before, groups = self._answered.get(request.url.path, (None, []))
        if before != asked:
            groups = self._groups(*asked)
            self._answered[request.url.path] = asked, groups
        begin = int(params.get("page", 0))
        more = begin + PAGE < len(groups)
        is_cost = request.url.path == COST_PATH
        data = [item for group in groups[begin : begin + PAGE] for item in _items(group, is_cost=is_cost)]
        body = to_json(
            {
                "data": data,
                "has_more": more,
                "next_page": str(begin + PAGE) if more else None,
                "data_refreshed_at": self._loaded.isoformat(),
            }
        )
        self.requests += 1
        self.bytes += len(body)
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    def _groups(
        self, start: datetime, end: datetime, width: timedelta, names: Sequence[str]
    ) -> list[dict[str, Any]]:
        found = []
        while start < end:
            parts: dict[Any, list[UsageRow]] = {}
            for number in range(width // HOUR):
                for row in self._rows(start + number * HOUR):
                    key = tuple(getattr(row, name, None) for name in names)
                    parts.setdefault(key, []).append(row)
            times = {"start": start, "end": start + width, "names": names}
            found += [{**times, "rows": part} for part in parts.values()]
            start += width
        return found


def _items(group: Mapping[str, Any], *, is_cost: bool) -> list[dict[str, Any]]:
    rows: list[UsageRow] = group["rows"]
    names: Sequence[str] = group["names"]
    start: datetime = group["start"]
    times = {"starting_at": start.isoformat(), "ending_at": group["end"].isoformat()}
    asked = {name: getattr(rows[0], name) for name in names if name not in ("cost_type", "token_type")}
    counts = {
        kind: sum(getattr(row, kind) for row in rows)
        for kind in ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")
    }
    if not is_cost:
        return [{**times, "group": asked, "usage": _usage(counts)}]
    cents = {kind: Decimal(count * CENTS_PER_MILLION[kind]).scaleb(-6) for kind, count in counts.items()}
    if "token_type" in names:
        return [
            {**times, "group": {**asked, "cost_type": "tokens", "token_type": kind}, "cost": _money(amount)}
            for kind, amount in cents.items()
        ]
    return [{**times, "group": asked, "cost": _money(sum(cents.values(), Decimal(0)))}]


def _money(cents: Decimal) -> dict[str, Any]:
    return {
        "amount": format(cents, "f"),
        "list_amount": format(cents, "f"),
        "currency": "USD",
        "requests": None,
    }


def _usage(counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        **counts,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 0},
        "total_tokens": sum(counts.values()),
        "requests": 1 + sum(counts.values()) // 20_000,
    }

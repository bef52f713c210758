"""The analytics reports of a large organization, answered page by page by a server in a process of its own.

Run as `python -m bench.spend_reports 300 12` (workspaces and models); the URL is the first line of the
output, and the server ends with its standard input.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic_core import to_json

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import UsageRow
from anthropic_metrics.admin_api.rows import COST_PATH
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.spend.rows import TOKEN_TYPES
from bench.canned import Handler, serve
from bench.headroom_sample import Sample, Sizes

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.fromisoformat("2026-11-20T00:10:00+00:00")
LOADED = NOW.replace(minute=0)
CENTS_PER_MILLION: Mapping[str, int] = dict(zip(TOKEN_TYPES, (400, 20, 500, 800, 2000), strict=True))
PAGE = 1000


class Use:
    """What an organization used: a row for every combination at work in an hour, the same each time."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._zeros = sample.rows()

    def rows(self, start: datetime) -> Iterator[UsageRow]:
        """Those of the hour."""
        rng = random.Random(int(start.timestamp()))
        for place in self._sample.at_work(start):
            yield self._zeros[place].model_copy(
                update={
                    "uncached_input_tokens": 1 + rng.randrange(200_000),
                    "cache_read_input_tokens": 1 + rng.randrange(2_000_000),
                    "output_tokens": 1 + rng.randrange(50_000),
                }
            )


class Counting(httpx.HTTPTransport):
    """Counts requests and the bytes of their answers."""

    requests = 0
    bytes = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        self.requests += 1
        self.bytes += int(response.headers["content-length"])
        return response


def client(url: str, transport: httpx.BaseTransport) -> AdminClient:
    """A client that waits for nothing."""
    settings = AnthropicSettings.model_validate(
        {"base_url": url, "admin_key": "sk-ant-admin01-bench", "requests_per_minute": 60_000}
    )
    return AdminClient(settings, transport=transport, sleep=lambda _: None)


class Reports(Handler):
    """Both reports, made of usage at the bill's prices; an answer is computed once for its pages."""

    use: Use
    answered: dict[str, tuple[object, list[dict[str, Any]]]]

    def answer(self, path: str, body: bytes) -> list[bytes]:
        asked = urlsplit(path)
        params = parse_qs(asked.query)
        start, end = (datetime.fromisoformat(params[name][0]) for name in ("starting_at", "ending_at"))
        width = DAY if params["time_bucket_width"] == ["1d"] else HOUR
        question = start, min(end, LOADED), width, tuple(params.get("group_by[]", ()))
        before, groups = self.answered.get(asked.path, (None, []))
        if before != question:
            groups = self._groups(*question)
            self.answered[asked.path] = question, groups
        begin = int(params.get("page", ["0"])[0])
        more = begin + PAGE < len(groups)
        is_cost = asked.path == COST_PATH
        return [
            to_json(
                {
                    "data": [
                        item
                        for group in groups[begin : begin + PAGE]
                        for item in _items(group, is_cost=is_cost)
                    ],
                    "has_more": more,
                    "next_page": str(begin + PAGE) if more else None,
                    "data_refreshed_at": LOADED.isoformat(),
                }
            )
        ]

    def _groups(
        self, start: datetime, end: datetime, width: timedelta, names: Sequence[str]
    ) -> list[dict[str, Any]]:
        found = []
        while start < end:
            parts: dict[Any, list[UsageRow]] = {}
            for number in range(width // HOUR):
                for row in self.use.rows(start + number * HOUR):
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


def main(workspaces: str, models: str) -> None:
    Reports.use, Reports.answered = Use(Sample(Sizes(int(workspaces), int(models), 0, 0))), {}
    serve(Reports)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Answers of the Admin API in pages: buckets of one report, and the query that asks for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from anthropic_metrics.admin_api.pages import BucketQuery

PATH = "/v1/organizations/usage_report/messages"
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUERY = BucketQuery(PATH, START, START + 6 * HOUR, "1h", 3, group_by=("model",))


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def bucket(hour: float, *rows: Any, width: timedelta = HOUR) -> dict[str, Any]:
    start = START + hour * HOUR
    return {"starting_at": text(start), "ending_at": text(start + width), "results": list(rows)}


def page(*buckets: Any, following: str | None = None, **other: Any) -> httpx.Response:
    body = {"data": list(buckets), "has_more": following is not None, "next_page": following}
    return httpx.Response(200, json=body | other)

"""The reader of the analytics reports: pages of rows, put together to buckets; equal groups are one row.

A page is rows and not buckets: a bucket may be split over pages, and one without usage has no row at all. So
the grid is laid here, and a bucket that vanished whole comes as an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pacing import Priority
from anthropic_metrics.admin_api.pages import Params, broken, instant, read_entries
from anthropic_metrics.admin_api.replies import CacheCreation, ServerToolUse
from anthropic_metrics.admin_api.reply import (
    AmountText,
    Count,
    Currency,
    Object,
    Reply,
    parse_row,
)
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import WIDTHS, Width, iso

__all__ = ["CostItem", "Group", "Item", "Money", "RowBucket", "RowQuery", "UsageItem", "Use", "read_rows"]

BETA = ("anthropic-beta", "analytics-usage-cost-2026-08-24")
USAGE_PATH = "/v1/organizations/analytics/usage"
COST_PATH = "/v1/organizations/analytics/cost"
MOST_ROWS = 1000
_EXACT = Context(prec=200, traps=[Inexact])


class Group(Reply):
    """What a row is grouped by. None: not asked for, or the null group; the query tells which."""

    workspace_id: str | None = None
    api_key_id: str | None = None
    actor: Object = None
    actor_type: str | None = None
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    product: str | None = None
    organization_id: str | None = None
    user_profile_id: str | None = None
    rbac_group_id: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    deployment_id: str | None = None
    environment_id: str | None = None
    claude_tag_category: str | None = None
    claude_tag_user_id: str | None = None
    slack_channel_id: str | None = None
    cost_type: str | None = None
    token_type: str | None = None

    def key(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """What tells rows of one bucket apart in a query grouped by `names`."""
        return tuple(repr(getattr(self, name)) for name in names)


class Money(Reply):
    """Amounts in cents as text: after discounts, and before."""

    amount: AmountText
    list_amount: AmountText
    currency: Currency
    requests: Annotated[int | None, Field(strict=True, ge=0)] = None


class Use(Reply):
    """Tokens of a group, and how many requests they were."""

    nested = ("cache_creation", "server_tool_use")

    uncached_input_tokens: Count
    cache_read_input_tokens: Count
    cache_creation: CacheCreation
    output_tokens: Count
    server_tool_use: ServerToolUse
    total_tokens: Count
    requests: Annotated[int | None, Field(strict=True, ge=0)] = None


class Item(Reply):
    """A row of either report."""

    nested: ClassVar[tuple[str, ...]] = ("group",)

    starting_at: str
    ending_at: str
    group: Group

    def plus(self, other: Self) -> Self:
        """Both rows, which have equal groups, as one."""
        raise NotImplementedError


class CostItem(Item):
    """A row of the cost analytics report."""

    nested = ("group", "cost")

    cost: Money

    def plus(self, other: CostItem) -> CostItem:
        one, two = self.cost, other.cost
        summed = {
            "amount": _sum(one.amount, two.amount),
            "list_amount": _sum(one.list_amount, two.list_amount),
            "requests": _count(one.requests, two.requests),
        }
        return self.model_copy(update={"cost": one.model_copy(update=summed)})


class UsageItem(Item):
    """A row of the usage analytics report."""

    nested = ("group", "usage")

    usage: Use

    def plus(self, other: UsageItem) -> UsageItem:
        one, two = self.usage, other.usage
        numbers = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens", "total_tokens")
        summed: dict[str, Any] = {name: getattr(one, name) + getattr(two, name) for name in numbers}
        summed["requests"] = _count(one.requests, two.requests)
        for part, names in (
            ("cache_creation", ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")),
            ("server_tool_use", ("web_search_requests",)),
        ):
            a, b = getattr(one, part), getattr(two, part)
            summed[part] = a.model_copy(update={name: getattr(a, name) + getattr(b, name) for name in names})
        return self.model_copy(update={"usage": one.model_copy(update=summed)})


AnItem = TypeVar("AnItem", bound=Item)


@dataclass(frozen=True, slots=True)
class RowQuery(Generic[AnItem]):
    """One question to a report by rows. `start` and `end` are aware and lie on the width's grid (UTC)."""

    path: str
    item: type[AnItem]
    start: datetime
    end: datetime
    width: Width
    group_by: tuple[str, ...] = ()
    filters: Params = ()

    def params(self) -> Params:
        """The query parameters, without the page token. Page tokens are bound to exactly these."""
        return (
            ("starting_at", iso(self.start, "seconds")),
            ("ending_at", iso(self.end, "seconds")),
            ("time_bucket_width", self.width),
            ("order_by", "time"),
            ("order", "asc"),
            ("limit", str(MOST_ROWS)),
            *(("group_by[]", dimension) for dimension in self.group_by),
            *self.filters,
        )


@dataclass(slots=True)
class RowBucket(Generic[AnItem]):
    """One interval, [start, end) in UTC, with its rows; `refreshed_at`: until when its page's data is loaded,
    None where that is not said."""

    start: datetime
    end: datetime
    rows: list[AnItem]
    refreshed_at: datetime | None


def read_rows(
    client: AdminClient,
    query: RowQuery[AnItem],
    problems: Problems,
    *,
    priority: Priority = Priority.LIVE,
    on_page: Callable[[], object] | None = None,
) -> Iterator[RowBucket[AnItem]]:
    """Every bucket of the range, ascending, also those without a row. Rows with equal groups are summed.

    With a parent organization's key only its own rows are asked for, none of its child organizations. A row
    that cannot be read is counted in `problems`. Raises BrokenContract when the answer contradicts
    itself and whatever `AdminClient.get` raises: what was yielded until then is not the whole range.
    """
    step = WIDTHS[query.width]
    refreshed: datetime | None = None

    def on_body(body: dict[str, Any]) -> None:
        nonlocal refreshed
        refreshed = _refreshed(body, query.path)
        if on_page:
            on_page()

    begin, groups = query.start, dict[tuple[str, ...], AnItem]()
    own = () if client.asked_for is None else (("organization_ids[]", client.asked_for),)
    entries = read_entries(client, query.path, (*query.params(), *own), (BETA,), priority, on_body)
    for number, entry in enumerate(entries):
        start = _bucket(entry, query)
        if start < begin:
            raise broken(query.path, f"a row of {iso(start, 'seconds')} came out of order")
        while begin < start:
            yield RowBucket(begin, begin + step, list(groups.values()), refreshed)
            begin, groups = begin + step, {}
        row = parse_row(query.item, entry, f"{query.path} row {number}", problems)
        if row is not None:
            problems.unknown(row.unknown_fields())
            key = row.group.key(query.group_by)
            groups[key] = groups[key].plus(row) if key in groups else row
    while begin < query.end:
        yield RowBucket(begin, begin + step, list(groups.values()), refreshed)
        begin, groups = begin + step, {}


def _bucket(entry: Any, query: RowQuery[Any]) -> datetime:
    """The start of a row's bucket, which lies in the requested range and on the grid."""
    try:
        start, end = instant(entry["starting_at"]), instant(entry["ending_at"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise broken(query.path, "an entry that is not a row (starting_at, ending_at, group)") from None
    step = WIDTHS[query.width]
    # The open bucket may be told as far as it has got.
    is_whole = start.timestamp() % step.total_seconds() == 0 and start < end <= start + step
    if not (is_whole and query.start <= start < query.end):
        where = f"{iso(start, 'seconds')} to {iso(end, 'seconds')}"
        raise broken(query.path, f"a row of {where} is not a bucket of {query.width} in the requested range")
    return start


def _refreshed(body: dict[str, Any], path: str) -> datetime | None:
    said = body.get("data_refreshed_at")
    try:
        return None if said is None else instant(said)
    except (TypeError, ValueError, OverflowError):
        raise broken(path, "an unreadable data_refreshed_at") from None


def _sum(one: str, two: str) -> str:
    return format(_EXACT.add(Decimal(one), Decimal(two)), "f")


def _count(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two

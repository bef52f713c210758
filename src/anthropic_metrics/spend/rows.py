"""The two inputs of every dollar figure: a row of usage and a line of the bill, from any report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.spend.money import Usd, usd_from_cents

DEFAULT_WORKSPACE = "Default"
CONSOLE = "Console"
# The classic cost report bills these two; Priority Tier is a commitment, flex is in neither line.
BILLED_TIERS = ("standard", "batch")
PRIORITY_TIERS = ("priority", "priority_on_demand")
# The dimensions that the bill and usage share. `speed` stands in the bill's description only.
BILLED_DIMENSIONS = ("workspace_id", "model", "service_tier", "context_window", "inference_geo")
UNKNOWN_GEO = "not_available"
TOKENS = "tokens"
WEB_SEARCH = "web_search"


class Counts(NamedTuple):
    """What a row used: five kinds of tokens, and web searches. The order is that of `Parts`."""

    uncached_input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    web_search: int = 0

    @property
    def tokens(self) -> int:
        """All tokens."""
        return sum(self[:5])


# The bill's token types in the order of `Counts`.
TOKEN_TYPES = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "output_tokens",
)
SEARCHES = len(TOKEN_TYPES)  # the place of web searches
OTHER = SEARCHES + 1  # the place of what is neither tokens nor web searches
PART_NAMES = (*Counts._fields, "other")


@dataclass(frozen=True, slots=True)
class Used:
    """A row of usage. `dimensions` are those it was grouped by; null workspaces and keys have their names.

    `id` tells rows apart that are alike in everything else; it is the `_id` of the row's document.
    """

    start: datetime
    dimensions: Mapping[str, str | None]
    counts: Counts
    id: str = ""

    @property
    def tier(self) -> str | None:
        return self.dimensions.get("service_tier")


@dataclass(frozen=True, slots=True)
class Billed:
    """A line of one UTC day's bill, in exact dollars."""

    day: date
    workspace_id: str
    amount: Usd
    cost_type: str | None = None
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    description: str | None = None


def used(row: UsageRow, start: datetime, group_by: tuple[str, ...]) -> Used:
    """A row of the usage report's bucket that begins at `start`, as the query's `group_by` reads it."""
    grouped = {name: getattr(row, name) for name in group_by}
    for name, meaning in (("workspace_id", DEFAULT_WORKSPACE), ("api_key_id", CONSOLE)):
        if name in grouped:
            grouped[name] = grouped[name] or meaning
    counts = Counts(
        row.uncached_input_tokens,
        row.cache_read_input_tokens,
        row.cache_creation.ephemeral_5m_input_tokens,
        row.cache_creation.ephemeral_1h_input_tokens,
        row.output_tokens,
        row.server_tool_use.web_search_requests,
    )
    return Used(start, grouped, counts)


def billed(row: CostRow, start: datetime) -> Billed | None:
    """A line of the cost report's day that begins at `start`; None if it is not in US dollars."""
    if not is_usd(row.currency):
        return None
    return Billed(
        start.astimezone(UTC).date(),
        row.workspace_id or DEFAULT_WORKSPACE,
        usd_from_cents(row.amount),
        row.cost_type,
        row.model,
        row.token_type,
        row.service_tier,
        row.context_window,
        row.inference_geo,
        row.description,
    )

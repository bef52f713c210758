"""What spend is made of, read from our own streams: usage by the hour, and the bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from anthropic_metrics.kernel.currency import USD_SPELLINGS, is_usd
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions, State
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.learn import PRICED_DIMENSIONS, DayPrices, cell_of
from anthropic_metrics.spend.money import usd_from_cents
from anthropic_metrics.spend.rows import Billed, Counts, Used
from anthropic_metrics.spend.settle import day_of, day_start

HOUR = timedelta(hours=1)
_USAGE, _COST = "anthropic.usage", "anthropic.cost"
_COUNTS = (
    "uncached_input_tokens",
    "cached_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "output_tokens",
    "server_tool_use.web_search_requests",
)
# Beside its own figures a row of spend shows what the row of usage or of the bill does.
_SHARED = ("model", "workspace", "api_key", "team")
_BUCKET = ("bucket_start_time", "bucket_end_time", "bucket_width", "bucket_complete")
_BILL = (
    "amount_exact",
    "currency",
    "workspace_id",
    "cost_type",
    "token_type",
    "description",
    *PRICED_DIMENSIONS,
)

Shared = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of usage with what its document shows: the bucket, and the shared `anthropic.*` fields."""

    used: Used
    bucket: Mapping[str, Any]
    shared: Shared


@dataclass(frozen=True)
class Inputs:
    """The usage and cost streams of one organization; `terms` keep to the workspaces that are collected.

    Rows that the API no longer reports are left out at once, before their deletion is confirmed.
    """

    ask: Questions
    usage: str
    cost: str
    organization_id: str
    group_by: tuple[str, ...]
    terms: Terms

    def usage_states(self, time_range: Range) -> dict[datetime, State]:
        """The state of each hour with usage."""
        return self.ask.states(self.usage, self.organization_id, time_range, HOUR, terms=self.terms)

    def cost_states(self, time_range: Range) -> dict[date, State]:
        """The state of each UTC day with a bill in US dollars: one in another currency settles nothing."""
        terms = {**self.terms, f"{_COST}.currency": USD_SPELLINGS}
        states = self.ask.states(self.cost, self.organization_id, time_range, DAY, terms=terms)
        return {day_of(start): state for start, state in states.items()}

    def rows(self, time_range: Range) -> Iterator[Row]:
        """The rows of usage in the range."""
        names = (*_BUCKET, *_COUNTS, *self.group_by)
        fields = [*(f"anthropic.{name}" for name in _SHARED), *(f"{_USAGE}.{name}" for name in names)]
        for id_, source in self.ask.documents(
            self.usage, self.organization_id, time_range, fields, terms=self.terms
        ):
            anthropic = source["anthropic"]
            usage = anthropic["usage"]
            counts = Counts(*(_at(usage, name) for name in _COUNTS))
            start = datetime.fromisoformat(usage["bucket_start_time"])
            dimensions = {name: usage.get(name) for name in self.group_by}
            bucket = {name: usage[name] for name in _BUCKET} | {
                "bucket_start_time": start,
                "bucket_end_time": datetime.fromisoformat(usage["bucket_end_time"]),
            }
            yield Row(Used(start, dimensions, counts, id_), bucket, _shared(anthropic))

    def bill(self, time_range: Range) -> Iterator[tuple[Billed, Shared]]:
        """The lines of the bill in the range with their shared fields; those in US dollars.

        Around a rollover two backing indices can hold the same line for a moment: it counts once.
        """
        seen: set[str] = set()
        fields = [*(f"anthropic.{name}" for name in _SHARED), *(f"{_COST}.{name}" for name in _BILL)]
        for id_, source in self.ask.documents(
            self.cost, self.organization_id, time_range, [*fields, "@timestamp"], terms=self.terms
        ):
            anthropic = source["anthropic"]
            cost = anthropic["cost"]
            if not is_usd(cost["currency"]) or id_ in seen:
                continue
            seen.add(id_)
            line = Billed(
                day_of(datetime.fromisoformat(source["@timestamp"])),
                cost.get("workspace_id") or DEFAULT_WORKSPACE,
                usd_from_cents(Decimal(cost["amount_exact"])),
                cost.get("cost_type"),
                cost.get("model"),
                cost.get("token_type"),
                cost.get("service_tier"),
                cost.get("context_window"),
                cost.get("inference_geo"),
                cost.get("description"),
            )
            yield line, _shared(anthropic)

    def day_prices(self, days: Sequence[date]) -> dict[date, DayPrices]:
        """What bills and usage of these UTC days, given in order, say about prices, over all workspaces."""
        time_range = Range(day_start(days[0]), day_start(days[-1]) + DAY)
        prices = {day: DayPrices(day) for day in days}
        for line, _ in self.bill(time_range):
            if line.day in prices:
                prices[line.day].bill(line, self.group_by)
        names = [name for name in ("workspace_id", *PRICED_DIMENSIONS) if name in self.group_by]
        by, fields = [f"{_USAGE}.{name}" for name in names], [f"{_USAGE}.{name}" for name in _COUNTS]
        for group, sums in self.ask.groups(
            self.usage, self.organization_id, time_range, by, fields, width=DAY, terms=self.terms
        ):
            day = day_of(group["@timestamp"])
            if day not in prices:
                continue
            dimensions = {name: group[field] for name, field in zip(names, by, strict=True)}
            cell = cell_of(dimensions, self.group_by)
            for part, field in enumerate(fields):
                prices[day].use(dimensions.get("workspace_id"), cell, part, sums[field])
        return prices


def _at(source: Mapping[str, Any], name: str) -> int:
    value: Any = source
    for part in name.split("."):
        value = value[part]
    return int(value)


def _shared(anthropic: Mapping[str, Any]) -> Shared:
    return {name: anthropic[name] for name in _SHARED if name in anthropic}

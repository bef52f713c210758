"""The Claude Code analytics report: the records of one UTC day, each a person's work in one terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated

from pydantic import Field

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pacing import Priority
from anthropic_metrics.admin_api.pages import read_entries
from anthropic_metrics.admin_api.reply import AmountText, Count, Currency, Object, Reply, Text, parse_rows
from anthropic_metrics.kernel.problems import Problems

PATH = "/v1/organizations/usage_report/claude_code"


class Lines(Reply):
    added: Count = 0
    removed: Count = 0


class Core(Reply):
    nested = ("lines_of_code",)

    num_sessions: Count
    lines_of_code: Lines = Lines()
    commits_by_claude_code: Count = 0
    pull_requests_by_claude_code: Count = 0


class Decisions(Reply):
    accepted: Count = 0
    rejected: Count = 0


class Tokens(Reply):
    input: Count
    output: Count
    cache_read: Count = 0
    cache_creation: Count = 0


class Estimate(Reply):
    """Cents; the report says that they are an estimate."""

    currency: Currency
    amount: AmountText


class ModelUse(Reply):
    nested = ("tokens", "estimated_cost")

    model: str
    tokens: Tokens
    estimated_cost: Estimate


class Record(Reply):
    """What one person did in one terminal on the day."""

    nested = ("core_metrics", "model_breakdown")

    date: Text = None
    actor: Object = None
    organization_id: Text = None
    customer_type: str = "api"
    terminal_type: Text = None
    core_metrics: Core
    tool_actions: Annotated[dict[str, Decisions], Field(default_factory=dict)]
    model_breakdown: tuple[ModelUse, ...] = ()


def claude_code_records(
    client: AdminClient,
    day: date,
    problems: Problems,
    *,
    priority: Priority = Priority.BACKFILL,
    on_page: Callable[[], object] | None = None,
) -> list[Record]:
    """All records of a UTC day. Raises what paging and the client raise."""
    params = (("starting_at", day.isoformat()), ("limit", "1000"))
    entries = read_entries(client, PATH, params, (), priority, (lambda _: on_page()) if on_page else None)
    return parse_rows(Record, entries, f"claude_code of {day}", problems)

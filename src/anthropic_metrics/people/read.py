"""Reads what people did: both analytics reports by the day, and the Claude Code report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.claude_code import Record, claude_code_records
from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.rows import (
    COST_PATH,
    USAGE_PATH,
    AnItem,
    CostItem,
    RowBucket,
    RowQuery,
    UsageItem,
    read_rows,
)
from anthropic_metrics.errors import AuthError, BadRequest
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import DAY, Range, is_within
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger
from anthropic_metrics.people.build import Day
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.spend.settle import day_of

log = get_logger(__name__)

GROUP_BY = ("actor", "product", "model")
ANALYTICS, CLAUDE_CODE, USERS = "analytics", "claude_code", "users"
_ADDRESS = re.compile(r"[^\s'\"<>,;:=]+@[^\s'\"<>,;]+")
_NOT_HERE = (400, 403, 404)
T = TypeVar("T")


@dataclass
class Reader:
    """One organization's reports about people. A report that is refused is asked for again a day later.

    `absent` has by report why it is not here, `rows` how many rows the analytics reports last had together.
    """

    client: AdminClient
    absent: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    _refused: dict[str, datetime] = field(default_factory=dict)

    def days(
        self, time_range: Range, now: datetime, persons: Persons, tally: Tally
    ) -> Iterator[tuple[date, Day]]:
        """Every UTC day of `time_range`, at most 31, with what the reports that are here have of it.

        Each day is forgotten when the next one is read. `persons` learns the users that the API lists, of
        all days before the first one is given. Raises what the client and paging raise, but a refusal; where
        the analytics reports have too much, at once.
        """
        costs = self._ask_report(
            ANALYTICS, now, tally, lambda: self._rows(COST_PATH, CostItem, time_range, tally)
        )
        uses = self._ask_report(
            ANALYTICS, now, tally, lambda: self._rows(USAGE_PATH, UsageItem, time_range, tally)
        )
        self.rows = sum(len(bucket.rows) for bucket in (*(costs or ()), *(uses or ())))
        persons.learn(_users(costs))
        persons.learn(self._ask_report(USERS, now, tally, lambda: self._members(tally)) or ())
        return self._by_day(time_range, now, tally, costs, uses)

    def _by_day(
        self,
        time_range: Range,
        now: datetime,
        tally: Tally,
        costs: list[RowBucket[CostItem]] | None,
        uses: list[RowBucket[UsageItem]] | None,
    ) -> Iterator[tuple[date, Day]]:
        """Each day, with its work with Claude Code, which is read then."""
        for place in range((time_range.end - time_range.start) // DAY):
            start = time_range.start + place * DAY
            records = self._ask_report(CLAUDE_CODE, now, tally, partial(self._records, day_of(start), tally))
            cost, use = costs and costs.pop(0), uses and uses.pop(0)
            loaded = [bucket.refreshed_at for bucket in (cost, use) if bucket]
            yield (
                day_of(start),
                Day(
                    tuple(cost.rows if cost else ()),
                    tuple(use.rows if use else ()),
                    tuple(records or ()),
                    loaded=bool(loaded) and all(at is not None and at >= start + DAY for at in loaded),
                ),
            )

    def _ask_report(self, report: str, now: datetime, tally: Tally, ask: Callable[[], T]) -> T | None:
        """The answer; None where the organization, or the key, does not have the report."""
        if is_within(DAY, self._refused.get(report), now):
            return None
        try:
            answer = ask()
        except (AuthError, BadRequest) as refusal:
            if refusal.status not in _NOT_HERE:
                raise
            if report not in self.absent:
                reason = without_addresses(refusal.message)
                log.log(tally.aside, "people_report_not_here", report=report, reason=reason)
            self.absent[report], self._refused[report] = without_addresses(refusal.message), now
            return None
        self.absent.pop(report, None)
        self._refused.pop(report, None)
        return answer

    def _rows(
        self, path: str, item: type[AnItem], time_range: Range, tally: Tally
    ) -> list[RowBucket[AnItem]]:
        query = RowQuery(path, item, time_range.start, time_range.end, "1d", GROUP_BY)
        problems = Problems()
        buckets = list(
            read_rows(self.client, query, problems, priority=Priority.BACKFILL, on_page=tally.page)
        )
        tally.rows += sum(len(bucket.rows) for bucket in buckets)
        tally.problems(_plain(problems))
        return buckets

    def _records(self, day: date, tally: Tally) -> list[Record]:
        problems = Problems()
        records = claude_code_records(self.client, day, problems, on_page=tally.page)
        tally.rows += len(records)
        tally.problems(_plain(problems))
        return records

    def _members(self, tally: Tally) -> list[tuple[str, str | None]]:
        problems = Problems()
        members = [(user.id, user.email) for user in endpoints.users(self.client, problems=problems)]
        tally.problems(_plain(problems))
        return members


def without_addresses(text: str) -> str:
    """The text with every e-mail address cut out."""
    return _ADDRESS.sub("(address)", text)


def _plain(problems: Problems) -> Problems:
    """What was wrong, without the addresses that a refused row may show."""
    problems.bad_rows = [(where, without_addresses(reason)) for where, reason in problems.bad_rows]
    return problems


def _users(costs: list[RowBucket[CostItem]] | None) -> list[tuple[str, str | None]]:
    actors = [row.group.actor or {} for bucket in costs or () for row in bucket.rows]
    pairs = [(actor.get("user_id"), actor.get("email_address")) for actor in actors]
    return [(user, email) for user, email in pairs if isinstance(user, str) and isinstance(email, str)]

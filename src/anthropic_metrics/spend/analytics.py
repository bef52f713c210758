"""The analytics reports as spend reads them: whether the organization has them, what changed, and the rows.

One request an hour asks for the total of every hour of the last 31 days; only hours whose total is another
than before are read row by row, and all of them once a day. Where the organization does not have the
reports, one request a day asks again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.pages import Params
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
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, RetryLater
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import DAY, Range, Width, floor, is_within
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger
from anthropic_metrics.spend.billed import dimensions_of, joined
from anthropic_metrics.spend.money import Usd, usd_from_cents
from anthropic_metrics.spend.settle import day_of

log = get_logger(__name__)

HOUR = timedelta(hours=1)
LOOK_EVERY = HOUR
PROBE_EVERY = DAY
# One answer spans no more, and nothing older than a year or than the reports themselves is answered.
MOST_DAYS = timedelta(days=31)
REACHES = timedelta(days=364)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_COMPONENTS = ("cost_type", "token_type")

UNREADABLE = (AuthError, BadRequest, BrokenContract, RetryLater)

Total = tuple[str, str]
"""An hour's amount after and before discounts, as the report has them: another text is another figure."""


@dataclass(frozen=True)
class Totals:
    """What the reports had at one look. `hours` are those with any row, loaded whole by `refreshed_at`."""

    refreshed_at: datetime
    hours: Mapping[datetime, Total] = field(default_factory=dict)


class Analytics:
    """One organization's analytics reports. A cache of what was asked; losing it costs reading again."""

    def __init__(self, client: AdminClient, group_by: tuple[str, ...], filters: Params = ()) -> None:
        # The dimensions of usage that both have, and what the reports are grouped by for them.
        self.group_by, self._grouping = joined(group_by), dimensions_of(group_by)
        self._client = client
        self._filters = filters
        self._absent_at: datetime | None = None
        self._looked: tuple[datetime, Range, Totals] | None = None
        self._days: dict[date, Mapping[str | None, Usd]] = {}
        self._days_of: Totals | None = None
        # Totals of more than 31 days ago, when they were read, and from where on.
        self._older: dict[datetime, Total] = {}
        self._older_at: tuple[datetime, datetime] | None = None
        self.absence = ""

    def totals(self, time_range: Range, now: datetime, tally: Tally, *, anew: bool = False) -> Totals | None:
        """The total of every hour of `time_range` that the reports have loaded; None: they are not here.

        At most one look an hour, unless `anew`. Raises RetryLater, BrokenContract and whatever else the
        client raises, but a refusal: that means that the organization does not have the reports, and
        `absence` says why.
        """
        if is_within(PROBE_EVERY, self._absent_at, now):
            return None
        time_range = Range(
            max(time_range.start, FIRST, floor(now - REACHES, DAY)), min(time_range.end, floor(now, HOUR))
        )
        if time_range.start >= time_range.end:
            return None
        if self._looked is not None and not anew:
            at, over, totals = self._looked
            if at <= now < at + LOOK_EVERY and over.start <= time_range.start:
                return totals
        try:
            totals = self._look(time_range, now, tally)
        except (BadRequest, AuthError) as refusal:
            if refusal.status not in (400, 403, 404):
                raise
            self._older, self._older_at = {}, None
            if not self.absence:
                log.log(tally.aside, "analytics_not_here", reason=refusal.message)
            self._absent_at, self._looked, self.absence = now, None, refusal.message
            return None
        self._absent_at, self.absence = None, ""
        self._looked = now, time_range, totals
        return totals

    def last(self, now: datetime) -> Totals | None:
        """What the last look brought; None if there was none, or none for a day."""
        if self._looked is None or not self._looked[0] <= now < self._looked[0] + DAY:
            return None
        return self._looked[2]

    def rows(
        self, time_range: Range, tally: Tally
    ) -> Iterator[tuple[datetime, list[CostItem], list[UsageItem]]]:
        """Every hour of `time_range`, at most 31 days, with its rows of both reports."""
        costs = self._read(COST_PATH, CostItem, time_range, "1h", (*self._grouping, *_COMPONENTS), tally)
        uses = self._read(USAGE_PATH, UsageItem, time_range, "1h", self._grouping, tally)
        for cost, use in zip(costs, uses, strict=True):
            yield cost.start, cost.rows, use.rows

    def by_workspace(self, day: date, tally: Tally) -> Mapping[str | None, Usd]:
        """What a UTC day cost by workspace, in the reports' own spelling.

        One request brings the days of a whole look.
        """
        if self._looked is None:
            raise RetryLater("The analytics reports have not been read.")
        _, over, totals = self._looked
        if self._days_of is not totals:
            self._days = dict(self._read_days(over, tally))
            self._days_of = totals
        return self._days.get(day, {})

    def _read_days(self, over: Range, tally: Tally) -> Iterator[tuple[date, Mapping[str | None, Usd]]]:
        for part in _parts(Range(floor(over.start, DAY), floor(over.end, DAY))):
            for day in self._read(COST_PATH, CostItem, part, "1d", ("workspace_id",), tally):
                amounts = {row.group.workspace_id: Decimal(row.cost.amount) for row in day.rows}
                yield day_of(day.start), {name: usd_from_cents(cents) for name, cents in amounts.items()}

    def _look(self, time_range: Range, now: datetime, tally: Tally) -> Totals:
        """Totals of the last 31 days anew; those before, which are final, once a day."""
        recent = Range(max(time_range.start, floor(now - MOST_DAYS + HOUR, HOUR)), time_range.end)
        hours, until = self._read_totals(recent, tally)
        if time_range.start < recent.start:
            older = self._older_at
            if older is None or time_range.start < older[1] or not older[0] <= now < older[0] + DAY:
                self._older, _ = self._read_totals(Range(time_range.start, recent.start), tally)
                self._older_at = now, time_range.start
            hours = {start: total for start, total in self._older.items() if start < recent.start} | hours
        return Totals(until, {start: total for start, total in hours.items() if start + HOUR <= until})

    def _read_totals(self, time_range: Range, tally: Tally) -> tuple[dict[datetime, Total], datetime]:
        hours: dict[datetime, Total] = {}
        refreshed: list[datetime] = []
        for part in _parts(time_range):
            for hour in self._read(COST_PATH, CostItem, part, "1h", (), tally):
                # Where nobody says until when it is loaded, none of it is.
                refreshed.append(hour.refreshed_at or time_range.start)
                for row in hour.rows:
                    hours[hour.start] = row.cost.amount, row.cost.list_amount
        return hours, min(refreshed, default=time_range.start)

    def _read(
        self,
        path: str,
        item: type[AnItem],
        time_range: Range,
        width: Width,
        group_by: tuple[str, ...],
        tally: Tally,
    ) -> Iterator[RowBucket[AnItem]]:
        query = RowQuery(path, item, time_range.start, time_range.end, width, group_by, self._filters)
        problems = Problems()
        yield from read_rows(self._client, query, problems, priority=Priority.BACKFILL, on_page=tally.page)
        tally.problems(problems)


def _parts(time_range: Range) -> Iterator[Range]:
    """The span in parts that one answer can span, the oldest first."""
    start = time_range.start
    while start < time_range.end:
        end = min(start + MOST_DAYS, time_range.end)
        yield Range(start, end)
        start = end

"""A period's bill, and where keys or tokens are wanted its usage, read from the Admin API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import Bucket, BucketQuery, read_buckets
from anthropic_metrics.admin_api.replies import CostRow, UsageRow
from anthropic_metrics.admin_api.reply import parse_rows
from anthropic_metrics.config import Config
from anthropic_metrics.finance.charges import Charge, amount_of, of_allocation, of_bill
from anthropic_metrics.finance.people import People
from anthropic_metrics.finance.period import Period
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import DAY, Range, floor
from anthropic_metrics.reports.views import COST_PATH, SPEED_BETA, USAGE_PATH
from anthropic_metrics.spend.allocate import allocate
from anthropic_metrics.spend.money import Usd, total
from anthropic_metrics.spend.rows import PART_NAMES, PRIORITY_TIERS, SEARCHES, Billed, Used, billed, used
from anthropic_metrics.spend.settle import day_of, ended_long_enough

COST_GROUPS = ("workspace_id", "description")
NEEDED = frozenset({"model", "workspace_id", "service_tier", "api_key_id"})
USUAL = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")

OnDay = Callable[[Range], object]


@dataclass(frozen=True)
class Ledger:
    """What one period cost. `lines` are the bill's; `shares` and `people` the same money by key and by
    person, None where not asked for.

    `foreign` counts lines in other currencies, which no figure has; `priority_tokens` are those that a
    commitment pays for; `problems` what could not be read.
    """

    period: Period
    read_at: datetime
    lines: tuple[Billed, ...]
    open_days: frozenset[date]
    shares: tuple[Charge, ...] | None = None
    people: tuple[Charge, ...] | None = None
    foreign: Counter[str] = field(default_factory=Counter)
    priority_tokens: int = 0
    problems: Problems = field(default_factory=Problems)

    @property
    def amount(self) -> Usd:
        """The bill's exact sum."""
        return total(line.amount for line in self.lines)

    @property
    def billed_days(self) -> frozenset[date]:
        return frozenset(line.day for line in self.lines)

    def like_days(self, now: datetime) -> Period:
        """The days of the period before that this bill is compared with: while the period is not over, as
        many as have ended and are on the bill, else all."""
        before = self.period.before
        if self.period.is_over(now):
            return before
        ended = [day for day in self.billed_days if day < day_of(now)]
        return before.first_days((max(ended, default=self.period.start) - self.period.start).days + 1)

    @property
    def open_amount(self) -> Usd:
        """The part of the sum whose days are not settled yet."""
        return total(line.amount for line in self.lines if line.day in self.open_days)

    @property
    def searches_without_model(self) -> Usd:
        """What the bill has of web search: it names no model, which only the shares know."""
        lines = of_bill(self.lines)
        return total(line.amount for line in lines if line.meter == PART_NAMES[SEARCHES] and not line.model)

    def finest(self) -> Sequence[Charge]:
        """The charges that say most about whose they are, of those that were read."""
        return self.shares or self.people or self.charges(by_key=False)

    def charges(self, *, by_key: bool, by_person: bool = False) -> Sequence[Charge]:
        """The period's charges, as lines of the bill, shared out over keys, or by person; all add up to the
        bill."""
        if by_person:
            assert self.people is not None, "people were not read"
            return self.people
        if not by_key:
            return tuple(of_bill(self.lines))
        assert self.shares is not None, "usage was not read"
        return self.shares


def read_ledger(
    client: AdminClient,
    config: Config,
    period: Period,
    now: datetime,
    *,
    with_usage: bool,
    people: People | None = None,
    on_day: OnDay | None = None,
) -> Ledger:
    """Read the bill of a period as it stands; with `with_usage` share it out over the keys, with `people`
    over the people.

    The shares are those of the spend stream where that is grouped by key. Raises what `AdminClient.get` and
    paging raise; a row that cannot be read is counted in `problems`.
    """
    time_range, problems, foreign = period.until(now), Problems(), Counter[str]()
    lines: list[Billed] = []
    for bucket in _buckets(client, _bill(time_range), on_day if not with_usage else None):
        for row in parse_rows(CostRow, bucket.rows, f"cost of {bucket.start:%Y-%m-%d}", problems):
            if (line := billed(row, bucket.start)) is not None:
                lines.append(line)
            else:
                foreign[row.currency] += 1
    settle = config.spend.settle_after
    open_days = frozenset(day for day in period.days() if not ended_long_enough(day, now, settle))
    # The day that runs has hardly a bill yet, and a report by the day may refuse it.
    ended = Range(time_range.start, max(time_range.start, min(time_range.end, floor(now, DAY))))
    by_person = None if people is None else people.charges(client, ended, lines, problems)
    ledger = Ledger(period, now, tuple(lines), open_days, None, by_person, foreign, 0, problems)
    if not with_usage or time_range.start >= time_range.end:
        return ledger
    rows = _usage(client, config, time_range, problems, on_day)
    return _with_shares(ledger, rows)


def group_by(config: Config) -> tuple[str, ...]:
    """How usage is grouped for shares: as the streams' is, if keys can be told from it."""
    configured = tuple(config.usage.group_by)
    return configured if set(configured) >= NEEDED else USUAL


def _with_shares(ledger: Ledger, rows: dict[date, list[Used]]) -> Ledger:
    shares: list[Charge] = []
    by_day: dict[date, list[Billed]] = {}
    for line in ledger.lines:
        by_day.setdefault(line.day, []).append(line)
    for day in sorted(by_day.keys() | rows.keys()):
        shares += of_allocation(allocate(by_day.get(day, ()), rows.get(day, ()), day))
    assert amount_of(shares) == ledger.amount, "the shares add up to the bill"
    priority = sum(row.counts.tokens for day in rows.values() for row in day if row.tier in PRIORITY_TIERS)
    return replace(ledger, shares=tuple(shares), priority_tokens=priority)


def _usage(
    client: AdminClient, config: Config, time_range: Range, problems: Problems, on_day: OnDay | None
) -> dict[date, list[Used]]:
    """Usage by the hour, by UTC day."""
    groups = group_by(config)
    headers = (SPEED_BETA,) if "speed" in groups else ()
    query = BucketQuery(USAGE_PATH, time_range.start, time_range.end, "1h", 168, groups, headers=headers)
    days: dict[date, list[Used]] = {}
    for bucket in _buckets(client, query, on_day):
        rows = parse_rows(UsageRow, bucket.rows, f"usage of {bucket.start:%Y-%m-%dT%H}", problems)
        days.setdefault(day_of(bucket.start), []).extend(used(row, bucket.start, groups) for row in rows)
    return days


def _bill(time_range: Range) -> BucketQuery:
    return BucketQuery(COST_PATH, time_range.start, time_range.end, "1d", 31, COST_GROUPS)


def _buckets(client: AdminClient, query: BucketQuery, on_day: OnDay | None) -> Iterator[Bucket]:
    if query.start >= query.end:
        return
    for bucket in read_buckets(client, query):
        yield bucket
        if on_day:
            on_day(Range(bucket.start, bucket.end))

"""A period's bill by person: the cost analytics report, and what it has less or more than the bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.rows import (
    COST_PATH,
    USAGE_PATH,
    CostItem,
    Group,
    RowBucket,
    RowQuery,
    UsageItem,
    read_rows,
)
from anthropic_metrics.errors import AuthError, BadRequest, ConfigError
from anthropic_metrics.finance.charges import OTHER_METER, Charge
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.people.read import without_addresses
from anthropic_metrics.spend.money import Usd, total, usd_from_cents
from anthropic_metrics.spend.rows import CONSOLE, DEFAULT_WORKSPACE, PART_NAMES, Billed
from anthropic_metrics.spend.settle import day_of

NOBODY = "(not by person)"
_GROUP_BY = ("actor", "workspace_id", "api_key_id", "model")
_MOST = timedelta(days=31)


@dataclass(frozen=True)
class People:
    """Names the people of an organization, and reads what they cost."""

    persons: Persons
    names: Names

    def charges(
        self, client: AdminClient, time_range: Range, lines: Iterable[Billed], problems: Problems
    ) -> tuple[Charge, ...]:
        """The bill's `lines` by person: they add up to the bill, digit for digit.

        What the report has less than the bill of a day and workspace, or more, is `(not by person)`. Raises
        ConfigError where the organization does not have the report, and what the client raises.
        """
        try:
            billed = list(self._rows(client, time_range, problems))
        except (AuthError, BadRequest) as refusal:
            if refusal.status not in (400, 403, 404):
                raise
            raise ConfigError(
                "--by person: the cost analytics report does not answer: "
                f"{without_addresses(refusal.message)}"
            ) from None
        return (*billed, *_rest(lines, billed))

    def _rows(self, client: AdminClient, time_range: Range, problems: Problems) -> Iterator[Charge]:
        start = time_range.start
        while start < time_range.end:
            end = min(start + _MOST, time_range.end)
            costs = RowQuery(COST_PATH, CostItem, start, end, "1d", _GROUP_BY)
            for cost in read_rows(client, costs, problems):
                yield from self._costs(cost)
            uses = RowQuery(USAGE_PATH, UsageItem, start, end, "1d", _GROUP_BY)
            for use in read_rows(client, uses, problems):
                yield from self._tokens(use)
            start = end

    def _costs(self, bucket: RowBucket[CostItem]) -> Iterator[Charge]:
        for row in bucket.rows:
            if is_usd(row.cost.currency):
                amount = usd_from_cents(Decimal(row.cost.amount))
                yield self._charge(bucket.start, row.group, amount, OTHER_METER)

    def _tokens(self, bucket: RowBucket[UsageItem]) -> Iterator[Charge]:
        """Without an amount: both rows are in the same groups."""
        for row in bucket.rows:
            nothing = Usd(Decimal(0))
            yield self._charge(bucket.start, row.group, nothing, PART_NAMES[0], row.usage.total_tokens)

    def _charge(self, start: datetime, group: Group, amount: Usd, meter: str, quantity: int = 0) -> Charge:
        person = self.persons.of_actor(group.actor)
        dimensions = {
            "person": person.email or self.names.api_keys.get(person.id, person.id),
            "account_id": person.account,
            "workspace_id": self._workspace(group.workspace_id),
            "api_key_id": group.api_key_id or CONSOLE,
            "model": group.model,
        }
        return Charge(day_of(start), amount, meter, dimensions, None, None, quantity)

    def _workspace(self, id_: str | None) -> str | None:
        """The default workspace, which no list has, has an id of its own in these reports."""
        return id_ if id_ is None or id_ in self.names.workspaces else DEFAULT_WORKSPACE


def _rest(lines: Iterable[Billed], charges: Sequence[Charge]) -> Iterator[Charge]:
    """Of each day and workspace the bill less what the report has."""
    sums: dict[tuple[date, str | None], list[Usd]] = {}
    for line in lines:
        sums.setdefault((line.day, line.workspace_id), []).append(line.amount)
    for charge in charges:
        sums.setdefault((charge.day, charge.workspace_id), []).append(Usd(-charge.amount))
    for (day, workspace), amounts in sums.items():
        if amount := total(amounts):
            dimensions = {"person": NOBODY, "workspace_id": workspace, "api_key_id": None, "model": None}
            yield Charge(day, amount, OTHER_METER, dimensions)

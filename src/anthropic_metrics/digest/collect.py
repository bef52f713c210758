"""Reads what a digest needs from our own streams; of the Admin API only the list of keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from anthropic_metrics.admin_api.replies import ApiKey, SpendLimit
from anthropic_metrics.budgets.count import Counter
from anthropic_metrics.budgets.ledger import Ledger
from anthropic_metrics.budgets.period import period_of
from anthropic_metrics.budgets.state import budget_state, history_of
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.digest.content import Digest, UnusedKey, drift, movers, opportunities
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.kernel.datasets import AGENT, SPEND, stream_name
from anthropic_metrics.kernel.frame import CONSOLE, DEFAULT_WORKSPACE
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.spend.build import UNATTRIBUTED

UNUSED = timedelta(days=30)
_SETTLED_DAYS = timedelta(days=9)  # a week of settled days
_NEVER = datetime.min.replace(tzinfo=UTC)
_SPEND = "anthropic.spend."
_KEY, _WORKSPACE = "anthropic.api_key.id", "anthropic.workspace.id"


def finished(now: datetime, every: Literal["daily", "weekly"]) -> Range:
    """The last day or week that has ended."""
    end = period_of(now, every).start
    return Range(end - (DAY if every == "daily" else 7 * DAY), end)


@dataclass(frozen=True)
class Collector:
    """One organization's streams, under a configuration and today's names."""

    config: Config
    ask: Questions
    names: Names

    def digest(
        self, time_range: Range, now: datetime, keys: Iterable[ApiKey], limits: Iterable[SpendLimit] = ()
    ) -> Digest:
        """Raises what the questions raise."""
        before = Range(time_range.start - (time_range.end - time_range.start), time_range.start)
        amounts, earlier = (self._named(self._sums(one, _WORKSPACE)) for one in (time_range, before))
        ledger, month = self._ledger(), period_of(now, "monthly")
        coverage = ledger.coverage(min(before.start, month.start), now)
        is_month_whole = coverage.is_whole(month.start, now)
        standard: Terms = {f"{_SPEND}service_tier": ["standard"]}
        return Digest(
            organization=self.names.organization_name or self.names.organization_id,
            time_range=time_range,
            usd=sum(amounts.values()),
            before=sum(earlier.values()),
            movers=movers(amounts, earlier),
            budgets=Counter(self.config, self.ask, self.names).states(now, limits),
            forecast=self._month(ledger, now) if is_month_whole else None,
            cache_saved_usd=sum(self._sums(time_range, "organization.id", "cache_saved_usd").values()),
            opportunities=opportunities(
                self._keys(self._sums(time_range, _KEY, "uncached_input_usd")),
                self._keys(self._sums(time_range, _KEY, "cache_read_usd")),
                self._keys(self._sums(time_range, _KEY, terms=standard)),
            ),
            unused_keys=self._unused(now, keys),
            drift=self._drift(now),
            estimated_usd=self._sums(time_range, f"{_SPEND}basis").get("estimated", 0.0),
            ends=self._ends(ledger, time_range, now),
            begins=None if coverage.is_whole(before.start, now) else coverage.first,
            is_month_whole=is_month_whole,
        )

    def has_all(self, time_range: Range, now: datetime) -> bool:
        """Whether spend of the range has been read to both ends. Raises what the questions raise."""
        ledger = self._ledger()
        is_begun = ledger.coverage(time_range.start, now).is_whole(time_range.start, now)
        return is_begun and self._ends(ledger, time_range, now) is None

    def _ends(self, ledger: Ledger, time_range: Range, now: datetime) -> datetime | None:
        """Up to when usage was read, where that is before the end of the range."""
        read_to = ledger.read_to(now)
        return read_to if read_to and read_to < time_range.end else None

    def _ledger(self) -> Ledger:
        return Ledger(self.ask, self.config.namespace, self.names.organization_id, from_spend=True)

    def _sums(
        self, time_range: Range, by: str, field: str = "amount_usd", terms: Terms | None = None
    ) -> dict[str, float]:
        return self._added(SPEND, time_range, by, f"{_SPEND}{field}", terms)

    def _added(
        self, dataset: str, time_range: Range, by: str, field: str, terms: Terms | None = None
    ) -> dict[str, float]:
        stream = stream_name(dataset, self.config.namespace)
        sums: dict[str, float] = {}
        amounts = self.ask.amounts(
            stream, self.names.organization_id, time_range, DAY, by, field, terms=terms
        )
        for parts in amounts.values():
            for id_, amount in parts.items():
                sums[id_] = sums.get(id_, 0.0) + amount
        return sums

    def _named(self, sums: Mapping[str, float]) -> dict[str, float]:
        """The sums of workspaces or keys by what they are called today; those that share a name are told
        apart by their ids, in every period alike."""
        return {self._name(id_): amount for id_, amount in sums.items()}

    def _name(self, id_: str) -> str:
        # Somebody may call a workspace Default: it is not the default one.
        spaces = {DEFAULT_WORKSPACE: DEFAULT_WORKSPACE}
        spaces |= {own: space.name for own, space in self.names.workspaces.items()}
        called = spaces if id_ in spaces else self.names.api_keys
        name = called.get(id_, id_)
        return f"{name} ({id_})" if list(called.values()).count(name) > 1 else name

    def _keys(self, sums: Mapping[str, float]) -> dict[str, float]:
        """By name; what no key made is left out: nobody can change it."""
        return self._named({id_: usd for id_, usd in sums.items() if id_ not in (CONSOLE, UNATTRIBUTED)})

    def _month(self, ledger: Ledger, now: datetime) -> Forecast | None:
        everything = BudgetSettings(name="month", usd=Decimal(1))
        days = ledger.days({}, history_of(everything, now))
        return budget_state(
            everything,
            days,
            now,
            running=True,
            settle_after=self.config.spend.settle_after,
            read_to=ledger.read_to(now),
        ).forecast

    def _unused(self, now: datetime, keys: Iterable[ApiKey]) -> list[UnusedKey]:
        """Active keys, older than 30 days, that no row of spend in these days has; first those never used."""
        start = now - UNUSED
        used = self.ask.used(
            stream_name(SPEND, self.config.namespace),
            self.names.organization_id,
            _KEY,
            f"{_SPEND}total_tokens",
            start,
        )
        unused = [
            UnusedKey(self._name(key.id) if key.id in self.names.api_keys else key.name, last)
            for key in keys
            if key.status == "active"
            and (key.created_at is None or key.created_at < start)
            and ((last := used[key.id].last if key.id in used else None) is None or last < start)
        ]
        return sorted(unused, key=lambda key: (key.last_used or _NEVER, key.name))

    def _drift(self, now: datetime) -> float | None:
        time_range = Range(now - _SETTLED_DAYS, now)
        estimated, billed = (
            sum(
                self._added(AGENT, time_range, "organization.id", f"anthropic.estimate_check.{name}").values()
            )
            for name in ("estimated_usd", "billed_usd")
        )
        return drift(estimated, billed)

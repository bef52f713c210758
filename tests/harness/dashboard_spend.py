"""What the spend stream should hold, from the simulation's two reports by the formulas of docs/spend.md.

Fractions and plain loops over the reports' own rows: of the agent's code nothing is used. Shares and
estimates are not rounded here, so that a sum of the stream may differ by 10^-10 dollars for each row in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache

from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.prices import TOKEN_TYPES, WEB_SEARCH_CENTS, token_cents
from tests.harness.dashboard_truth import DAY, Row, day_of, fits, instant
from tests.harness.world import GROUPED, World

SETTLE_AFTER, LOOK_BACK = timedelta(hours=48), timedelta(days=31)
LEAST_TOKENS, LEAST_SEARCHES = 10_000, 10
SEARCHES = len(TOKEN_TYPES)
PRICED = ("model", "service_tier", "inference_geo")
BY_THE_TOKEN = ("standard", "batch")

# What a price belongs to: model, tier and geo (none of them for web searches), and the kind of tokens.
Cell = tuple[tuple[str | None, ...], int]
# The same of one workspace; None stands for all of them.
OwnCell = tuple[str | None, Cell]


@dataclass(frozen=True)
class Price:
    """`dollars` for one token or search. `mixed`: of several lines of the bill."""

    dollars: Fraction
    mixed: bool


def spend_truth(
    w: World, first: datetime, start: datetime, chosen: Mapping[str, Sequence[str]] | None = None
) -> list[Row]:
    """The documents from `start` on that the choices leave, of a world with usage from `first` on."""
    everything = _truth(w.simulation, first, w.clock.now()).rows
    return [row for row in everything if row["time"] >= start and fits(row, chosen or {})]


def estimate_checks(w: World, first: datetime) -> dict[datetime, tuple[Fraction, Fraction]]:
    """What `SpendTruth.checks` says."""
    return _truth(w.simulation, first, w.clock.now()).checks()


@dataclass
class BilledDay:
    """A UTC day's bill by workspace and cell, and what no cell of usage has."""

    amounts: dict[OwnCell, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    lines: dict[Cell, set[str]] = field(default_factory=lambda: defaultdict(set))
    rest: list[tuple[str | None, str, Fraction]] = field(default_factory=list)


class SpendTruth:
    """`rows` as the stream's documents should be, at `now`, with usage from `first` on."""

    def __init__(self, simulation: Simulation, first: datetime, now: datetime) -> None:
        self._now = now
        organization = simulation.organization(now)
        self._spaces = {space.report_id: space.name for space in organization.workspaces}
        self._keys: dict[str | None, str] = {None: "Console"}
        self._keys |= {key.id: key.name for key in organization.api_keys}
        self._usage = simulation.usage_rows(first, now, "1h", GROUPED, at=now)
        self._bills = self._billed(simulation.cost_rows(first, now, ("workspace_id", "description"), at=now))

    @cached_property
    def rows(self) -> list[Row]:
        """A row for each document: `usd` and `saved` are None where it has none."""
        return [*self._of_usage(), *self._of_the_rest()]

    def settled(self, day: datetime) -> bool:
        return day in self._bills and self._now >= day + DAY + SETTLE_AFTER

    def checks(self) -> dict[datetime, tuple[Fraction, Fraction]]:
        """Of each settled day what its usage was estimated at while it ran, and what the bill has for it."""
        sums: dict[datetime, tuple[Fraction, Fraction]] = {}
        for row, billed in zip(self._usage, self._of_usage(), strict=True):
            day = day_of(billed["time"])
            if self.settled(day):
                early, late = sums.get(day, (Fraction(0), Fraction(0)))
                guess = sum(self._estimate(row, day_of(day - SETTLE_AFTER)) or (), Fraction(0))
                sums[day] = early + guess, late + (billed["usd"] or 0)
        return sums

    def _of_usage(self) -> Iterator[Row]:
        for row in self._usage:
            time = instant(row["starting_at"])
            day = day_of(time)
            settled = self.settled(day)
            before = day + DAY if settled else day
            parts = self._share(row, day) if settled else self._estimate(row, before)
            yield {
                "time": time,
                "basis": "allocated" if settled else "estimated",
                "workspace": self._spaces[row["workspace_id"]],
                "model": row["model"],
                "key_name": self._keys.get(row["api_key_id"]),
                "key": self._keys.get(row["api_key_id"]) or row["api_key_id"],
                "usd": None if parts is None else sum(parts, Fraction(0)),
                "saved": None if parts is None else self._saved(row, parts, before),
                "tokens": sum(count for _, count in _own_cells(row)[:SEARCHES]),
            }

    def _of_the_rest(self) -> Iterator[Row]:
        for day, bill in self._bills.items():
            if self.settled(day):
                lost = [
                    (workspace, "tokens" if names else "web_search", names[0] if names else None, amount)
                    for (workspace, (names, kind)), amount in bill.amounts.items()
                    if not self._counts[day][workspace, (names, kind)]
                ]
                other = [(workspace, cost_type, None, amount) for workspace, cost_type, amount in bill.rest]
                for workspace, cost_type, model, amount in (*lost, *other):
                    yield {
                        "time": day,
                        "basis": "allocated",
                        "workspace": self._spaces[workspace],
                        "model": model,
                        "key_name": "Unattributed",
                        "key": "Unattributed",
                        "cost_type": cost_type,
                        "usd": amount,
                        "saved": None,
                        "tokens": 0,
                    }

    def _share(self, row: Row, day: datetime) -> list[Fraction] | None:
        """The row's part of each cell of its day's bill; None where its tier is not billed by the token."""
        bill, counts = self._bills[day], self._counts[day]
        parts, booked = [], row["service_tier"] in BY_THE_TOKEN
        for own, count in _own_cells(row):
            amount = bill.amounts.get(own) if count else None
            booked |= amount is not None
            parts.append(Fraction(0) if amount is None else amount * count / counts[own])
        return parts if booked else None

    def _estimate(self, row: Row, before: datetime) -> list[Fraction] | None:
        """The row at the prices of the bills of days before `before`; None where no part has one."""
        parts, priced = [], row["service_tier"] in BY_THE_TOKEN
        for (workspace, cell), count in _own_cells(row):
            price = self._price(workspace, cell, before) if count else None
            if cell[1] != SEARCHES and row["service_tier"] not in BY_THE_TOKEN:
                price = None
            priced |= price is not None
            parts.append(Fraction(0) if price is None else price * count)
        return parts if priced else None

    def _saved(self, row: Row, parts: list[Fraction], before: datetime) -> Fraction | None:
        cells = _own_cells(row)
        cached = sum(count for _, count in cells[1:4])
        (workspace, cell), _ = cells[0]
        price = self._price(workspace, cell, before) if cached else None
        return None if price is None else price * cached - sum(parts[1:4])

    def _price(self, workspace: str | None, cell: Cell, before: datetime) -> Fraction | None:
        """That of the newest settled day that tells one; the workspace's own mix where the cell is mixed."""
        of_all = self._newest(None, cell, before)
        if of_all is not None:
            own = self._newest(workspace, cell, before) if of_all.mixed else None
            return (own or of_all).dollars
        names, kind = cell
        if kind == SEARCHES:
            return Fraction(WEB_SEARCH_CENTS) / 100
        model, tier, geo = names
        if tier not in BY_THE_TOKEN:
            return None
        cents = token_cents(
            model or "", TOKEN_TYPES[kind], 1, tier=tier or "", window="0-200k", geo=geo or "", speed=None
        )
        return Fraction(cents) / 100

    def _newest(self, workspace: str | None, cell: Cell, before: datetime) -> Price | None:
        days = [day for day in self._learned if before - LOOK_BACK <= day < before]
        prices = (self._learned[day].get((workspace, cell)) for day in sorted(days, reverse=True))
        return next((price for price in prices if price is not None), None)

    @cached_property
    def _counts(self) -> dict[datetime, dict[OwnCell, int]]:
        """Tokens and searches of each day by workspace and cell."""
        days: dict[datetime, dict[OwnCell, int]] = defaultdict(lambda: defaultdict(int))
        for row in self._usage:
            for own, count in _own_cells(row):
                days[day_of(instant(row["starting_at"]))][own] += count
        return days

    @cached_property
    def _learned(self) -> dict[datetime, dict[OwnCell, Price]]:
        """The prices that each settled day tells: of a cell over all workspaces, of each where it mixes."""
        days: dict[datetime, dict[OwnCell, Price]] = {}
        for day, bill in self._bills.items():
            if not self.settled(day):
                continue
            prices = days[day] = {}
            for cell in {cell for _, cell in bill.amounts}:
                own = {space: bill.amounts[space, cell] for space, each in bill.amounts if each == cell}
                counts = {space: count for (space, each), count in self._counts[day].items() if each == cell}
                sums: list[tuple[str | None, Fraction, int]] = [
                    (None, sum(own.values(), Fraction(0)), sum(counts.values()))
                ]
                mixed = len(bill.lines[cell]) > 1
                if mixed:
                    sums += [(space, amount, counts.get(space, 0)) for space, amount in own.items()]
                least = LEAST_SEARCHES if cell[1] == SEARCHES else LEAST_TOKENS
                prices |= {
                    (space, cell): Price(amount / count, mixed)
                    for space, amount, count in sums
                    if count >= least and amount > 0
                }
        return days

    def _billed(self, lines: list[Row]) -> dict[datetime, BilledDay]:
        days: dict[datetime, BilledDay] = defaultdict(BilledDay)
        for line in lines:
            day, amount = days[instant(line["starting_at"])], Fraction(line["amount"]) / 100
            workspace = line["workspace_id"]
            if line["cost_type"] == "web_search":
                day.amounts[workspace, ((), SEARCHES)] += amount
            elif line["cost_type"] == "tokens":
                cell = tuple(line[name] for name in PRICED), TOKEN_TYPES.index(line["token_type"])
                day.amounts[workspace, cell] += amount
                day.lines[cell].add(f"{line['context_window']} {line['description']}")
            else:
                day.rest.append((workspace, line["cost_type"], amount))
        return dict(days)


def _own_cells(row: Row) -> list[tuple[OwnCell, int]]:
    """The cells of a row of usage with what it has of each: the token types in order, then searches."""
    names = tuple(row[name] for name in PRICED)
    created: dict[str, int] = row["cache_creation"]
    counts = (
        row["uncached_input_tokens"],
        row["cache_read_input_tokens"],
        created["ephemeral_5m_input_tokens"],
        created["ephemeral_1h_input_tokens"],
        row["output_tokens"],
    )
    cells: list[tuple[Cell, int]] = [((names, kind), count) for kind, count in enumerate(counts)]
    cells.append((((), SEARCHES), row["server_tool_use"]["web_search_requests"]))
    return [((row["workspace_id"], cell), count) for cell, count in cells]


@lru_cache(maxsize=1)
def _truth(simulation: Simulation, first: datetime, now: datetime) -> SpendTruth:
    return SpendTruth(simulation, first, now)

"""A simulated quarter with its truth: what each series of requests used, and what each of them really cost.

The simulator's organization meets a price change, a new model, a batch share that swings and a discount. The
bill is made of the finest series, each at its own price; usage is what the default `usage.group_by` shows of
them, so that context windows and fast mode of one row are blended as they are in the real reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import pi, sin

from anthropic_metrics.simulator.clock import SettableClock, epoch
from anthropic_metrics.simulator.prices import MODELS, WEB_SEARCH_CENTS, token_cents
from anthropic_metrics.simulator.series import DIMENSIONS, Series
from anthropic_metrics.simulator.simulation import Simulation
from anthropic_metrics.spend.money import Usd, usd_from_cents
from anthropic_metrics.spend.rows import CONSOLE, DEFAULT_WORKSPACE, TOKEN_TYPES, Billed, Counts, Used

GROUP_BY = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
FIRST = date(2026, 7, 1)
DAYS = 92
NEW_MODEL, NEW_MODEL_FROM = "claude-fable-5-2", 30
CHANGED_MODEL, CHANGED_FROM = "claude-sonnet-5-5", 45
DISCOUNT, DISCOUNT_FROM = Decimal("0.88"), 65
_DAY = 86_400


@dataclass(frozen=True)
class TrueDay:
    """One UTC day: the two reports, and what each key really cost (tokens and web searches)."""

    day: date
    usage: list[Used]
    bill: list[Billed]
    by_key: dict[str, Usd]


class Quarter:
    def __init__(self, width: int = _DAY) -> None:
        start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
        self.simulation = Simulation(SettableClock(start + timedelta(days=DAYS)), start=start)
        self._width = width

    @cached_property
    def days(self) -> list[TrueDay]:
        return [self.true_day(number) for number in range(DAYS)]

    def true_day(self, number: int) -> TrueDay:
        """Day `number` of the quarter."""
        day = FIRST + timedelta(days=number)
        begin = epoch(datetime(day.year, day.month, day.day, tzinfo=UTC))
        usage: dict[tuple[datetime, tuple[str, ...]], Counts] = {}
        lines: dict[tuple[str | None, ...], Decimal] = {}
        true: dict[str, Decimal] = {}
        for series, moment, counts in self._cells(number, int(begin)):
            values = dict(zip(DIMENSIONS, series.dimensions, strict=True))
            row = _row(values)
            held = usage.get((moment, row), Counts())
            usage[moment, row] = Counts(*map(sum, zip(held, counts, strict=True)))
            for line, cents in _cents(values, counts, number):
                if cents:
                    lines[line] = lines.get(line, Decimal(0)) + cents
                    true[row[-1]] = true.get(row[-1], Decimal(0)) + cents
        return TrueDay(
            day,
            [
                Used(moment, dict(zip(GROUP_BY, row, strict=True)), counts)
                for (moment, row), counts in usage.items()
            ],
            [_billed(day, line, cents) for line, cents in lines.items()],
            {key: usd_from_cents(cents) for key, cents in true.items()},
        )

    def _cells(self, number: int, begin: int) -> Iterator[tuple[Series, datetime, Counts]]:
        swing = 1 + 0.9 * sin(2 * pi * number / 9)
        for bucket, cells in self.simulation.usage_cells(begin, begin + _DAY, self._width, None):
            for series, cell in zip(self.simulation.series, cells, strict=False):
                if cell is None or (NEW_MODEL in series.dimensions and number < NEW_MODEL_FROM):
                    continue
                factor = swing if "batch" in series.dimensions else 1
                yield (
                    series,
                    datetime.fromtimestamp(bucket, UTC),
                    Counts(*(int(count * factor) for count in cell)),
                )


def _row(values: dict[str, str | None]) -> tuple[str, ...]:
    named = {**values, "workspace_id": values["workspace_id"] or DEFAULT_WORKSPACE}
    return tuple(named[name] or CONSOLE for name in GROUP_BY)


def _cents(
    values: dict[str, str | None], counts: Counts, number: int
) -> Iterator[tuple[tuple[str | None, ...], Decimal]]:
    """What a series cost, by line of the bill: the cell, and what the description tells apart."""
    workspace, model, tier = values["workspace_id"], values["model"] or "", values["service_tier"] or ""
    discount = DISCOUNT if number >= DISCOUNT_FROM else Decimal(1)
    if tier not in {"standard", "batch"}:
        return
    window, geo = values["context_window"] or "", values["inference_geo"] or ""
    for token_type, count in zip(TOKEN_TYPES, counts[:5], strict=True):
        cents = token_cents(
            model, token_type, count, tier=tier, window=window, geo=geo, speed=values["speed"]
        )
        if model == CHANGED_MODEL and number >= CHANGED_FROM and token_type == "cache_read_input_tokens":
            cents /= 2
        line = (
            workspace,
            "tokens",
            model,
            token_type,
            tier,
            window,
            geo,
            f"{MODELS[model].name} {values['speed']}",
        )
        yield line, cents * discount
    searches = (workspace, "web_search", None, None, None, None, None, "Web Search Usage")
    yield searches, counts.web_search * WEB_SEARCH_CENTS * discount


def _billed(day: date, line: tuple[str | None, ...], cents: Decimal) -> Billed:
    workspace, cost_type, *rest = line
    return Billed(day, workspace or DEFAULT_WORKSPACE, usd_from_cents(cents), cost_type, *rest)

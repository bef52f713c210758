"""A day's bill shared out over the day's usage, so that the shares add up to it digit for digit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from anthropic_metrics.spend.money import ZERO, Usd, share_out, total
from anthropic_metrics.spend.rows import (
    BILLED_DIMENSIONS,
    BILLED_TIERS,
    OTHER,
    PART_NAMES,
    PRIORITY_TIERS,
    SEARCHES,
    TOKEN_TYPES,
    TOKENS,
    UNKNOWN_GEO,
    WEB_SEARCH,
    Billed,
    Used,
)

Parts = tuple[Usd, ...]
"""Dollars by part, in the order of `rows.PART_NAMES`; they add up to the amount."""

# Which rows a billed cell belongs to: dimension names with their values, and the place of what it counts.
_Cell = tuple[tuple[str, ...], tuple[str | None, ...], int]


@dataclass(frozen=True, slots=True)
class Share:
    """What one row of usage cost. `amount` is None where its tier is not billed by the token at all.

    `blended`: a cell that it shares in may mix two prices, so that this row's true cost can lie anywhere
    between its tokens at the lower and at the higher one.
    """

    used: Used
    amount: Usd | None
    parts: Parts
    blended: bool = False

    @property
    def priority_tokens(self) -> int:
        """Tokens that a Priority Tier commitment pays for."""
        return self.used.counts.tokens if self.used.tier in PRIORITY_TIERS else 0

    @property
    def unpriced_tokens(self) -> int:
        """Tokens of a tier that the bill does not list and no commitment pays for."""
        return self.used.counts.tokens if self.amount is None and not self.priority_tokens else 0


@dataclass(frozen=True, slots=True)
class Unattributed:
    """What the bill has and no row of usage can carry: code execution, sessions, a cell without tokens."""

    cost_type: str | None
    dimensions: Mapping[str, str | None]
    amount: Usd
    parts: Parts


@dataclass(frozen=True, slots=True)
class Allocation:
    """One UTC day: a share for each row of usage, and the rest of the bill."""

    day: date
    shares: tuple[Share, ...]
    unattributed: tuple[Unattributed, ...]

    @property
    def amount(self) -> Usd:
        """Equal to the sum of the day's bill."""
        shares = (share.amount for share in self.shares if share.amount is not None)
        return total((*shares, *(line.amount for line in self.unattributed)))


def allocate(cost_rows: Iterable[Billed], usage_rows: Iterable[Used], day: date) -> Allocation:
    """Share the bill of the UTC day `day` out over its usage; the result adds up to it digit for digit.

    Each cell of the bill (workspace, model, tier, context window, geo and token type, as far as usage was
    grouped by them; web searches by whatever their line names) goes to its rows in proportion to their
    tokens of that type, or to their searches. The order of the rows does not matter. Raises ValueError for a
    row or a line of another day.
    """
    rows = sorted(usage_rows, key=_order)
    lines = list(cost_rows)
    _require_day(rows, lines, day)
    grouped = grouped_by(rows)
    cells: dict[_Cell, list[Billed]] = {}
    rest: list[Billed] = []
    for line in lines:
        cell = _cell(line, grouped)
        if cell is None:
            rest.append(line)
        else:
            cells.setdefault(cell, []).append(line)
    ledger = _Ledger(rows)
    for cell, of_cell in cells.items():
        if not ledger.book(cell, of_cell):
            rest += of_cell
    return Allocation(day, ledger.shares(), _unattributed(rest))


def grouped_by(rows: Iterable[Used]) -> tuple[str, ...]:
    """The billed dimensions that any of the rows was grouped by."""
    names = {name for row in rows for name in row.dimensions}
    return tuple(name for name in BILLED_DIMENSIONS if name in names)


class _Ledger:
    """The rows of a day with what has been booked to them so far."""

    def __init__(self, rows: Sequence[Used]) -> None:
        self._rows = rows
        self._parts: list[list[Usd] | None] = [None] * len(rows)
        self._blended = [False] * len(rows)
        self._places: dict[tuple[str, ...], dict[tuple[str | None, ...], list[int]]] = {}

    def book(self, cell: _Cell, lines: Sequence[Billed]) -> bool:
        """Share the lines out over the rows of their cell; False if no row has what they count."""
        names, values, part = cell
        places = [place for place in self._rows_by(names).get(values, ()) if self._rows[place].counts[part]]
        if not places:
            return False
        amount = total(line.amount for line in lines)
        mixed = part != SEARCHES and len({priced_apart(line) for line in lines}) > 1
        weights = [self._rows[place].counts[part] for place in places]
        for place, share in zip(places, share_out(amount, weights), strict=True):
            parts = self._parts[place]
            if parts is None:
                parts = self._parts[place] = [ZERO] * len(PART_NAMES)
            parts[part] = total((parts[part], share))
            self._blended[place] |= mixed
        return True

    def shares(self) -> tuple[Share, ...]:
        return tuple(
            self._share(row, parts, blended)
            for row, parts, blended in zip(self._rows, self._parts, self._blended, strict=True)
        )

    def _share(self, row: Used, parts: list[Usd] | None, blended: bool) -> Share:
        if parts is not None:
            return Share(row, total(parts), tuple(parts), blended)
        by_the_token = row.tier is None or row.tier in BILLED_TIERS
        return Share(row, ZERO if by_the_token else None, _NOTHING)

    def _rows_by(self, names: tuple[str, ...]) -> dict[tuple[str | None, ...], list[int]]:
        """The places of the rows by their values of `names`."""
        places = self._places.get(names)
        if places is None:
            places = self._places[names] = {}
            for place, row in enumerate(self._rows):
                values = tuple(_value(name, row.dimensions.get(name)) for name in names)
                places.setdefault(values, []).append(place)
        return places


_NOTHING: Parts = (ZERO,) * len(PART_NAMES)


def _cell(line: Billed, grouped: tuple[str, ...]) -> _Cell | None:
    """The cell of a line; None if usage has no such thing."""
    if line.cost_type == WEB_SEARCH:
        names = tuple(name for name in grouped if getattr(line, name) is not None)
        part = SEARCHES
    elif line.cost_type == TOKENS and line.token_type in TOKEN_TYPES:
        names, part = grouped, TOKEN_TYPES.index(line.token_type)
    else:
        return None
    return names, tuple(_value(name, getattr(line, name)) for name in names), part


def _value(name: str, value: str | None) -> str | None:
    """The two reports spell an unknown geo in two ways."""
    return value or UNKNOWN_GEO if name == "inference_geo" else value


def priced_apart(line: Billed) -> tuple[str | None, ...]:
    """What may give two lines of one cell two prices; a workspace has no prices of its own."""
    return (line.model, line.service_tier, line.context_window, line.inference_geo, line.description)


def _unattributed(lines: Iterable[Billed]) -> tuple[Unattributed, ...]:
    """Lines that are alike but for their token type become one."""
    merged: dict[tuple[str | None, ...], list[Usd]] = {}
    for line in lines:
        key = (line.cost_type, *(getattr(line, name) for name in BILLED_DIMENSIONS))
        parts = merged.setdefault(key, [ZERO] * len(PART_NAMES))
        part = part_of(line)
        parts[part] = total((parts[part], line.amount))
    return tuple(
        Unattributed(key[0], dict(zip(BILLED_DIMENSIONS, key[1:], strict=True)), total(parts), tuple(parts))
        for key, parts in sorted(merged.items(), key=lambda item: [value or "" for value in item[0]])
    )


def part_of(line: Billed) -> int:
    """The place of what a line is for in `Parts`."""
    if line.cost_type == WEB_SEARCH:
        return SEARCHES
    if line.cost_type == TOKENS and line.token_type in TOKEN_TYPES:
        return TOKEN_TYPES.index(line.token_type)
    return OTHER


def _order(row: Used) -> tuple[object, ...]:
    return row.start, [(name, value or "") for name, value in sorted(row.dimensions.items())], row.id


def _require_day(rows: Iterable[Used], lines: Iterable[Billed], day: date) -> None:
    days = {row.start.astimezone(UTC).date() for row in rows} | {line.day for line in lines}
    if others := sorted(days - {day}):
        raise ValueError(f"the bill of {day} was to be shared out over rows of {others[0]}")

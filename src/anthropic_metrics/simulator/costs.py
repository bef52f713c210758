"""The bill: one line per UTC day, workspace and description; and how it is revised in the two days after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from .clock import DAY, HOUR
from .edits import Edits
from .identity import share
from .prices import CODE_EXECUTION_CENTS, MODELS, TOKEN_TYPES, WEB_SEARCH_CENTS, token_cents
from .series import DIMENSIONS, LONG, Dimensions
from .traffic import Cell, add
from .usage import Held, Usage

_BILLED_TIERS = ("standard", "batch")
_LABELS = {
    "uncached_input_tokens": "Input Tokens",
    "cache_read_input_tokens": "Input Tokens, Cache Hit",
    "cache_creation.ephemeral_5m_input_tokens": "Input Tokens, Cache Write",
    "cache_creation.ephemeral_1h_input_tokens": "Input Tokens, Cache Write (1h)",
    "output_tokens": "Output Tokens",
}
_BILLING = tuple(
    DIMENSIONS.index(name)
    for name in ("workspace_id", "model", "service_tier", "context_window", "inference_geo", "speed")
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a day's bill; `amount` is exact cents."""

    workspace_id: str | None
    description: str
    cost_type: str
    amount: Decimal
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None


@dataclass(frozen=True, slots=True)
class Revisions:
    """Shares of the lines that begin too small, too large, that come late, and that are first booked in
    part to another workspace; each is put right at its own time, 2 to 48 hours after its day."""

    grown: float = 0.0
    shrunk: float = 0.0
    late: float = 0.0
    misplaced: float = 0.0


REVISIONS = {
    "none": Revisions(),
    "usual": Revisions(grown=0.04, shrunk=0.03, late=0.02, misplaced=0.01),
    "heavy": Revisions(grown=0.15, shrunk=0.15, late=0.1, misplaced=0.05),
}
_FIRST, _LAST = 2 * HOUR, 48 * HOUR


class Costs:
    """The bill of any UTC day as it stands at a moment: usage times price, then edits and revisions."""

    def __init__(
        self,
        seed: int,
        usage: Usage,
        edits: Edits,
        revisions: Revisions,
        container_hours: Callable[[int], Sequence[tuple[str | None, Decimal]]],
    ) -> None:
        self._seed = seed
        self._usage = usage
        self._edits = edits
        self._revisions = revisions
        self._container_hours = container_hours
        self._ledgers = lru_cache(maxsize=70)(self._ledger)

    def lines(self, day: int, at: float | None) -> list[Line]:
        """The lines of the day that begins at `day` (epoch seconds)."""
        settled = at is None or at >= day + DAY + _LAST
        edits = tuple(self._edits.usage_between(day, day + DAY, at))
        lines = list(self._ledgers(day, None if settled else at, edits))
        for edit in self._edits.costs:
            if edit.day == day and edit.holds(at):
                lines = [_scaled(line, edit.factor, edit.match) for line in lines]
        if not settled:
            lines = list(self._revised(day, lines, at))
        return [line for line in lines if line.amount]

    def _ledger(self, day: int, at: float | None, edits: Held) -> tuple[Line, ...]:
        """The day as it stands at `at`; None: with all that has arrived, and these edits of usage."""
        if at is None:
            cells = self._usage.arrived_day(day, edits)
        else:
            ((_, cells),) = self._usage.buckets(day, day + DAY, DAY, at)
        groups: dict[Dimensions, Cell] = {}
        for dimensions, cell in zip(self._edits.dimensions, cells, strict=False):
            key = tuple(dimensions[place] for place in _BILLING)
            if cell is not None and key[2] in _BILLED_TIERS:
                groups[key] = add(groups[key], cell) if key in groups else cell
        lines = [line for key, cell in groups.items() for line in _token_lines(key, cell)]
        return (*lines, *_search_lines(groups), *self._execution_lines(day, at))

    def _execution_lines(self, day: int, at: float | None) -> Iterator[Line]:
        hours: dict[str | None, Decimal] = {}
        for begin in range(day, day + DAY, HOUR):
            if at is None or begin + HOUR <= at:
                for workspace, amount in self._container_hours(begin // HOUR):
                    hours[workspace] = hours.get(workspace, Decimal(0)) + amount
        for workspace, amount in hours.items():
            yield Line(workspace, "Code Execution Usage", "code_execution", amount * CODE_EXECUTION_CENTS)

    def _revised(self, day: int, lines: list[Line], at: float | None) -> Iterator[Line]:
        shares = self._revisions
        billed = {(line.workspace_id, line.description) for line in lines}
        workspaces = sorted({line.workspace_id or "" for line in lines})
        bounds = (shares.grown, shares.shrunk, shares.late, shares.misplaced)
        for line in lines:
            key = (self._seed, "revision", day, line.workspace_id, line.description)
            put_right = day + DAY + _FIRST + (_LAST - _FIRST) * share(*key, "when")
            kind = _pick(share(*key, "kind"), bounds)
            if kind is None or at is None or at >= put_right:
                yield line
            elif kind < 2:
                yield replace(line, amount=line.amount * Decimal(("0.9", "1.08")[kind]))
            elif kind == 3:
                yield line
                other = workspaces[day // DAY % len(workspaces)] or None
                if (other, line.description) not in billed:
                    yield replace(line, workspace_id=other, amount=line.amount / 4)


def cost_rows(lines: Sequence[Line], group_by: Sequence[str]) -> list[dict[str, Any]]:
    """The API's objects for one day, grouped by none, one or both of workspace_id and description."""
    by_workspace, by_description = "workspace_id" in group_by, "description" in group_by
    groups: dict[tuple[str | None, str | None], list[Line]] = {}
    for line in lines:
        key = (line.workspace_id if by_workspace else None, line.description if by_description else None)
        groups.setdefault(key, []).append(line)
    return [_row(key, group, by_description) for key, group in groups.items()]


def decimal_text(amount: Decimal) -> str:
    """All digits, no exponent, no trailing zeros."""
    return format(amount.normalize(), "f")


def _row(key: tuple[str | None, str | None], group: Sequence[Line], parsed: bool) -> dict[str, Any]:
    first = group[0]
    return {
        "currency": "USD",
        "amount": decimal_text(sum((line.amount for line in group), Decimal(0))),
        "workspace_id": key[0],
        "description": key[1],
        "cost_type": first.cost_type if parsed else None,
        "model": first.model if parsed else None,
        "token_type": first.token_type if parsed else None,
        "service_tier": first.service_tier if parsed else None,
        "context_window": first.context_window if parsed else None,
        "inference_geo": first.inference_geo if parsed else None,
    }


def _token_lines(key: Dimensions, cell: Cell) -> Iterator[Line]:
    workspace, model, tier, window, geo, speed = key
    assert model is not None
    assert tier is not None
    assert window is not None
    assert geo is not None
    for token_type, tokens in zip(TOKEN_TYPES, cell, strict=False):
        if tokens:
            amount = token_cents(model, token_type, tokens, tier=tier, window=window, geo=geo, speed=speed)
            text = _description(model, token_type, tier, window, geo, speed)
            yield Line(workspace, text, "tokens", amount, model, token_type, tier, window, geo)


def _search_lines(groups: Mapping[Dimensions, Cell]) -> Iterator[Line]:
    searches: dict[str | None, int] = {}
    for key, cell in groups.items():
        searches[key[0]] = searches.get(key[0], 0) + cell[5]
    for workspace, count in searches.items():
        yield Line(workspace, "Web Search Usage", "web_search", count * WEB_SEARCH_CENTS)


def _description(model: str, token_type: str, tier: str, window: str, geo: str, speed: str | None) -> str:
    text = f"{MODELS[model].name} Usage - {_LABELS[token_type]}"
    text += ", Batch" if tier == "batch" else ""
    text += ", Long Context" if window == LONG else ""
    text += ", US" if geo == "us" else ""
    return text + (", Fast Mode" if speed == "fast" else "")


def _scaled(line: Line, factor: Decimal, match: Mapping[str, str | None]) -> Line:
    fits = all(getattr(line, name) == value for name, value in match.items())
    return replace(line, amount=line.amount * factor) if fits else line


def _pick(position: float, shares: Sequence[float]) -> int | None:
    """Which of the consecutive shares a position in [0, 1) falls into."""
    begin = 0.0
    for index, width in enumerate(shares):
        begin += width
        if position < begin:
            return index
    return None

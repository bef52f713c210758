"""The budgets in memory, as the agent's HTTP port answers them: nothing here waits for a server.

Figures are JSON numbers, dollars to six digits: an application compares them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.kernel.ranges import iso

_SIX = 6
Body = dict[str, Any]


class Board:
    """What the last pass over the budgets found. Thread-safe.

    `names` are the budgets of the configuration, known before the first pass.
    """

    def __init__(self, names: Iterable[str] = (), *, clock: Callable[[], datetime]) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._names = list(names)
        self._states: dict[str, Body] = {}
        self._at: datetime | None = None

    def put(self, states: Sequence[BudgetState], at: datetime) -> None:
        """Show these from now on; `at` is when they were computed."""
        bodies = {state.name: budget_body(state) for state in states}
        with self._lock:
            self._states, self._at = bodies, at

    @property
    def names(self) -> list[str]:
        """The budgets that can be asked for."""
        with self._lock:
            return list(dict.fromkeys([*self._names, *self._states]))

    def all(self) -> Body | None:
        """Every budget with the age of the figures; None before the first pass."""
        with self._lock:
            states, at = self._states, self._at
        if at is None:
            return None
        age = self._age(at)
        return {"budgets": [{**body, **age} for body in states.values()]}

    def one(self, name: str) -> Body | None:
        """One budget; None before the first pass. Raises KeyError for a name that is none."""
        with self._lock:
            states, at = self._states, self._at
        if name in states and at is not None:
            return {**states[name], **self._age(at)}
        if name in self._names and at is None:
            return None
        raise KeyError(name)

    def _age(self, at: datetime) -> Body:
        return {"as_of": iso(at), "age_seconds": max(0, round((self._clock() - at).total_seconds()))}


class Boards:
    """The boards of all organizations by label; a single one has the empty label, and its bodies say none.

    `organization` chooses one, by its label in any case; KeyError with the labels where there is none such.
    """

    def __init__(self, boards: Mapping[str, Board]) -> None:
        self._boards = boards

    def names(self, organization: str | None = None) -> list[str]:
        """The budgets that can be asked for."""
        return list(dict.fromkeys(name for _, board in self._chosen(organization) for name in board.names))

    def all(self, organization: str | None = None) -> Body | None:
        """Every budget with the age of the figures; None before the first pass of any organization."""
        bodies = [(label, board.all()) for label, board in self._chosen(organization)]
        if all(body is None for _, body in bodies):
            return None
        return {
            "budgets": [_of(label) | budget for label, body in bodies if body for budget in body["budgets"]]
        }

    def owners(self, name: str, organization: str | None = None) -> list[str]:
        """The labels of the organizations that have this budget."""
        return [label for label, board in self._chosen(organization) if name in board.names]

    def one(self, name: str, organization: str) -> Body | None:
        """One budget of the organization with this label; None before the first pass."""
        body = self._boards[organization].one(name)
        return None if body is None else _of(organization) | body

    def _chosen(self, organization: str | None) -> Iterator[tuple[str, Board]]:
        labels = {label.casefold(): label for label in self._boards}
        if organization is None:
            yield from self._boards.items()
        elif organization and organization.casefold() in labels:
            label = labels[organization.casefold()]
            yield label, self._boards[label]
        else:
            raise KeyError(organization, [label for label in self._boards if label])


def _of(organization: str) -> Body:
    return {"organization": organization} if organization else {}


def budget_body(state: BudgetState) -> Body:
    """A budget as JSON; what is not known is null."""
    known = not state.problem
    seen = state.forecast
    return {
        "name": state.name,
        "for": state.whose,
        "unit": state.unit,
        "period": state.budget.period,
        "period_start": iso(state.time_range.start.astimezone(UTC)),
        "period_end": iso(state.time_range.end.astimezone(UTC)),
        "limit": _number(state.limit),
        "spent": _number(state.spent) if known else None,
        "left": _number(state.left) if known else None,
        "used": round(state.used, _SIX) if known else None,
        "state": state.state,
        "basis": state.basis if known else None,
        "settled": _number(state.settled) if known else None,
        "estimated": _number(state.estimated) if known else None,
        "burn_per_day": None if state.burn is None else _number(state.burn),
        "forecast": None
        if seen is None
        else {
            "expected": round(seen.expected, _SIX),
            "low": round(seen.low, _SIX),
            "high": round(seen.high, _SIX),
            "few_days": seen.is_young,
        },
        "runs_out": None if state.runs_out is None else state.runs_out.isoformat(),
        "complete": state.is_complete,
        "counted_from": state.counted_from and state.counted_from.isoformat(),
        "read_to": state.read_to and iso(state.read_to),
        "read_only": state.read_only,
        "problem": state.problem or None,
    }


def _number(amount: Decimal) -> float | int:
    return int(amount) if amount == amount.to_integral_value() else round(float(amount), _SIX)

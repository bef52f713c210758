"""Scripted changes to the truth: each is seen from a given time on, and may be taken back at a later one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from . import limits
from .clock import DAY, MINUTE, epoch, floor
from .organization import ApiKey, Change, Organization, Workspace
from .series import DIMENSIONS, SHORT, Dimensions
from .traffic import FIELDS, Cell, Minutes, add

Match = Mapping[str, str | None]
_USUAL = {"service_tier": "standard", "context_window": SHORT, "inference_geo": "global", "speed": "standard"}


@dataclass(eq=False)
class Edit:
    """Something that holds from `visible_from` until `visible_until` (epoch seconds; None = without end)."""

    visible_from: float
    visible_until: float | None

    def holds(self, at: float | None) -> bool:
        if at is None:
            return self.visible_until is None
        return self.visible_from <= at and (self.visible_until is None or at < self.visible_until)


@dataclass(eq=False)
class Spanning(Edit):
    """An edit of usage between `start` and `end`."""

    start: int
    end: int

    def touches(self, start: int, end: int) -> bool:
        """Whether anything in [start, end) is edited."""
        return self.start < end and start < self.end


@dataclass(eq=False)
class UsageEdit(Spanning):
    """`transform` on every minute cell between `start` and `end` of the series that `matches` accepts."""

    matches: Callable[[Dimensions], bool]
    transform: Callable[[Cell], Cell]

    def apply(self, minutes: list[Minutes | None], dimensions: Sequence[Dimensions], hour_start: int) -> None:
        first = max(0, (self.start - hour_start) // MINUTE)
        last = min(60, (self.end - hour_start) // MINUTE)
        for index, cells in enumerate(minutes):
            if cells is not None and self.matches(dimensions[index]):
                changed = (None if cell is None else self.transform(cell) for cell in cells[first:last])
                visible = tuple(cell if cell is not None and any(cell) else None for cell in changed)
                minutes[index] = cells[:first] + visible + cells[last:]


@dataclass(eq=False)
class Addition(Spanning):
    """Usage that the seed does not make, in the one minute that begins at `start`."""

    series: int
    cell: Cell

    def apply(self, minutes: list[Minutes | None], dimensions: Sequence[Dimensions], hour_start: int) -> None:
        index = (self.start - hour_start) // MINUTE
        minutes.extend([None] * (self.series + 1 - len(minutes)))
        cells = list(minutes[self.series] or (None,) * 60)
        before = cells[index]
        cells[index] = self.cell if before is None else add(before, self.cell)
        minutes[self.series] = tuple(cells)


@dataclass(eq=False)
class CostEdit(Edit):
    """`factor` on the amounts of one UTC day's lines that match; 0 makes them vanish."""

    day: int
    match: Match
    factor: Decimal


@dataclass(eq=False)
class OrganizationEdit(Edit):
    change: Change


_E = TypeVar("_E", "UsageEdit", "Addition")


class Edits:
    """All scripted changes of a simulation, in the order in which they were made.

    `at` is the moment from which the API shows the change. Every method returns the edit, so that
    `take_back` can end it. `match` names dimensions and their values; None matches the null of a report.
    """

    def __init__(self, dimensions: Sequence[Dimensions], horizon: Callable[[], datetime]) -> None:
        self._lock = threading.Lock()
        self._now = horizon
        self.dimensions: tuple[Dimensions, ...] = tuple(dimensions)
        self.usage: tuple[UsageEdit | Addition, ...] = ()
        self.costs: tuple[CostEdit, ...] = ()
        self.organizations: tuple[OrganizationEdit, ...] = ()
        self.version = 0

    def revise_usage(
        self,
        start: datetime,
        *,
        factor: float | Decimal,
        match: Match | None = None,
        span: timedelta = timedelta(hours=1),
        at: datetime | None = None,
    ) -> UsageEdit:
        """Multiply the usage of `span` from `start` on (whole minutes) wherever `match` fits."""
        wanted = _predicate(match or {})
        ratio = Decimal(str(factor))
        begin = floor(start, MINUTE)
        end = begin + int(span.total_seconds())
        edit = UsageEdit(self._at(at), None, begin, end, wanted, lambda cell: _scaled(cell, ratio))
        return self._add_usage_edit(edit)

    def vanish_usage(
        self,
        start: datetime,
        *,
        match: Match | None = None,
        span: timedelta = timedelta(hours=1),
        at: datetime | None = None,
    ) -> UsageEdit:
        """Take usage away; `take_back` brings it again."""
        return self.revise_usage(start, factor=0, match=match, span=span, at=at)

    def add_usage(
        self, minute: datetime, dimensions: Match, numbers: Mapping[str, int], *, at: datetime | None = None
    ) -> Addition:
        """Add usage in one minute. `dimensions` needs `model`; what is left out is the usual (no key, default
        workspace, standard, 0-200k, global). `numbers` has names of `traffic.FIELDS`."""
        for name in (*dimensions, *numbers):
            if name not in DIMENSIONS and name not in FIELDS:
                raise KeyError(name)
        values = {**_USUAL, **dimensions}
        key = tuple(values.get(name) for name in DIMENSIONS)
        a, b, c, d, e, f = (numbers.get(name, 0) for name in FIELDS)
        start = floor(minute, MINUTE)
        with self._lock:
            if key not in self.dimensions:
                self.dimensions = (*self.dimensions, key)
            series = self.dimensions.index(key)
        seen = start + MINUTE if at is None else epoch(at)
        return self._add_usage_edit(Addition(seen, None, start, start + MINUTE, series, (a, b, c, d, e, f)))

    def revise_cost(
        self,
        day: datetime,
        *,
        factor: float | Decimal,
        match: Match | None = None,
        at: datetime | None = None,
    ) -> CostEdit:
        """Multiply the cost lines of the UTC day of `day` that match."""
        edit = CostEdit(self._at(at), None, floor(day, DAY), dict(match or {}), Decimal(str(factor)))
        with self._lock:
            self.costs = (*self.costs, edit)
            self.version += 1
        return edit

    def vanish_cost(
        self, day: datetime, *, match: Match | None = None, at: datetime | None = None
    ) -> CostEdit:
        """Take cost lines away; `take_back` brings them again."""
        return self.revise_cost(day, factor=0, match=match, at=at)

    def change(self, change: Change, *, at: datetime | None = None) -> OrganizationEdit:
        """Any change of the organization: inventory, limits, names. `change` maps old to new."""
        edit = OrganizationEdit(self._at(at), None, change)
        with self._lock:
            self.organizations = (*self.organizations, edit)
            self.version += 1
        return edit

    def rename_workspace(
        self, workspace_id: str, name: str, *, at: datetime | None = None
    ) -> OrganizationEdit:
        return self.change(lambda org: org.with_workspace(workspace_id, name=name), at=at)

    def archive_workspace(self, workspace_id: str, *, at: datetime | None = None) -> OrganizationEdit:
        when = self._now() if at is None else at
        return self.change(lambda org: org.with_workspace(workspace_id, archived_at=when), at=at)

    def add_workspace(self, workspace: Workspace, *, at: datetime | None = None) -> OrganizationEdit:
        return self.change(lambda org: replace(org, workspaces=(*org.workspaces, workspace)), at=at)

    def delete_api_key(self, key_id: str, *, at: datetime | None = None) -> OrganizationEdit:
        return self.change(lambda org: org.without_api_key(key_id), at=at)

    def add_api_key(self, key: ApiKey, *, at: datetime | None = None) -> OrganizationEdit:
        return self.change(lambda org: replace(org, api_keys=(*org.api_keys, key)), at=at)

    def change_api_key(self, key_id: str, *, at: datetime | None = None, **changes: Any) -> OrganizationEdit:
        """Change fields of a key, such as `name`, `status` or `expires_at`."""
        return self.change(lambda org: org.with_api_key(key_id, **changes), at=at)

    def rotate_api_key(
        self, key_id: str, successor: ApiKey, *, at: datetime | None = None
    ) -> tuple[OrganizationEdit, OrganizationEdit]:
        """A successor comes and the old key is archived."""
        return self.add_api_key(successor, at=at), self.change_api_key(key_id, at=at, status="archived")

    def set_rate_limit(
        self, group_id: str, limit_type: str, value: int | None, *, at: datetime | None = None
    ) -> OrganizationEdit:
        """Set one limit of one group of the organization, or take it out by None."""

        def change(org: Organization) -> Organization:
            return replace(org, rate_limits=limits.changed(org.rate_limits, group_id, limit_type, value))

        return self.change(change, at=at)

    def set_workspace_rate_limit(
        self,
        workspace_id: str,
        group_id: str,
        limit_type: str,
        value: int | None,
        *,
        at: datetime | None = None,
    ) -> OrganizationEdit:
        """Set one override of a workspace, or take it out by None."""

        def change(org: Organization) -> Organization:
            overrides = limits.overridden(org.overrides, workspace_id, group_id, limit_type, value)
            return replace(org, overrides=overrides)

        return self.change(change, at=at)

    def take_back(self, edit: Edit, *, at: datetime | None = None) -> None:
        """End an edit: what it changed is again as it was."""
        edit.visible_until = self._at(at)
        with self._lock:
            self.version += 1

    def usage_between(self, start: int, end: int, at: float | None) -> list[UsageEdit | Addition]:
        """The usage edits that hold at `at` and touch [start, end)."""
        return [edit for edit in self.usage if edit.touches(start, end) and edit.holds(at)]

    def _at(self, at: datetime | None) -> float:
        return epoch(self._now() if at is None else at)

    def _add_usage_edit(self, edit: _E) -> _E:
        with self._lock:
            self.usage = (*self.usage, edit)
            self.version += 1
        return edit


def _predicate(match: Match) -> Callable[[Dimensions], bool]:
    places = [(DIMENSIONS.index(name), value) for name, value in match.items()]
    return lambda dimensions: all(dimensions[place] == value for place, value in places)


def _scaled(cell: Cell, ratio: Decimal) -> Cell:
    a, b, c, d, e, f = (int(number * ratio) for number in cell)
    return (a, b, c, d, e, f)

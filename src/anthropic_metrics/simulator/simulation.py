"""The simulated organization and its truth: what any report should say, now, at some moment, or in the
end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .arrivals import PROFILES, Arrivals, Profile
from .clock import DAY, WIDTHS, Clock, ceil, epoch, floor, iso, moment
from .costs import REVISIONS, Costs, Line, Revisions, cost_rows
from .edits import Edits
from .inventory import api_key_row, service_account_row, spend_limit_row, user_row, workspace_row
from .limits import organization_row
from .limits import workspace_row as workspace_limit_row
from .organization import Organization, build_organization
from .series import build_series
from .traffic import Cells, Traffic, container_hours
from .usage import Grouping, Usage, make_filters

_GROUPINGS_KEPT = 64


class Simulation:
    """An organization from a seed, and the ground truth of everything that its Admin API can be asked.

    History begins `days` whole UTC days before the clock's time at creation, or at `start`; traffic goes
    on without end, so any later range can be asked. `arrivals` (`none`, `usual`, `late`) says how late usage
    is seen, `revisions` (`none`, `usual`, `heavy`) how costs change in the 48 hours after their day;
    `series` makes a small organization of so many lines of traffic.

    Every truth method takes `at`: the state as the API knows it at that moment; None is the final truth,
    when all has arrived and every edit holds. Rows are the API's own objects plus `starting_at` and
    `ending_at`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 7,
        start: datetime | None = None,
        days: int = 30,
        series: int | None = None,
        arrivals: str | Profile = "none",
        revisions: str | Revisions = "none",
    ) -> None:
        self.clock = clock
        self.seed = seed
        first = floor(start or clock.now() - timedelta(days=days), DAY)
        self.first_day = moment(first)
        history = clock.now() - self.first_day
        self._organization = build_organization(seed, self.first_day, history)
        every = build_series(seed, self._organization)
        # Spread over the organization, so that few of them still show every workspace and kind of use.
        self.series = every if series is None else every[:: max(1, len(every) // series)][:series]
        self.edits = Edits([series.dimensions for series in self.series], clock.now)
        profile = PROFILES[arrivals] if isinstance(arrivals, str) else arrivals
        traffic = Traffic(seed, self.series, self.first_day, history)
        self._usage = Usage(traffic, Arrivals(seed, profile, self.series), self.edits)
        changes = REVISIONS[revisions] if isinstance(revisions, str) else revisions
        self._costs = Costs(seed, self._usage, self.edits, changes, self.container_hours)
        self._groupings: dict[object, Grouping] = {}
        # Rows of `/telemetry_destinations`; None where the organization does not have them.
        self.destinations: list[dict[str, Any]] | None = None

    def usage_rows(
        self,
        start: datetime,
        end: datetime,
        width: str = "1h",
        group_by: Sequence[str] = (),
        *,
        filters: Mapping[str, Sequence[str | None]] | None = None,
        at: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """The Messages usage report of the whole buckets in [start, end); `filters` has dimension names."""
        seconds = WIDTHS[width]
        grouping = self.grouping(group_by, filters or {})
        rows = []
        for begin, cells in self.usage_cells(ceil(start, seconds), floor(end, seconds), seconds, at):
            times = {"starting_at": iso(begin), "ending_at": iso(begin + seconds)}
            rows += [{**times, **row} for row in grouping.rows(grouping.fold(cells))]
        return rows

    def cost_rows(
        self, start: datetime, end: datetime, group_by: Sequence[str] = (), *, at: datetime | None = None
    ) -> list[dict[str, Any]]:
        """The cost report of the whole UTC days in [start, end)."""
        rows = []
        for day in range(ceil(start, DAY), floor(end, DAY), DAY):
            times = {"starting_at": iso(day), "ending_at": iso(day + DAY)}
            rows += [{**times, **row} for row in cost_rows(self.cost_lines(day, at), group_by)]
        return rows

    def organization(self, at: datetime | None = None) -> Organization:
        """The organization with the edits that hold at `at`; see `Organization` for names, keys and
        limits."""
        seconds = None if at is None else epoch(at)
        organization = self._organization
        for edit in self.edits.organizations:
            if edit.holds(seconds):
                organization = edit.change(organization)
        return organization

    def me(self, at: datetime | None = None) -> dict[str, Any]:
        organization = self.organization(at)
        return {"id": organization.id, "type": "organization", "name": organization.name}

    def workspaces(
        self, at: datetime | None = None, *, default: bool = True, archived: bool = True, shape: str = "new"
    ) -> list[dict[str, Any]]:
        """The workspaces as the API lists them; `default` asks for the default one too."""
        shown = self.organization(at).workspaces
        now = None if at is None else at
        return [
            workspace_row(self.seed, workspace, now, shape)
            for workspace in shown
            if (default or not workspace.default)
            and (archived or not is_archived(workspace.archived_at, now))
        ]

    def api_keys(self, at: datetime | None = None, *, shape: str = "new") -> list[dict[str, Any]]:
        """The key inventory; deleted keys are not in it."""
        organization = self.organization(at)
        return [api_key_row(key, organization, shape) for key in organization.api_keys]

    def users(self, at: datetime | None = None) -> list[dict[str, Any]]:
        """The organization's members."""
        return [user_row(user) for user in self.organization(at).users]

    def service_accounts(self, at: datetime | None = None, *, archived: bool = True) -> list[dict[str, Any]]:
        """The service accounts."""
        rows = map(service_account_row, self.organization(at).service_accounts)
        return [row for row in rows if archived or row["archived_at"] is None]

    def rate_limits(self, at: datetime | None = None, *, shape: str = "new") -> list[dict[str, Any]]:
        """The organization's limit groups."""
        return [organization_row(group, shape) for group in self.organization(at).rate_limits]

    def workspace_rate_limits(
        self, workspace_id: str, at: datetime | None = None, *, inherited: bool = False, shape: str = "new"
    ) -> list[dict[str, Any]]:
        """One workspace's overrides; with `inherited` also what it has from the organization. KeyError if
        there is no such workspace or it is archived."""
        organization = self.organization(at)
        workspace = organization.workspace(workspace_id)
        if workspace is None or is_archived(workspace.archived_at, at):
            raise KeyError(workspace_id)
        own = {
            group.group_id: group.limits
            for group in organization.overrides
            if group.workspace_id == workspace_id
        }
        rows = (
            workspace_limit_row(
                group, own.get(group.group_id, ()), workspace_id, inherited=inherited, shape=shape
            )
            for group in organization.rate_limits
        )
        return [row for row in rows if row is not None]

    def spend_limits(self, at: datetime | None = None) -> list[dict[str, Any]]:
        return [spend_limit_row(limit) for limit in self.organization(at).spend_limits]

    def usage_cells(
        self, start: int, end: int, width: int, at: datetime | None
    ) -> Iterator[tuple[int, Cells]]:
        """Bucket starts (epoch seconds) with the cells of all series, for whoever groups them."""
        return self._usage.buckets(start, end, width, None if at is None else epoch(at))

    def cost_lines(self, day: int, at: datetime | None) -> list[Line]:
        """The finest lines of the bill of the UTC day that begins at `day` (epoch seconds)."""
        return self._costs.lines(day, None if at is None else epoch(at))

    def grouping(self, group_by: Sequence[str], filters: Mapping[str, Sequence[str | None]]) -> Grouping:
        dimensions = self.edits.dimensions
        chosen = make_filters(filters)
        key = (frozenset(group_by), chosen, len(dimensions))
        if key not in self._groupings:
            if len(self._groupings) >= _GROUPINGS_KEPT:
                self._groupings = {}
            self._groupings[key] = Grouping(dimensions, tuple(group_by), chosen)
        return self._groupings[key]

    def container_hours(self, hour: int) -> list[tuple[str | None, Decimal]]:
        """Code execution: hours of containers by workspace in one hour."""
        if hour * 3600 < epoch(self.first_day):
            return []
        return [
            (self._organization.named(name).report_id, container_hours(self.seed, name, hour))
            for name in ("Data Science", "Production")
        ]


def is_archived(archived_at: datetime | None, at: datetime | None) -> bool:
    return archived_at is not None and (at is None or archived_at <= at)

"""What the analytics reports know of one interval: groups with tokens, requests and both amounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from .claude_code import is_claude_code
from .clock import DAY, HOUR, MINUTE, epoch
from .costs import decimal_text
from .edits import CostEdit
from .identity import share
from .organization import DELETED_KEY, api_key_id
from .prices import CODE_EXECUTION_CENTS, MODELS, TOKEN_TYPES, WEB_SEARCH_CENTS, token_cents
from .series import DIMENSIONS as SERIES
from .simulation import Simulation
from .traffic import ZERO, Cell, add

_BILLED_TIERS = ("standard", "batch")
_REVISED_FOR = 30 * DAY
_TOKENS_OF_A_REQUEST = 20_000
# What stands for null in a filter: no key, no geo.
_NULLS = {"api_key_id": "", "inference_geo": "not_available"}
Component = tuple[str, str | None]


@dataclass
class Group:
    """One row before it is fanned out into components; `key` has the dimensions that were asked for."""

    start: int
    end: int
    key: Mapping[str, Any]
    cell: Cell = ZERO
    requests: int = 0
    amounts: dict[Component, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def book(self, component: Component, amount: Decimal, listed: Decimal) -> None:
        before = self.amounts.get(component, (Decimal(0), Decimal(0)))
        self.amounts[component] = (before[0] + amount, before[1] + listed)

    def metric(self, name: str) -> Decimal | int:
        match name:
            case "amount":
                return sum((amount for amount, _ in self.amounts.values()), Decimal(0))
            case "list_amount":
                return sum((listed for _, listed in self.amounts.values()), Decimal(0))
            case "requests":
                return self.requests
            case "uncached_input_tokens":
                return self.cell[0]
            case "output_tokens":
                return self.cell[4]
        return sum(self.cell[:5])

    def size(self, kind: str) -> Decimal | int:
        return self.metric("amount" if kind == "cost" else "total_tokens")

    def usage(self) -> dict[str, Any]:
        cell = self.cell
        return {
            "uncached_input_tokens": cell[0],
            "cache_read_input_tokens": cell[1],
            "cache_creation": {"ephemeral_5m_input_tokens": cell[2], "ephemeral_1h_input_tokens": cell[3]},
            "output_tokens": cell[4],
            "server_tool_use": {"web_search_requests": cell[5]},
            "total_tokens": sum(cell[:5]),
            "requests": self.requests,
        }

    def costs(self, group_by: Sequence[str]) -> Iterator[tuple[dict[str, str | None], dict[str, Any]]]:
        """The components that were asked for, each with its amounts."""
        by_type, by_token = "cost_type" in group_by, "token_type" in group_by
        sums: dict[Component | None, tuple[Decimal, Decimal]] = {}
        for (cost_type, token_type), (amount, listed) in self.amounts.items():
            if by_token and not by_type and cost_type != "tokens":
                continue
            name = (cost_type, token_type if by_token else None) if by_type or by_token else None
            before = sums.get(name, (Decimal(0), Decimal(0)))
            sums[name] = (before[0] + amount, before[1] + listed)
        for cost_kind, (amount, listed) in sums.items():
            kind, token = (None, None) if cost_kind is None else cost_kind
            yield (
                {"cost_type": kind, "token_type": token},
                {
                    "amount": decimal_text(amount),
                    "list_amount": decimal_text(listed),
                    "currency": "USD",
                    "requests": self.requests if cost_kind is None else None,
                },
            )


@dataclass(frozen=True)
class Rows:
    """The reports as they stand once all until `refreshed` is loaded; None is the final truth.

    `revised` is the share of an hour's series that come later than the rest, within 30 days.
    """

    simulation: Simulation
    refreshed: datetime | None
    revised: float

    def collect(
        self,
        groups: dict[tuple[Any, ...], Group],
        start: int,
        end: int,
        group_by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
    ) -> None:
        """Add what the organization has in one interval to the groups."""
        for begin, step in _steps(start, end):
            self._usage(groups, begin, step, (start, end), group_by, filters)
            if step == HOUR:
                self._execution(groups, begin, (start, end), group_by, filters)

    def _usage(
        self,
        groups: dict[tuple[Any, ...], Group],
        begin: int,
        step: int,
        bucket: tuple[int, int],
        group_by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
    ) -> None:
        ((_, cells),) = self.simulation.usage_cells(begin, begin + step, step, self.refreshed)
        for place, cell in enumerate(cells):
            series = dict(zip(SERIES, self.simulation.edits.dimensions[place], strict=True))
            if cell is None or self._is_late(place, begin // HOUR):
                continue
            values = self._values(series)
            if not _fits(values, filters):
                continue
            # Identities that cannot be shown all read null, and each is a row of its own.
            is_hidden = "actor" in group_by and values["actor"] is None
            hidden = (self.simulation.seed, place) if is_hidden else None
            group = _group(groups, bucket, group_by, values, hidden)
            group.cell = add(group.cell, cell)
            group.requests += 1 + sum(cell[:5]) // _TOKENS_OF_A_REQUEST
            for component, amount, listed in self._costs(series, cell, begin):
                group.book(component, amount, listed)

    def _execution(
        self,
        groups: dict[tuple[Any, ...], Group],
        begin: int,
        bucket: tuple[int, int],
        group_by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
    ) -> None:
        """Code execution has a workspace and nothing else."""
        if self.refreshed is not None and begin + HOUR > epoch(self.refreshed):
            return
        for workspace, hours in self.simulation.container_hours(begin // HOUR):
            values = {
                "organization_id": self.simulation.organization().id,
                "workspace_id": self._workspace(workspace),
            }
            if hours and _fits(values, filters):
                group = _group(groups, bucket, group_by, values, None)
                group.requests += int(hours * 4)
                line = {"workspace_id": workspace, "cost_type": "code_execution"}
                listed = hours * CODE_EXECUTION_CENTS
                group.book(("code_execution", None), listed * self._factor(line, begin), listed)

    def _costs(
        self, series: Mapping[str, str | None], cell: Cell, begin: int
    ) -> Iterator[tuple[Component, Decimal, Decimal]]:
        model, tier, window, geo = (
            series[name] or "" for name in ("model", "service_tier", "context_window", "inference_geo")
        )
        if tier not in _BILLED_TIERS or model not in MODELS:
            return
        for token_type, tokens in zip(TOKEN_TYPES, cell, strict=False):
            if tokens:
                listed = token_cents(
                    model, token_type, tokens, tier=tier, window=window, geo=geo, speed=series["speed"]
                )
                line = {**series, "cost_type": "tokens", "token_type": token_type}
                yield ("tokens", token_type), listed * self._factor(line, begin), listed
        if cell[5]:
            listed = cell[5] * WEB_SEARCH_CENTS
            line = {"workspace_id": series["workspace_id"], "cost_type": "web_search"}
            yield ("web_search", None), listed * self._factor(line, begin), listed

    def _factor(self, line: Mapping[str, str | None], begin: int) -> Decimal:
        """What edits of the day's bill make of a line: discounts, mostly."""
        at = None if self.refreshed is None else epoch(self.refreshed)
        edits = (edit for edit in self.simulation.edits.costs if edit.day == begin // DAY * DAY)
        factor = Decimal(1)
        for edit in edits:
            if edit.holds(at) and _matches(edit, line):
                factor *= edit.factor
        return factor

    def _is_late(self, place: int, hour: int) -> bool:
        key = (self.simulation.seed, "analytics", place, hour)
        if self.refreshed is None or share(*key) >= self.revised:
            return False
        return epoch(self.refreshed) < (hour + 1) * HOUR + _REVISED_FOR * share(*key, "when")

    def _values(self, series: Mapping[str, str | None]) -> dict[str, Any]:
        """The dimensions in these reports' own spelling."""
        geo, model, tier = series["inference_geo"], series["model"] or "", series["service_tier"]
        short, _, date = model.rpartition("-")
        account = series["account_id"]
        kind = "claude_console" if account is not None else "messages_api"
        if is_claude_code(series):
            kind = "claude_code"
        actor = self._actor(series)
        return {
            **series,
            "organization_id": self.simulation.organization().id,
            "workspace_id": self._workspace(series["workspace_id"]),
            "model": short if date.isdecimal() and len(date) == 8 else model,
            "inference_geo": None if geo == "not_available" else geo,
            "product": "message_batches_api" if tier == "batch" else kind,
            "actor": actor,
            "actor_type": None if actor is None else actor["type"],
            "actor_id": next((str(v) for k, v in (actor or {}).items() if k.endswith("_id")), ""),
        }

    def _actor(self, series: Mapping[str, str | None]) -> dict[str, Any] | None:
        if (person := series["account_id"]) is not None:
            users = self.simulation.organization().users
            user = next((member for member in users if member.id == person), None)
            return {
                "type": "user_actor",
                "user_id": person,
                "name": user.name if user else "Deleted User",
                "email_address": user.email if user else None,
                "deleted": user is None,
            }
        if (account := series["service_account_id"]) is not None:
            return {"type": "service_account_actor", "service_account_id": account}
        key = series["api_key_id"]
        if key == api_key_id(self.simulation.seed, DELETED_KEY):
            return None
        return None if key is None else {"type": "api_actor", "api_key_id": key}

    def _workspace(self, report_id: str | None) -> str | None:
        """The default workspace has its real id here."""
        if report_id is not None:
            return report_id
        return next(
            (workspace.id for workspace in self.simulation.organization().workspaces if workspace.default),
            None,
        )


def _steps(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Hours, or a single minute."""
    step = HOUR if end - start >= HOUR else MINUTE
    for begin in range(start, end, step):
        yield begin, step


def _group(
    groups: dict[tuple[Any, ...], Group],
    bucket: tuple[int, int],
    group_by: Sequence[str],
    values: Mapping[str, Any],
    hidden: tuple[int, int] | None,
) -> Group:
    key = {name: values.get(name) for name in group_by}
    return groups.setdefault((hidden, *map(str, key.values())), Group(*bucket, key))


def _fits(values: Mapping[str, Any], filters: Mapping[str, Sequence[str]]) -> bool:
    return all((values.get(name) or _NULLS.get(name)) in wanted for name, wanted in filters.items())


def _matches(edit: CostEdit, line: Mapping[str, str | None]) -> bool:
    return all(line.get(name) == value for name, value in edit.match.items())
